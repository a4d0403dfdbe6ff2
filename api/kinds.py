"""Group, version and kind of everything we talk about, and where it lies on the API server."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from . import core
from .meta import KubeObject, ObjectKey
from .spiffeid.v1beta1 import clusterspiffeid, spiffeid, spireentry
from .spire.v1alpha1 import clusterfederatedtrustdomain, clusterstaticentry
from .spire.v1alpha1 import clusterspiffeid as spire_clusterspiffeid

T_co = TypeVar("T_co", bound=KubeObject, covariant=True)


@dataclass(frozen=True, slots=True)
class Kind(Generic[T_co]):
    """One kind: its names, its scope and the type that its objects decode to."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    type: type[T_co]
    has_status_subresource: bool = False

    @property
    def api_version(self) -> str:
        """``group/version``, or the version alone for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """``plural.group``, as kubectl accepts it; never ambiguous between groups."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection, of one object, or of its subresource."""
        parts = [f"/apis/{self.group}" if self.group else "/api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)

    def object_path(self, key: ObjectKey, subresource: str = "") -> str:
        """The URL path of one object."""
        return self.path(key.namespace, key.name, subresource)


POD = Kind("", "v1", "Pod", "pods", namespaced=True, type=core.Pod)
NODE = Kind("", "v1", "Node", "nodes", namespaced=False, type=core.Node)
NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False, type=core.Namespace)
EVENT = Kind("", "v1", "Event", "events", namespaced=True, type=core.Event)
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", namespaced=True, type=core.ConfigMap)
SECRET = Kind("", "v1", "Secret", "secrets", namespaced=True, type=core.Secret)
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases", namespaced=True, type=core.Lease)
CLUSTER_SPIFFE_ID = Kind(
    "spiffeid.spiffe.io",
    "v1beta1",
    "ClusterSpiffeId",
    "clusterspiffeids",
    namespaced=False,
    type=clusterspiffeid.ClusterSpiffeId,
    has_status_subresource=True,
)
SPIRE_ENTRY = Kind(
    "spiffeid.spiffe.io",
    "v1beta1",
    "SpireEntry",
    "spireentries",
    namespaced=False,
    type=spireentry.SpireEntry,
)
SPIFFE_ID = Kind(
    "spiffeid.spiffe.io",
    "v1beta1",
    "SpiffeID",
    "spiffeids",
    namespaced=True,
    type=spiffeid.SpiffeID,
    has_status_subresource=True,
)
REPLICA_SET = Kind("apps", "v1", "ReplicaSet", "replicasets", namespaced=True, type=core.Owned)
JOB = Kind("batch", "v1", "Job", "jobs", namespaced=True, type=core.Owned)
ENDPOINTS = Kind("", "v1", "Endpoints", "endpoints", namespaced=True, type=core.Endpoints)
ENDPOINT_SLICE = Kind(
    "discovery.k8s.io",
    "v1",
    "EndpointSlice",
    "endpointslices",
    namespaced=True,
    type=core.EndpointSlice,
)
VALIDATING_WEBHOOK_CONFIGURATION = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    namespaced=False,
    type=core.ValidatingWebhookConfiguration,
)
# Of the same plural as CLUSTER_SPIFFE_ID, in another group.
CLUSTER_SPIFFEID = Kind(
    "spire.spiffe.io",
    "v1alpha1",
    "ClusterSPIFFEID",
    "clusterspiffeids",
    namespaced=False,
    type=spire_clusterspiffeid.ClusterSPIFFEID,
    has_status_subresource=True,
)
CLUSTER_STATIC_ENTRY = Kind(
    "spire.spiffe.io",
    "v1alpha1",
    "ClusterStaticEntry",
    "clusterstaticentries",
    namespaced=False,
    type=clusterstaticentry.ClusterStaticEntry,
    has_status_subresource=True,
)
CLUSTER_FEDERATED_TRUST_DOMAIN = Kind(
    "spire.spiffe.io",
    "v1alpha1",
    "ClusterFederatedTrustDomain",
    "clusterfederatedtrustdomains",
    namespaced=False,
    type=clusterfederatedtrustdomain.ClusterFederatedTrustDomain,
    has_status_subresource=True,
)
