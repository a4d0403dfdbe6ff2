"""The source of federation relationships, from a cluster or from a folder."""

from collections.abc import Callable

from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from controllers import triggers
from controllers.clusterfederatedtrustdomain import FederationReconciler
from controllers.federationrecord import ConfigMapRecord
from controllers.source import FirstPass, Source, watch
from manager.caches.cache import Cache
from manager.caches.folder import FolderCache
from manager.context import Context
from registrar.claims.federatedtrustdomain import NO_TRUST_DOMAIN, trust_domains_of
from registrar.kube.store import Store

RECORD_NAMESPACE = "kube-public"
"""Where the record lies when we do not run in a namespace: one that every cluster has."""


def federation_source(
    context: Context,
    cache: Cache[ClusterFederatedTrustDomain] | FolderCache[ClusterFederatedTrustDomain],
    *,
    is_handled: Callable[[str], bool],
    record: ConfigMapRecord | None,
) -> Source[str]:
    """Trust domains that objects name or named, each with its relationship and its bundle.

    ``record`` is None without a cluster, where nothing is written into the objects either.
    """
    wake = context.shared.wake.trust_domain
    reconciler = FederationReconciler(
        trust_domain=context.shared.trust_domain,
        objects=cache.store,
        is_complete=lambda: cache.is_available,
        is_handled=is_handled,
        federation=context.spire.federation,
        bundles=context.spire.bundles,
        trust_domains=context.spire.trust_domains,
        kube=context.api,
        record=record,
        events=context.events,
        timestamp=context.timestamp,
        wake=wake,
    )

    def drifted() -> None:
        """Compare the SPIRE server's relationships with the objects anew."""
        reconciler.drifted()
        for name in _all(cache.store):
            wake(name)

    return Source(
        name="clusterfederatedtrustdomain",
        reconcile=reconciler.reconcile,
        concurrency=1,
        serves=wake,
        watches=[watch(cache, triggers.trust_domains_named)],
        keys=lambda: _all(cache.store),
        first_pass=FirstPass.AT_ONCE,
        drifted=drifted,
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
