"""The caches of the controller manager's mode."""

from collections.abc import Callable

from api.core import Namespace
from api.kinds import (
    CLUSTER_FEDERATED_TRUST_DOMAIN,
    CLUSTER_SPIFFEID,
    CLUSTER_STATIC_ENTRY,
    NAMESPACE,
)
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID
from api.spire.v1alpha1.clusterstaticentry import ClusterStaticEntry
from controllers.templates import Cluster
from manager.caches.bundlesources import BundleSources
from manager.caches.cache import AnyCache, Cache, Caches, Unreadable, spire_entry_cache
from manager.caches.pods import OwnerCaches, Packing, PodCaches, node_cache
from manager.caches.services import ServiceCaches
from registrar.claims.federatedtrustdomain import TRUST_DOMAIN_INDEX, trust_domains_of
from registrar.claims.namespaces import IgnoredNamespaces
from registrar.kube.store import Store
from registrar.settings.model import ControllerManager


class ManagerCaches:
    """Pods and what they are rendered from are only read where templates are handled.

    A kind that is not installed, or that we may not read, stops no other; what may be for its
    objects is kept. ``is_handled`` tells of a class whether its objects are this registrar's.
    """

    def __init__(self, config: ControllerManager, is_handled: Callable[[str], bool]) -> None:
        packing = Packing()
        self.spire_entries = spire_entry_cache(optional=True)
        self.namespaces: Cache[Namespace] = Cache(NAMESPACE, Store())
        self.nodes = node_cache(packing)
        self.pods = PodCaches(packing, config.cache_namespaces)
        self.templates: Cache[ClusterSPIFFEID] = Cache(
            CLUSTER_SPIFFEID,
            Store(),
            unreadable=Unreadable.KEEPS,
            label_selector=",".join(f"{label}={value}" for label, value in config.template_labels),
        )
        self.static_entries: Cache[ClusterStaticEntry] = Cache(
            CLUSTER_STATIC_ENTRY, Store(), unreadable=Unreadable.KEEPS
        )
        self.trust_domains: Cache[ClusterFederatedTrustDomain] = Cache(
            CLUSTER_FEDERATED_TRUST_DOMAIN,
            Store({TRUST_DOMAIN_INDEX: trust_domains_of}),
            unreadable=Unreadable.KEEPS,
        )
        self.bundle_sources = BundleSources(self.trust_domains, is_handled=is_handled)
        self.all = Caches(self._read(config))
        self.services = ServiceCaches(self.all, config.cache_namespaces)
        self.owners = OwnerCaches(self.all)
        if config.reconciled.cluster_spiffe_ids:
            self.all.declare([*self.services.slices, *self.owners.links.values()])
        self._unpacked = packing.unpacked

    def _read(self, config: ControllerManager) -> list[AnyCache]:
        handled = config.reconciled
        caches: list[AnyCache] = [self.spire_entries, self.namespaces]
        if handled.cluster_spiffe_ids:
            caches += [self.nodes, self.templates, *self.pods.caches]
        if handled.cluster_static_entries:
            caches.append(self.static_entries)
        if handled.cluster_federated_trust_domains:
            caches += [self.trust_domains, self.bundle_sources]
        return caches

    def cluster(self, ignored: IgnoredNamespaces) -> Cluster:
        """What Pods are rendered from."""
        return Cluster(
            pods=self.pods,
            nodes=self.nodes.store,
            namespaces=self.namespaces.store,
            services=self.services,
            owners=self.owners,
            unpacked=self._unpacked,
            ignored=ignored.unmet,
        )
