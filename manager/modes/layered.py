"""The layered mode: ClusterSpiffeIds that people write, or that the pod controller makes."""

import asyncio
from collections.abc import Iterator

from api.core import Namespace, Pod
from api.kinds import CLUSTER_SPIFFE_ID, NAMESPACE, POD
from api.meta import ObjectKey
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from controllers.book import Book
from controllers.clusterspiffeid import ClaimReconciler, StatusReconciler
from controllers.confirmation import ByRecord, Confirmation
from controllers.generated import GeneratedReconciler
from controllers.pod import POD_INDEX, PodReconciler, pods_of
from manager.latency import PodLatency
from manager.stores import Cache, Caches, spire_entry_cache
from manager.wiring import RECORDERS, Run, World, computing, remote, timestamp
from registrar.claims.claim import Claim, Source
from registrar.claims.clusterspiffeid import alias_claim
from registrar.claims.pods import pod_of
from registrar.kube.controller import Controller
from registrar.kube.store import Change, Store
from registrar.settings.model import Settings


class Layered:
    """The mode; Pods and Namespaces are read only for the pod controller."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.cluster_spiffe_ids: Cache[ClusterSpiffeId] = Cache(
            CLUSTER_SPIFFE_ID, Store({POD_INDEX: pods_of})
        )
        self.spire_entries = spire_entry_cache()
        self.pods: Cache[Pod] = Cache(POD, Store())
        self.namespaces: Cache[Namespace] = Cache(NAMESPACE, Store())
        self.caches = Caches([self.cluster_spiffe_ids, self.spire_entries])
        if settings.pods is not None:
            self.caches = Caches(
                [self.cluster_spiffe_ids, self.spire_entries, self.namespaces, self.pods]
            )

    def alias(self) -> Claim:
        """The alias of the cluster's agents, parent of every entry by default."""
        settings = self._settings
        return alias_claim(settings.trust_domain, settings.cluster, settings.class_name)

    def confirmation(self, world: World, book: Book) -> Confirmation:
        """The registrar's own SpireEntry."""
        return ByRecord(
            book,
            alias_key=self.alias().key,
            objects=self.spire_entries.store,
            kube=world.kube,
            events=world.events,
        )

    def sources(self, world: World, book: Book, latency: PodLatency) -> "LayeredSources":
        """The controllers of ClusterSpiffeIds and Pods."""
        return LayeredSources(self, world, book, latency)


class LayeredSources:
    """One term's controllers; those of the pod controller are None when it is off."""

    def __init__(self, mode: Layered, world: World, book: Book, latency: PodLatency) -> None:
        self._mode = mode
        self._book = book
        objects = mode.cluster_spiffe_ids.store
        claims = ClaimReconciler(book, objects=objects, mirror=world.mirror)
        statuses = StatusReconciler(
            book,
            objects=objects,
            kube=world.kube,
            events=world.events,
            clock=asyncio.get_running_loop().time,
            timestamp=timestamp,
        )
        self._claims = computing(world, "clusterspiffeid", claims.reconcile)
        self._statuses = remote(world, "clusterspiffeid-status", statuses.reconcile, RECORDERS // 2)
        self._pods = _pods(mode, world, book, latency)
        self._generated = _generated(mode, world, book)
        book.wake.claims = self._claims.queue.add
        book.wake.status = self._wake_status
        if self._pods is not None and self._generated is not None:
            book.wake.pod = self._pods.queue.add
            book.wake.generated = self._generated.queue.add

    def runs(self) -> Iterator[Run]:
        """The loops to run."""
        yield self._claims.run
        yield self._statuses.run
        if self._pods is not None and self._generated is not None:
            yield self._pods.run
            yield self._generated.run

    def listen(self) -> None:
        """Hear of changes from now on."""
        self._mode.cluster_spiffe_ids.listener = self._cluster_spiffe_id_changed
        self._mode.pods.listener = self._pod_changed
        self._mode.namespaces.listener = self._namespace_changed

    async def look_at_all(self) -> None:
        """Look at every ClusterSpiffeId, then at every Pod."""
        book, store = self._book, self._mode.cluster_spiffe_ids.store
        for found in [*store.keys(), *store.broken]:
            book.wake.claims(found.name)
        await self._claims.settled()
        if self._pods is None:
            return
        # After the claims, so that what belongs to a Pod that is gone is released in order.
        for pod in list(self._mode.pods.store.keys()):
            book.wake.pod(pod)
        for obj in list(store.values()):
            self._wake_pod(obj)
        await self._pods.settled()
        await self._claims.settled()

    def drifted(self) -> None:
        """Nothing to compare besides the entries."""

    def _wake_status(self, source: Source) -> None:
        if source.kind == CLUSTER_SPIFFE_ID.kind:
            self._statuses.queue.add(source.name)

    def _cluster_spiffe_id_changed(self, change: Change[ClusterSpiffeId]) -> None:
        self._book.wake.claims(change.key.name)
        for obj in (change.old, change.new):
            if obj is not None:
                self._wake_pod(obj)

    def _wake_pod(self, obj: ClusterSpiffeId) -> None:
        """A ClusterSpiffeId that was made for a Pod is the pod controller's to judge."""
        pod = pod_of(obj)
        if pod is not None:
            self._book.wake.pod(pod)

    def _pod_changed(self, change: Change[Pod]) -> None:
        self._book.wake.pod(change.key)

    def _namespace_changed(self, change: Change[Namespace]) -> None:
        if change.old is None:
            for name, obj in list(self._book.assumed.items()):
                pod = pod_of(obj)
                if pod is not None and pod.namespace == change.key.name:
                    self._book.wake.generated(name)


def _pods(
    mode: Layered, world: World, book: Book, latency: PodLatency
) -> Controller[ObjectKey] | None:
    if world.settings.pods is None:
        return None
    reconciler = PodReconciler(
        book,
        settings=world.settings.pods,
        pods=mode.pods.store,
        objects=mode.cluster_spiffe_ids.store,
        events=world.events,
        on_pod=latency.pod_seen,
    )
    return computing(world, "pod", reconciler.reconcile)


def _generated(mode: Layered, world: World, book: Book) -> Controller[str] | None:
    if world.settings.pods is None:
        return None
    reconciler = GeneratedReconciler(
        book,
        objects=mode.cluster_spiffe_ids.store,
        namespaces=mode.namespaces.store,
        kube=world.kube,
        mirror=world.mirror,
    )
    return remote(world, "clusterspiffeid-record", reconciler.reconcile, RECORDERS)
