"""One term of leadership: from an empty book through the first pass to the end.

A term starts from nothing but the stores and the SPIRE server, so becoming
leader and starting are the same thing.
"""

import asyncio
import gc
import logging

from api.core import Namespace, Pod
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from api.spiffeid.v1beta1.spireentry import SpireEntry
from controllers.book import Book
from manager.latency import PodLatency
from manager.wiring import World, wire
from registrar.claims.clusterspiffeid import alias_claim
from registrar.claims.naming import Naming
from registrar.claims.outcome import State
from registrar.claims.pods import pod_of
from registrar.claims.record import key_of
from registrar.kube.store import Change
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

NO_ENTRIES = dict.fromkeys(("desired", "present", "failed", "withheld", "foreign"), 0)
"""The counts of a process that does not lead."""


class Term:
    """Runs the controllers until cancelled.

    The caller has filled the stores and the mirror. ``ready`` is set once
    every source was looked at; before that nothing is released.
    """

    def __init__(self, world: World, *, prefix: str) -> None:
        settings = world.settings
        self._world = world
        self.ready = asyncio.Event()
        self.book = Book(
            trust_domain=settings.trust_domain,
            cluster=settings.cluster,
            instance=settings.class_name,
            prefix=prefix,
            naming=Naming(settings.class_name),
            spire_entries=world.stores.spire_entries.store,
            own_entry=world.mirror.own.get,
        )
        self._alias = alias_claim(settings.trust_domain, settings.cluster, settings.class_name)
        self._latency = PodLatency(
            observe=world.metrics.spire.pod_to_entry, clock=asyncio.get_running_loop().time
        )
        self.controllers = wire(world, self.book, self._alias, self._latency)

    async def run(self) -> None:
        """Work until cancelled."""
        stores = self._world.stores
        stores.cluster_spiffe_ids.listener = self._cluster_spiffe_id_changed
        stores.spire_entries.listener = self._spire_entry_changed
        stores.pods.listener = self._pod_changed
        stores.namespaces.listener = self._namespace_changed
        try:
            async with asyncio.TaskGroup() as tasks:
                for run in self.controllers.runs():
                    tasks.create_task(run())
                await self._first_pass()
        finally:
            stores.silence()

    async def _first_pass(self) -> None:
        """Look at every source once; only then what is unclaimed is known to be."""
        book, stores, controllers = self.book, self._world.stores, self.controllers
        for key in book.index.replace(self._alias.source, [self._alias]):
            book.wake.entry(key)
        for found in [
            *stores.cluster_spiffe_ids.store.keys(),
            *stores.cluster_spiffe_ids.store.broken,
        ]:
            book.wake.claims(found.name)
        await controllers.claims.settled()
        if controllers.pods is not None:
            # After the claims, so that what belongs to a Pod that is gone is released in order.
            for pod in list(stores.pods.store.keys()):
                book.wake.pod(pod)
            for obj in list(stores.cluster_spiffe_ids.store.values()):
                self._wake_pod(obj)
            await controllers.pods.settled()
            await controllers.claims.settled()
        for found in list(stores.spire_entries.store.keys()):
            book.wake.record(found.name)
        controllers.drift.sweep()
        controllers.release.open()
        self._latency.begin()
        # What the first pass built stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        self.ready.set()
        log.info(
            "first pass is over",
            extra=kv(claims=len(book.index), own_entries=len(self._world.mirror.own)),
        )

    def _cluster_spiffe_id_changed(self, change: Change[ClusterSpiffeId]) -> None:
        self.book.wake.claims(change.key.name)
        for obj in (change.old, change.new):
            if obj is not None:
                self._wake_pod(obj)

    def _wake_pod(self, obj: ClusterSpiffeId) -> None:
        """A ClusterSpiffeId that was made for a Pod is the pod controller's to judge."""
        pod = pod_of(obj)
        if pod is not None:
            self.book.wake.pod(pod)

    def _spire_entry_changed(self, change: Change[SpireEntry]) -> None:
        self.book.wake.record(change.key.name)
        if change.new is None and change.old is not None:
            key = key_of(change.old)
            if key is not None and key in self.book.index:
                self.book.wake.record(self.book.name_of(key))
        if change.key.name == self.book.known_name_of(self._alias.key):
            self.controllers.release.look_again()

    def _pod_changed(self, change: Change[Pod]) -> None:
        self.book.wake.pod(change.key)

    def _namespace_changed(self, change: Change[Namespace]) -> None:
        if change.old is None:
            for name, obj in list(self.book.assumed.items()):
                pod = pod_of(obj)
                if pod is not None and pod.namespace == change.key.name:
                    self.book.wake.generated(name)

    def entry_counts(self) -> dict[str, int]:
        """Entries by state, as the gauge names the states."""
        outcomes = self.book.outcomes
        return {
            "desired": len(self.book.index),
            "present": len(self._world.mirror.own),
            "failed": outcomes.count(State.FAILED) + outcomes.count(State.REFUSED),
            "withheld": self.book.withheld_count,
            "foreign": self._world.mirror.foreign_count,
        }
