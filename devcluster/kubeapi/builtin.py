"""The built-in kinds: which there are and what they look like.

The shapes stand in `builtin.json`, written by `hack/kube_schemas.py` from a real server.
"""

import importlib.resources
from collections.abc import Mapping

from devcluster.kubeapi.documents import JSONObject, decode, obj
from devcluster.kubeapi.protobuf import Messages
from devcluster.kubeapi.resources import Resource
from devcluster.kubeapi.schema import ANYTHING, Schema, parse

OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

# group/version of the schemas, then per kind: plural, scope, extras.
# Extras: short names; "!" status; "+" generation; "@" category; "=" name style; "/" subresource.
_KINDS = """
core/v1 ConfigMap configmaps N cm
core/v1 Endpoints endpoints N ep
core/v1 Event events N ev
core/v1 Namespace namespaces C ns ! =label /finalize
core/v1 Node nodes C no !
core/v1 Pod pods N po ! + @all /binding /eviction
core/v1 Secret secrets N
core/v1 Service services N svc ! @all =label
core/v1 ServiceAccount serviceaccounts N sa /token
admission/v1 ValidatingWebhookConfiguration validatingwebhookconfigurations C + @api-extensions
apiextensions/v1 CustomResourceDefinition customresourcedefinitions C crd crds ! + @api-extensions
apps/v1 DaemonSet daemonsets N ds ! + @all
apps/v1 Deployment deployments N deploy ! + @all
apps/v1 ReplicaSet replicasets N rs ! + @all
apps/v1 StatefulSet statefulsets N sts ! + @all
batch/v1 Job jobs N ! + @all
coordination/v1 Lease leases N
discovery/v1 EndpointSlice endpointslices N +
events/v1 Event events N ev
networking/v1 NetworkPolicy networkpolicies N netpol +
policy/v1 PodDisruptionBudget poddisruptionbudgets N pdb ! +
rbac/v1 ClusterRole clusterroles C =path
rbac/v1 ClusterRoleBinding clusterrolebindings C =path
rbac/v1 Role roles N =path
rbac/v1 RoleBinding rolebindings N =path
scheduling/v1 PriorityClass priorityclasses C pc +
storage/v1 CSIDriver csidrivers C
"""
_GROUPS: Mapping[str, str] = {
    "core": "",
    "admission": "admissionregistration.k8s.io",
    "apiextensions": "apiextensions.k8s.io",
    "apps": "apps",
    "batch": "batch",
    "coordination": "coordination.k8s.io",
    "discovery": "discovery.k8s.io",
    "events": "events.k8s.io",
    "networking": "networking.k8s.io",
    "policy": "policy",
    "rbac": "rbac.authorization.k8s.io",
    "scheduling": "scheduling.k8s.io",
    "storage": "storage.k8s.io",
}
_SCHEMA_HOMES: Mapping[str, str] = {
    "admission": "io.k8s.api.admissionregistration",
    "apiextensions": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
}
_SINGULARS: Mapping[str, str] = {"endpoints": "endpoints"}
_FIELD_LABELS: Mapping[str, tuple[str, ...]] = {
    "Pod": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "Event": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "Namespace": ("status.phase",),
    "Node": ("spec.unschedulable",),
    "Secret": ("type",),
    "Service": ("spec.clusterIP", "spec.type"),
    "Job": ("status.successful",),
}


class Builtins:
    """The built-in schemas, parsed on demand."""

    def __init__(self) -> None:
        raw = importlib.resources.files("devcluster.kubeapi").joinpath("builtin.json").read_bytes()
        self.sources: JSONObject = obj(decode(raw))
        self.messages = Messages()
        self._parsed: dict[str, Schema] = {}

    def schema(self, name: str) -> Schema:
        """The schema of a full name.

        Raises:
            KeyError: There is none.
        """
        found = self._parsed.get(name)
        if found is None:
            source = obj(self.sources[name])
            # An object of which nothing is said holds anything, such as FieldsV1.
            is_free = source == {"type": "object"}
            found = self._parsed[name] = ANYTHING if is_free else parse(source, self.schema)
        return found

    def resources(self) -> list[Resource]:
        """Every built-in kind."""
        return [self._resource(line) for line in _KINDS.strip().splitlines()]

    def _resource(self, line: str) -> Resource:
        home, kind, plural, scope, *extras = line.split()
        short, _, version = home.partition("/")
        group = _GROUPS[short]
        package = _SCHEMA_HOMES.get(short, f"io.k8s.api.{short}")
        name = f"{package}.{version}.{kind}"
        styles = [word[1:] for word in extras if word.startswith("=")]
        subresources = ["status"] if "!" in extras else []
        subresources += [word[1:] for word in extras if word.startswith("/")]
        is_event = plural == "events"
        return Resource(
            group=group,
            version=version,
            kind=kind,
            plural=plural,
            singular=_SINGULARS.get(plural, kind.lower()),
            namespaced=scope == "N",
            schema=self.schema(name),
            schema_name=name,
            schema_source=obj(self.sources[name]),
            stored_version="v1" if is_event else f"{group}/{version}".lstrip("/"),
            short_names=tuple(word for word in extras if word[0].isalpha()),
            categories=tuple(word[1:] for word in extras if word.startswith("@")),
            subresources=tuple(subresources),
            generation="+" in extras,
            name_style=styles[0] if styles else "subdomain",
            store_key=("" if is_event else group, plural),
            field_labels=_FIELD_LABELS.get(kind, ()),
        )
