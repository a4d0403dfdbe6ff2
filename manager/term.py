"""One term of leadership: from an empty book through the first pass to the end.

A term starts from nothing but the stores and the SPIRE server, so becoming
leader and starting are the same thing.
"""

import asyncio
import gc
import logging
from collections.abc import Iterable

from api.spiffeid.v1beta1.spireentry import SpireEntry
from controllers.book import Book
from controllers.lastgood import LastGood
from controllers.vanished import Vanished
from manager.latency import PodLatency
from manager.modes.mode import Mode
from manager.wiring import World, wire_core
from registrar.claims.instance import Records
from registrar.claims.naming import Naming
from registrar.claims.outcome import State
from registrar.claims.ownership import Prefixes
from registrar.claims.record import key_of
from registrar.identity.entry import Attributes, differing
from registrar.kube.store import Change
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

_LEFT_SECONDS = 60.0
_MOST_NAMED = 10

NO_ENTRIES = dict.fromkeys(("desired", "present", "failed", "withheld", "foreign"), 0)
"""The counts of a process that does not lead."""


class Term:
    """Runs the controllers until cancelled.

    The caller has filled the stores and the mirror. ``ready`` is set once
    every source was looked at; before that nothing is released.
    """

    def __init__(self, world: World, mode: Mode, *, prefixes: Prefixes, records: Records) -> None:
        settings = world.settings
        self._world = world
        self._mode = mode
        self.ready = asyncio.Event()
        self.book = Book(
            trust_domain=settings.trust_domain,
            cluster=settings.cluster,
            class_name=settings.class_name,
            prefix=prefixes.current,
            former_prefixes=prefixes.former,
            records=records,
            naming=Naming(records.label),
            spire_entries=world.spire_entries.store,
            own_entry=world.mirror.own.get,
            known_domains=lambda: world.trust_domains.known,
            last_good=LastGood(
                world.mirror.own.values(),
                records=world.spire_entries.store,
                is_own=records.is_own,
                sign_of=mode.sign_of,
                own_namespace=mode.own_namespace,
            ),
        )
        self._alias = mode.alias()
        self._vanished: Vanished[str] = Vanished(asyncio.get_running_loop().time)
        self._latency = PodLatency(
            observe=world.metrics.spire.pod_to_entry, clock=asyncio.get_running_loop().time
        )
        self._core = wire_core(
            world,
            self.book,
            alias_key=None if self._alias is None else self._alias.key,
            confirmation=mode.confirmation(world, self.book),
            vanished=self._vanished,
            latency=self._latency,
            sources=lambda: self._sources,
        )
        self._sources = mode.sources(world, self.book, self._latency)

    async def run(self) -> None:
        """Work until cancelled."""
        self._sources.listen()
        self._world.spire_entries.listener = self._spire_entry_changed
        self._world.trust_domains.on_change = self._trust_domains_changed
        self._world.dropped.on_change = self._dropped_fields_changed
        self._world.trust_domains.is_awaited = self.book.unfederated.any
        async with asyncio.TaskGroup() as tasks:
            for run in (*self._core.runs(), *self._sources.runs()):
                tasks.create_task(run())
            await self._first_pass()
            tasks.create_task(self._say_what_is_left())
            await self._record_when_possible()

    async def _first_pass(self) -> None:
        """Look at every source once; only then what is unclaimed is known to be."""
        book, core = self.book, self._core
        if self._alias is not None:
            for key in book.index.replace(self._alias.source, [self._alias]):
                book.wake.entry(key)
        await self._sources.look_at_all()
        for found in list(self._world.spire_entries.store.keys()):
            book.wake.record(found.name)
        core.drift.sweep()
        book.has_seen_all = True
        core.release.open()
        self._latency.begin()
        # What the first pass built stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        self.ready.set()
        log.info(
            "first pass is over",
            extra=kv(claims=len(book.index), own_entries=len(self._world.mirror.own)),
        )

    async def _say_what_is_left(self) -> None:
        """Name entries of earlier versions that may be another registrar's, so they stay."""
        book = self.book
        if not book.former_prefixes:
            return
        # What is claimed is taken over by then.
        await asyncio.sleep(min(self._world.settings.drift_interval_seconds, _LEFT_SECONDS))
        left = sorted(
            id_
            for id_ in self._world.mirror.foreign_ids
            if book.is_former_id(id_) and not book.is_recorded_by_another(id_)
        )
        if left:
            log.warning(
                "entries that an earlier version made are claimed by nobody here and recorded by "
                "nobody, so they stay: delete those that no other registrar needs",
                extra=kv(number=len(left), some=" ".join(left[:_MOST_NAMED])),
            )

    async def _record_when_possible(self) -> None:
        """Record everything once SpireEntries are installed and may be read, if they were not."""
        records = self._world.spire_entries
        if records.is_available:
            return
        await records.store.synced.wait()
        for key in self.book.index.keys():  # noqa: SIM118 - the index is no mapping
            self.book.wake.record(self.book.name_of(key))

    def _spire_entry_changed(self, change: Change[SpireEntry]) -> None:
        self.book.wake.record(change.key.name)
        if change.new is None and change.old is not None:
            self._vanished.note(change.key.name)
            key = key_of(change.old)
            if key is not None and key in self.book.index:
                self.book.wake.record(self.book.name_of(key))
        if self._alias is not None and change.key.name == self.book.known_name_of(self._alias.key):
            self._core.release.look_again()

    def _trust_domains_changed(self, added: Iterable[str], removed: Iterable[str]) -> None:
        for key in self.book.federating.touched({*added, *removed}):
            self.book.wake.entry(key)

    def _dropped_fields_changed(self, added: frozenset[str], removed: frozenset[str]) -> None:
        if added:
            log.warning(
                "the SPIRE server is too old for these attributes; entries are set without",
                extra=kv(attributes=" ".join(sorted(added))),
            )
        if not removed:
            return
        # Another server may know them: give it what it was spared.
        for key in self.book.index.keys():  # noqa: SIM118 - the index is no mapping
            winner = self.book.index.winner(key)
            if winner is not None and differing(winner.attributes, Attributes()) & removed:
                self.book.wake.entry(key)

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
