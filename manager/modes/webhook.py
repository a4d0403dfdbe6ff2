"""The workload registrar's webhook mode: Pods as the API server asks about them.

Where Pods may be read, which the original's role does not allow, a watch
sweeps up what the webhook missed, and says when a Pod is really gone.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator

from api.core import Namespace, Node, Pod
from api.meta import ObjectKey
from controllers.book import Book
from controllers.confirmation import ByRecord, Confirmation
from controllers.refusal import Refusable
from manager.latency import PodLatency
from manager.modes.mode import Webhook
from manager.modes.podentries import PodEntrySources, namespace_cache, pod_cache
from manager.modes.servicecaches import ServiceCaches
from manager.podwebhook import PodWebhook
from manager.stores import Cache, Caches, spire_entry_cache
from manager.wiring import Run, World
from registrar.admission.certificates import Minter
from registrar.claims.announced import AnnouncedPods
from registrar.claims.claim import Claim
from registrar.claims.instance import Form, Made, form_of_pods, made_for_pods
from registrar.claims.podentry import (
    WORKLOAD_REGISTRAR,
    PodEntries,
    cluster_claim,
    root_path,
)
from registrar.kube.session import Session
from registrar.settings.model import PodIdentity, Settings, WebhookMode

log = logging.getLogger(__name__)

_SWEEP_SECONDS = 5.0
_WATCHED_BEFORE_GIVING_UP = 3
"""Sweeps in a row that must find the watch open before announcements are given up."""


class AnnouncedOrStored:
    """Pods that are stored, and those that are about to be."""

    def __init__(self, cache: Cache[Pod], announced: AnnouncedPods) -> None:
        self._cache = cache
        self._announced = announced

    def get(self, key: ObjectKey) -> Pod | None:
        """The Pod that is stored, unless it goes and another is announced under its name.

        While one is there no other can be created: whoever asks for it is refused after us.
        """
        stored = self._cache.store.get(key)
        if stored is None or (not self.is_readable and self._announced.is_withdrawn(key)):
            return self._announced.get(key)
        self._announced.seen(stored)
        if stored.metadata.deletion_timestamp is not None:
            return self._announced.get(key) or stored
        return stored

    def is_unknown(self, key: ObjectKey) -> bool:
        """Whether it does not decode; or Pods may not be read and nobody said that it goes."""
        if self.is_readable:
            return key in self._cache.store.broken
        return not self._announced.is_withdrawn(key)

    def may_have(self, key: ObjectKey, created: int) -> bool:
        """Whether it does not decode; or Pods may not be read and the entry is not left over."""
        if self.is_readable:
            return key in self._cache.store.broken
        return not self._announced.is_left(key, created)

    def leaves(self, key: ObjectKey, created: int) -> None:
        """One that is gone leaves the entry that was made then."""
        self._announced.leaves(key, created)

    def drop(self, key: ObjectKey) -> bool:
        """Where Pods may not be read: another replica may have heard that it goes."""
        if not self.is_readable:
            self._announced.drop(key)
        return not self.is_readable

    @property
    def is_readable(self) -> bool:
        """Whether Pods may be read at this moment: the right to it can be taken away."""
        return self._cache.is_available and not self._cache.is_unavailable


class PodAdmission:
    """The mode."""

    def __init__(self, settings: Settings, config: WebhookMode) -> None:
        self._config = config
        self.rules = PodEntries(
            trust_domain=settings.trust_domain,
            cluster=settings.cluster,
            identity=settings.pods or PodIdentity("service_account"),
            root=root_path(WORKLOAD_REGISTRAR, settings.cluster),
            per_node=False,
        )
        self.form: Form = form_of_pods(self.rules, self.alias().key)
        self.made: Made = made_for_pods(self.form)
        self.pods: Cache[Pod] = pod_cache(optional=True)
        self.namespaces: Cache[Namespace] = namespace_cache()
        self.nodes: Cache[Node] | None = None
        self.services: ServiceCaches | None = None
        self.spire_entries = spire_entry_cache(optional=True)
        self.caches = Caches([self.spire_entries, self.namespaces, self.pods])
        self._announced = AnnouncedPods(lambda: asyncio.get_running_loop().time())
        self.known_pods = AnnouncedOrStored(self.pods, self._announced)
        self._wake: Callable[[ObjectKey], None] = lambda _: None
        self._doubt: Callable[[ObjectKey], None] = lambda _: None

    def alias(self) -> Claim:
        """The alias of the cluster's agents, parent of every entry."""
        return cluster_claim(self.rules)

    def refusable(self) -> Iterator[Refusable]:
        """The objects that only this mode and class handles, and that have conditions."""
        return iter(())

    def confirmation(self, world: World, book: Book) -> Confirmation:
        """The registrar's own SpireEntry."""
        return ByRecord(
            book,
            alias_key=self.alias().key,
            objects=self.spire_entries.store,
            kube=world.kube,
            events=world.events,
        )

    def sources(self, world: World, book: Book, latency: PodLatency) -> PodEntrySources:
        """The controllers of Pods, for one term."""
        return PodEntrySources(self, world, book, latency)

    def webhook(self, session: Session, minter: Minter) -> Webhook:  # noqa: ARG002 - the protocol's
        """The server that the API server calls; its certificate comes from files."""
        return PodWebhook(self._config, self._announced, wake=self._changed, created=self._created)

    def listen(self, wake: Callable[[ObjectKey], None], doubt: Callable[[ObjectKey], None]) -> None:
        """Hear of Pods that are announced."""
        self._wake, self._doubt = wake, doubt

    def _changed(self, pod: ObjectKey) -> None:
        self._wake(pod)

    def _created(self, pod: ObjectKey) -> None:
        """Another replica may have heard that an earlier one of that name goes."""
        if not self.known_pods.is_readable:
            self._doubt(pod)
        self._wake(pod)

    def all_pods(self) -> Iterable[ObjectKey]:
        """Every Pod that is stored or announced."""
        yield from self.pods.store.keys()
        yield from self.pods.store.broken
        yield from self._announced

    def runs(
        self, wake: Callable[[ObjectKey], None], kept: Callable[[], Iterable[ObjectKey]]
    ) -> Iterator[Run]:
        """The sweep."""

        async def sweep() -> None:
            was_readable, times_watched = self.known_pods.is_readable, 0
            if not was_readable:
                log.warning(
                    "Pods cannot be listed, so what the webhook misses stays as it is: give the "
                    "registrar's role get, list and watch on pods"
                )
            while True:
                await asyncio.sleep(_SWEEP_SECONDS)
                if not self.known_pods.is_readable:
                    was_readable = False
                    continue
                if not was_readable:
                    was_readable = True
                    for pod in list(kept()):
                        wake(pod)
                # What is not seen counts only while the watch is known to show what there is.
                times_watched = times_watched + 1 if self.pods.is_watched else 0
                if times_watched < _WATCHED_BEFORE_GIVING_UP:
                    continue
                for pod in self._announced.give_up():
                    wake(pod)

        yield sweep
