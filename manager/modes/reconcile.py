"""The workload registrar's reconcile mode: an entry for each Node and each Pod on it."""

from collections.abc import Callable, Iterable, Iterator

from api.core import Namespace, Node, Pod
from api.kinds import NODE
from api.meta import ObjectKey
from controllers.book import Book
from controllers.confirmation import Confirmation, by_own_namespace
from controllers.podentry import Pods as KnownPods
from controllers.refusal import Refusable
from manager.latency import PodLatency
from manager.modes.podentries import PodEntrySources, namespace_cache, pod_cache
from manager.modes.servicecaches import ServiceCaches
from manager.stores import Cache, Caches, spire_entry_cache
from manager.wiring import Run, World
from registrar.admission.certificates import Minter
from registrar.claims.claim import Claim
from registrar.claims.instance import Form, Made, form_of_pods, made_for_pods
from registrar.claims.podentry import PodEntries, root_path
from registrar.kube.session import Session
from registrar.kube.store import Store
from registrar.settings.model import PodIdentity, ReconcileMode, Settings


class StoredPods:
    """The Pods of a cache."""

    def __init__(self, cache: Cache[Pod]) -> None:
        self._store = cache.store

    def get(self, key: ObjectKey) -> Pod | None:
        """The Pod, or None."""
        return self._store.get(key)

    def is_unknown(self, key: ObjectKey) -> bool:
        """Whether it exists and does not decode."""
        return key in self._store.broken

    def may_have(self, key: ObjectKey, created: int) -> bool:  # noqa: ARG002 - the protocol's
        """Whether it exists and does not decode."""
        return key in self._store.broken

    def leaves(self, key: ObjectKey, created: int) -> None:
        """The cache tells what is gone."""

    def drop(self, key: ObjectKey) -> bool:  # noqa: ARG002 - the protocol's
        """Never: the cache knows."""
        return False


class Reconcile:
    """The mode. ``own_namespace`` is the one that it runs in, empty outside of a cluster."""

    def __init__(self, settings: Settings, config: ReconcileMode, *, own_namespace: str) -> None:
        self._own_namespace = own_namespace
        self.rules = PodEntries(
            trust_domain=settings.trust_domain,
            cluster=settings.cluster,
            identity=settings.pods or PodIdentity("service_account"),
            root=root_path(config.controller_name, settings.cluster),
            per_node=True,
            dns_zone=config.dns_zone,
        )
        self.form: Form = form_of_pods(self.rules, None)
        self.made: Made = made_for_pods(self.form)
        self.pods: Cache[Pod] = pod_cache()
        self.known_pods: KnownPods = StoredPods(self.pods)
        self.nodes: Cache[Node] | None = Cache(NODE, Store())
        self.namespaces: Cache[Namespace] = namespace_cache()
        self.spire_entries = spire_entry_cache(optional=True)
        self.caches = Caches([self.spire_entries, self.namespaces, self.nodes, self.pods])
        self.services = ServiceCaches(self.caches, ()) if config.dns_zone else None
        if self.services is not None:
            # Known before the first look: what is released after it must be known to be unwanted.
            self.caches.require(self.services.settled)

    def alias(self) -> Claim | None:
        """None: each Node has an alias of its own."""
        return None

    def refusable(self) -> Iterator[Refusable]:
        """The objects that only this mode and class handles, and that have conditions."""
        return iter(())

    def confirmation(self, world: World, book: Book) -> Confirmation:
        """The Namespace that the registrar runs in."""
        return by_own_namespace(
            book,
            name=self._own_namespace,
            namespaces=self.namespaces.store,
            events=world.events,
        )

    def listen(self, wake: Callable[[ObjectKey], None], doubt: Callable[[ObjectKey], None]) -> None:
        """There is no other way to hear of Pods."""

    def runs(
        self,
        wake: Callable[[ObjectKey], None],  # noqa: ARG002 - the protocol's
        kept: Callable[[], Iterable[ObjectKey]],  # noqa: ARG002 - the protocol's
    ) -> Iterator[Run]:
        """Nothing more to run."""
        return iter(())

    def all_pods(self) -> Iterable[ObjectKey]:
        """Every Pod, also those that do not decode."""
        yield from self.pods.store.keys()
        yield from self.pods.store.broken

    def webhook(self, session: Session, minter: Minter) -> None:
        """There is none."""

    def sources(self, world: World, book: Book, latency: PodLatency) -> PodEntrySources:
        """The controllers of Pods and Nodes, for one term."""
        return PodEntrySources(self, world, book, latency)
