"""The layered mode: ClusterSpiffeIds that people write, or that the pod controller makes."""

import asyncio
from collections.abc import Iterator

from api.core import Namespace, Pod
from api.kinds import CLUSTER_SPIFFE_ID, NAMESPACE, POD
from api.meta import ObjectKey
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from controllers.book import Book
from controllers.clusterspiffeid import (
    MADE_FOR_PODS,
    cluster_spiffe_id_claims,
    cluster_spiffe_id_statuses,
)
from controllers.confirmation import ByRecord, Confirmation
from controllers.drift import SeesAll
from controllers.generated import GeneratedReconciler
from controllers.generation import MADE_FOR_INDEX, Generation
from controllers.pod import PodReconciler
from controllers.refusal import Objects, Refusable
from manager.latency import PodLatency
from manager.stores import Cache, Caches, spire_entry_cache
from manager.wiring import RECORDERS, Run, World, computing, remote, timestamp
from registrar.admission.certificates import Minter
from registrar.claims.claim import Claim, Source
from registrar.claims.clusterspiffeid import alias_claim
from registrar.claims.instance import Form, Made, made_for_cluster_spiffe_ids, no_form
from registrar.claims.pods import owned_by, pod_of
from registrar.errors import Retry
from registrar.kube.controller import Controller
from registrar.kube.session import Session
from registrar.kube.store import Change, Store
from registrar.settings.model import Settings


class Layered:
    """The mode; Pods and Namespaces are read only for the pod controller."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.made: Made = made_for_cluster_spiffe_ids(self.alias().key)
        self.form: Form = no_form
        self.cluster_spiffe_ids: Cache[ClusterSpiffeId] = Cache(
            CLUSTER_SPIFFE_ID, Store({MADE_FOR_INDEX: MADE_FOR_PODS.index})
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

    def refusable(self) -> Iterator[Refusable]:
        """The objects that only this mode and class handles, and that have conditions."""
        yield Objects(
            kind=CLUSTER_SPIFFE_ID,
            stored=self.cluster_spiffe_ids.store,
            is_ours=lambda obj: obj.spec.class_name == self._settings.class_name,
            conditions=lambda obj: obj.status.conditions,
        )

    def confirmation(self, world: World, book: Book) -> Confirmation:
        """The registrar's own SpireEntry."""
        return ByRecord(
            book,
            alias_key=self.alias().key,
            objects=self.spire_entries.store,
            kube=world.kube,
            events=world.events,
        )

    def webhook(self, session: Session, minter: Minter) -> None:
        """There is none."""

    def sources(self, world: World, book: Book, latency: PodLatency) -> "LayeredSources":
        """The controllers of ClusterSpiffeIds and Pods."""
        return LayeredSources(self, world, book, latency)


class LayeredSources(SeesAll):
    """One term's controllers; those of the pod controller are None when it is off."""

    def __init__(self, mode: Layered, world: World, book: Book, latency: PodLatency) -> None:
        self._mode = mode
        self._book = book
        objects = mode.cluster_spiffe_ids.store
        clock = asyncio.get_running_loop().time
        self._generation = Generation(book, MADE_FOR_PODS, objects, clock=clock)
        claims = cluster_spiffe_id_claims(book, self._generation, mirror=world.mirror)
        statuses = cluster_spiffe_id_statuses(
            book,
            self._generation,
            objects=objects,
            kube=world.kube,
            events=world.events,
            clock=clock,
            timestamp=timestamp,
        )
        self._claims = computing(world, "clusterspiffeid", claims.reconcile)
        self._statuses = remote(world, "clusterspiffeid-status", statuses.reconcile, RECORDERS // 2)
        self._pods = _pods(mode, self._generation, world, book, latency)
        self._generated = _generated(mode, self._generation, world, book)
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
            book.wake.claims(found)
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

    def _wake_status(self, source: Source) -> None:
        if source.kind == CLUSTER_SPIFFE_ID.kind:
            self._statuses.queue.add(ObjectKey("", source.name))

    def _cluster_spiffe_id_changed(self, change: Change[ClusterSpiffeId]) -> None:
        # First of all who it was made for: what is still wanted is claimed without a gap.
        for obj in (change.old, change.new):
            if obj is not None:
                self._wake_pod(obj)
        self._book.wake.claims(change.key)
        if change.old is not None and change.new is None:
            self._generation.deleted(change.old)

    def _wake_pod(self, obj: ClusterSpiffeId) -> None:
        """A ClusterSpiffeId that was made for a Pod is the pod controller's to judge."""
        pod = pod_of(obj)
        if pod is not None:
            self._book.wake.pod(pod)

    def _pod_changed(self, change: Change[Pod]) -> None:
        self._book.wake.pod(change.key)

    def _namespace_changed(self, change: Change[Namespace]) -> None:
        if change.new is not None and change.is_another:
            for key, obj in list(self._generation.assumed.items()):
                pod = pod_of(obj)
                if pod is not None and pod.namespace == change.key.name:
                    self._book.wake.generated(key)


def _pods(
    mode: Layered,
    generation: Generation[ClusterSpiffeId],
    world: World,
    book: Book,
    latency: PodLatency,
) -> Controller[ObjectKey] | None:
    if world.settings.pods is None:
        return None
    reconciler = PodReconciler(
        book,
        generation,
        settings=world.settings.pods,
        pods=mode.pods.store,
        events=world.events,
        on_pod=latency.pod_seen,
    )
    return computing(world, "pod", reconciler.reconcile)


def _generated(
    mode: Layered, generation: Generation[ClusterSpiffeId], world: World, book: Book
) -> Controller[ObjectKey] | None:
    if world.settings.pods is None:
        return None

    def owned(obj: ClusterSpiffeId) -> ClusterSpiffeId:
        """The object, owned by its Pod's Namespace. Raises Retry while its watch lags behind."""
        pod = pod_of(obj)
        name = "" if pod is None else pod.namespace
        namespace = mode.namespaces.store.get(ObjectKey("", name))
        if namespace is None:
            raise Retry("NamespaceUnknown", f"namespace {name} is not known yet")
        return owned_by(obj, namespace)

    reconciler = GeneratedReconciler(
        book,
        generation,
        prepared=owned,
        wake_owner=lambda pod: book.wake.pod(ObjectKey(pod.namespace, pod.name)),
        kube=world.kube,
        mirror=world.mirror,
    )
    return remote(world, "clusterspiffeid-record", reconciler.reconcile, RECORDERS)
