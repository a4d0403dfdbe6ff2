"""The controller of federation relationships in the controller manager's mode, and its record."""

from collections.abc import Callable, Coroutine

from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from controllers.book import Book
from controllers.clusterfederatedtrustdomain import (
    NO_TRUST_DOMAIN,
    FederationReconciler,
    trust_domains_of,
)
from controllers.federationrecord import ConfigMapRecord
from manager.stores import Cache
from manager.wiring import World, remote, timestamp
from registrar.kube.store import Change

RECORD_NAMESPACE = "kube-public"
"""Where the record lies when we do not run in a namespace: one that every cluster has."""


def record_of(world: World, book: Book, *, own_namespace: str) -> ConfigMapRecord:
    """Where we note which federation relationships are ours: beside the registrar, or its Lease."""
    election = world.settings.leader_election
    of_lease = None if election is None else election.namespace
    namespace = own_namespace or of_lease or RECORD_NAMESPACE
    return ConfigMapRecord(world.kube, namespace=namespace, prefix=book.prefix)


class Federating:
    """One term's controller of federation relationships, and what wakes it."""

    def __init__(
        self,
        world: World,
        book: Book,
        *,
        cache: Cache[ClusterFederatedTrustDomain],
        is_handled: Callable[[str], bool],
        record: ConfigMapRecord,
    ) -> None:
        self._objects = cache.store
        self._reconciler = FederationReconciler(
            trust_domain=book.trust_domain,
            objects=cache.store,
            is_complete=lambda: cache.is_available,
            is_handled=is_handled,
            federation=world.federation,
            bundles=world.bundles,
            trust_domains=world.trust_domains,
            kube=world.kube,
            record=record,
            events=world.events,
            timestamp=timestamp,
            wake=lambda name: self._controller.queue.add(name),  # noqa: PLW0108 - made below
        )
        self._controller = remote(
            world, "clusterfederatedtrustdomain", self._reconciler.reconcile, 1
        )

    def run(self) -> Coroutine[None, None, None]:
        """Work until cancelled."""
        return self._controller.run()

    def look_at_all(self) -> None:
        """Look at every trust domain, those included that no object names any more."""
        self._controller.queue.add(NO_TRUST_DOMAIN)
        for obj in list(self._objects.values()):
            self._wake(obj)

    def drifted(self) -> None:
        """The time has come to compare the SPIRE server's relationships with the objects."""
        self._reconciler.drifted()
        self.look_at_all()

    def changed(self, change: Change[ClusterFederatedTrustDomain]) -> None:
        """An object has changed: look at the trust domains that it named and names."""
        if change.error or change.old is None or change.new is None:
            # It does not decode, or an earlier version of it may not have done.
            self._controller.queue.add(NO_TRUST_DOMAIN)
        for obj in (change.old, change.new):
            if obj is not None:
                self._wake(obj)

    def _wake(self, obj: ClusterFederatedTrustDomain) -> None:
        for name in trust_domains_of(obj):
            self._controller.queue.add(name)
