"""What the workload registrar's reconcile and webhook modes share: Pods straight to entries."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Protocol

from api.core import Namespace, Node, Pod
from api.kinds import NAMESPACE, POD
from api.meta import ObjectKey
from controllers.book import Book
from controllers.complaints import Complaints
from controllers.drift import SeesAll
from controllers.podentry import HeldPods, PodEntryGather
from controllers.podentry import Pods as KnownPods
from controllers.podevents import PodEventReconciler
from controllers.pods import NodeReconciler, PodReconciler
from manager.latency import PodLatency
from manager.modes.servicecaches import ServiceCaches
from manager.stores import Cache
from manager.wiring import Run, World, computing
from registrar.claims.claim import Source
from registrar.claims.podentry import PodEntries, node_claim, node_source, pod_source
from registrar.claims.podentryrules import PodEntryRules
from registrar.identity.entry import Entry
from registrar.kube.store import Change, Store

NAMESPACE_INDEX = "namespace"


def pod_cache(*, optional: bool = False) -> Cache[Pod]:
    """The cache of Pods, by namespace."""
    store: Store[Pod] = Store({NAMESPACE_INDEX: lambda pod: (pod.metadata.namespace,)})
    return Cache(POD, store, optional=optional, may_be_forbidden=optional)


def namespace_cache() -> Cache[Namespace]:
    """The cache of Namespaces, which the original's roles do not allow to read.

    Records then have no owner; what they stand for is released all the same.
    """
    return Cache(NAMESPACE, Store(), optional=True, may_be_forbidden=True)


class PodEntryMode(Protocol):
    """What the sources need of their mode."""

    rules: PodEntries
    pods: Cache[Pod]

    @property
    def known_pods(self) -> KnownPods:
        """The Pods that there are, as far as is known."""
        ...

    namespaces: Cache[Namespace]
    nodes: Cache[Node] | None
    services: ServiceCaches | None

    def listen(self, wake: Callable[[ObjectKey], None], doubt: Callable[[ObjectKey], None]) -> None:
        """Hear of Pods by other ways than their cache.

        ``doubt`` what is believed to be on the SPIRE server for a Pod that is made anew.
        """
        ...

    def all_pods(self) -> Iterable[ObjectKey]:
        """Every Pod that is known of; copy it before waiting."""
        ...

    def runs(
        self, wake: Callable[[ObjectKey], None], kept: Callable[[], Iterable[ObjectKey]]
    ) -> Iterator[Run]:
        """Further loops; ``kept`` are Pods whose entries stay because nothing is known of them."""
        ...


class PodEntrySources(SeesAll):
    """One term's controllers."""

    def __init__(self, mode: PodEntryMode, world: World, book: Book, latency: PodLatency) -> None:
        self._mode = mode
        self._book = book
        complaints = Complaints(world.events)
        self._held = HeldPods(book, entries=mode.rules, pods=mode.known_pods, mirror=world.mirror)
        self._gather = PodEntryGather(
            book,
            entries=mode.rules,
            pods=mode.known_pods,
            services=mode.services,
            namespace_uid=self._namespace_uid,
            mirror=world.mirror,
        )
        reconciler = PodReconciler(
            book,
            gather=self._gather,
            rules=PodEntryRules(mode.rules),
            held=self._held,
            report=complaints,
            mirror=world.mirror,
            on_pod=latency.pod_seen,
        )
        reporter = PodEventReconciler(
            book, pod_of=mode.known_pods.get, complaints=complaints, events=world.events
        )
        self._pods = computing(world, "pod", reconciler.reconcile)
        self._events = computing(world, "pod-events", reporter.reconcile)
        self._nodes = None
        if mode.nodes is not None:
            nodes = NodeReconciler(
                book,
                nodes=mode.nodes.store,
                claim_of=partial(node_claim, rules=mode.rules),
                mirror=world.mirror,
            )
            self._nodes = computing(world, "node", nodes.reconcile)
        book.wake.pod = self._pods.queue.add
        book.wake.status = self._wake_status

    def runs(self) -> Iterator[Run]:
        """The loops to run."""
        yield self._pods.run
        yield self._events.run
        if self._nodes is not None:
            yield self._nodes.run
        services = self._mode.services
        if services is not None:
            yield lambda: services.become_readable(self._wake_pods)
        yield from self._mode.runs(self._pods.queue.add, self._held.all)

    def listen(self) -> None:
        """Hear of changes from now on."""
        mode, wake = self._mode, self._pods.queue.add
        mode.pods.listener = self._pod_changed
        mode.namespaces.listener = self._namespace_changed
        mode.listen(wake, self._held.doubt)
        if mode.nodes is not None:
            mode.nodes.listener = self._node_changed
        if mode.services is not None:
            mode.services.listen(self._pods.queue.add, self._gather.wake_sharing)

    async def look_at_all(self) -> None:
        """Look at every Node, then at every Pod and at those that only SPIRE knows of."""
        if self._nodes is not None and self._mode.nodes is not None:
            store = self._mode.nodes.store
            for node in [*store.keys(), *store.broken]:
                self._nodes.queue.add(node.name)
            await self._nodes.settled()
        self._wake_pods()
        await self._pods.settled()

    def takes_up(self, entry: Entry) -> bool:
        """Whether it is for a Pod of which only another replica may have heard."""
        pod = self._held.hold(entry)
        if pod is not None:
            self._pods.queue.add(pod)
        return pod is not None

    def gives_up(self, entry: Entry) -> bool:
        """Whether nothing but the entry spoke for its Pod."""
        return self._held.let_go(entry)

    def _wake_pods(self) -> None:
        for pod in {*self._mode.all_pods(), *self._held.all()}:
            self._pods.queue.add(pod)

    def _wake_status(self, source: Source) -> None:
        if source.kind == POD.kind:
            self._events.queue.add(ObjectKey(source.namespace, source.name))

    def _pod_changed(self, change: Change[Pod]) -> None:
        if change.is_seen_to_go:
            self._book.departed.saw(pod_source(change.key))
        self._pods.queue.add(change.key)

    def _namespace_uid(self, name: str) -> str:
        namespace = self._mode.namespaces.store.get(ObjectKey("", name))
        return "" if namespace is None else namespace.metadata.uid

    def _namespace_changed(self, change: Change[Namespace]) -> None:
        """Its Pods may have been seen before it: their records lack their owner."""
        if change.new is not None and change.is_another:
            name = change.key.name
            for pod in list(self._mode.pods.store.by_index(NAMESPACE_INDEX, name)):
                self._pods.queue.add(pod)

    def _node_changed(self, change: Change[Node]) -> None:
        if change.is_seen_to_go:
            self._book.departed.saw(node_source(change.key.name))
        if self._nodes is not None and change.is_another:
            self._nodes.queue.add(change.key.name)
