"""The sources of federation relationships and their bundles, from a cluster or from a folder."""

from collections.abc import Callable, Iterator
from typing import Protocol

from api.kinds import CLUSTER_FEDERATED_TRUST_DOMAIN
from api.meta import ObjectKey
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from controllers import triggers
from controllers.bundlefreshness import Freshness
from controllers.bundlerefresh import BundleRefresher
from controllers.clusterfederatedtrustdomain import FederationReconciler
from controllers.federationrecord import ConfigMapRecord
from controllers.ports import BundleSources
from controllers.rights import on_status
from controllers.source import FirstPass, Source, watch
from manager.caches.cache import Cache
from manager.caches.folder import FolderCache
from manager.context import Context
from registrar.claims.bundlesource import source_named
from registrar.claims.federatedtrustdomain import NO_TRUST_DOMAIN, trust_domains_of
from registrar.kube.store import Store

REFRESHES = 100
"""Bundles that are refreshed at once: peers that do not answer hold up no others."""

RECORD_NAMESPACE = "kube-public"
"""Where the record lies when we do not run in a namespace: one that every cluster has."""


class Sources(BundleSources, Protocol):
    """What objects have their bundles from, and who hears when that changes."""

    def listen(self, heard: Callable[[ObjectKey], None]) -> None:
        """Have each ConfigMap told whose reading has changed, from now on."""
        ...


def federation_sources(
    context: Context,
    cache: Cache[ClusterFederatedTrustDomain] | FolderCache[ClusterFederatedTrustDomain],
    *,
    sources: Sources,
    is_handled: Callable[[str], bool],
    record: ConfigMapRecord | None,
    refresh_seconds: float,
) -> Iterator[Source[str]]:
    """Trust domains that objects name or named: each one's relationship, and its bundle.

    ``record`` is None without a cluster, where nothing is written into the objects either.
    ``refresh_seconds`` 0: bundles are refreshed by the SPIRE server alone.
    """
    wake, refresh = context.shared.wake.trust_domain, context.shared.wake.bundle
    freshness = Freshness(is_periodic=refresh_seconds > 0, refresh=refresh, report=wake)
    reconciler = FederationReconciler(
        trust_domain=context.shared.trust_domain,
        objects=cache.store,
        is_complete=lambda: cache.is_available,
        is_handled=is_handled,
        federation=context.spire.federation,
        bundles=context.spire.bundles,
        trust_domains=context.spire.trust_domains,
        sources=sources,
        freshness=freshness,
        kube=context.api,
        record=record,
        events=context.events,
        timestamp=context.timestamp,
        wake=wake,
    )
    refresher = BundleRefresher(
        federation=context.spire.federation,
        bundles=context.spire.bundles,
        trust_domains=context.spire.trust_domains,
        freshness=freshness,
        observer=context.metrics.bundles,
        interval_seconds=refresh_seconds,
    )

    def drifted() -> None:
        """Compare the SPIRE server's relationships with the objects anew."""
        reconciler.drifted()
        for name in _all(cache.store):
            wake(name)

    def published(configmap: ObjectKey) -> None:
        """Look at the trust domains whose bundle is published there; what failed may work now."""
        for obj in cache.store.values():
            source = source_named(obj)
            if source is not None and source.configmap == configmap:
                for name in trust_domains_of(obj):
                    wake(name)
                    freshness.asked_for(name)

    yield Source(
        name="clusterfederatedtrustdomain",
        reconcile=reconciler.reconcile,
        concurrency=1,
        serves=wake,
        watches=[watch(cache, triggers.trust_domains_named)],
        notes=[lambda: sources.listen(published)],
        keys=lambda: _all(cache.store),
        first_pass=FirstPass.AT_ONCE,
        drifted=drifted,
        needs=[] if record is None else [*on_status(CLUSTER_FEDERATED_TRUST_DOMAIN), *record.needs],
    )
    yield Source(
        name="bundle-refresh",
        reconcile=refresher.reconcile,
        concurrency=REFRESHES,
        serves=refresh,
    )


def record_of_relationships(context: Context, *, own_namespace: str) -> ConfigMapRecord:
    """Where we note which relationships are ours: beside the registrar, or beside its Lease."""
    election = context.settings.leader_election
    of_lease = None if election is None else election.namespace
    namespace = own_namespace or of_lease or RECORD_NAMESPACE
    return ConfigMapRecord(context.kube, namespace=namespace, prefix=context.shared.prefix)


def _all(objects: Store[ClusterFederatedTrustDomain]) -> list[str]:
    """All trust domains, those included that no object names any more."""
    return [NO_TRUST_DOMAIN, *(name for obj in objects.values() for name in trust_domains_of(obj))]
