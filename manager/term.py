"""The time in which a registrar leads: from empty knowledge through the first pass to the end.

It starts from nothing but the caches and the SPIRE server, and it is there once in a process.
"""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Sequence

from controllers.lastgood import LastGood
from controllers.shared import SharedState
from controllers.source import AnySource
from manager.context import Context, clock
from manager.latency import PodLatency
from manager.modes.mode import Mode
from manager.runtime import Runtime
from manager.side import Beginning
from manager.sources.core import entry_source, record_source, release_pass
from manager.spire import TermSide
from registrar.claims.naming import Naming
from registrar.claims.outcome import State
from registrar.identity.entry import Entry
from registrar.settings.model import Settings
from registrar.spire.background import background
from registrar.spire.mirror import EntryMirror
from registrar.telemetry.logging import kv
from registrar.telemetry.metrics import ENTRY_STATES, Metrics
from registrar.telemetry.tracing import Tracer

log = logging.getLogger(__name__)

_MOST_ROUNDS = 20
_LEFT_SECONDS = 60.0
_MOST_NAMED = 10

NO_ENTRIES = dict.fromkeys(ENTRY_STATES, 0)
"""The counts of a process that does not lead."""


def sources_of(mode: Mode, context: Context) -> list[AnySource]:
    """All sources of a mode: its own, and those that every mode has."""
    alias_key = None if mode.alias is None else mode.alias.key
    sources = [*mode.sources(context), entry_source(context)]
    if context.api is not None:
        sources.append(record_source(context, mode.spire_entries, alias_key))
    return sources


class Term:
    """Runs the sources of a mode until cancelled.

    The caller has filled the caches and the mirror. ``ready`` is set once every object was
    looked at; before that nothing is released.
    """

    def __init__(
        self,
        mode: Mode,
        beginning: Beginning,
        *,
        settings: Settings,
        spire: TermSide,
        metrics: Metrics,
        tracer: Tracer | None = None,
    ) -> None:
        prefixes, records = beginning.prefixes, beginning.records
        self.ready = asyncio.Event()
        self._mode = mode
        self._spire = spire
        self._interval = settings.drift_interval_seconds
        self._shared = SharedState(
            trust_domain=settings.trust_domain,
            cluster=settings.cluster,
            class_name=settings.class_name,
            prefix=prefixes.current,
            former_prefixes=prefixes.former,
            records=records,
            naming=Naming(records.label),
            spire_entries=mode.spire_entries.store,
            own_entry=spire.mirror.own.get,
            known_domains=lambda: spire.trust_domains.known,
            last_good=LastGood(
                spire.mirror.own.values(),
                records=mode.spire_entries.store,
                is_own=records.is_own,
                sign_of=mode.sign_of,
                own_namespace=mode.own_namespace,
            ),
        )
        self._latency = PodLatency(observe=metrics.spire.pod_to_entry, clock=clock)
        context = Context(
            settings,
            self._shared,
            beginning.kube,
            beginning.events,
            spire,
            metrics,
            self._latency,
        )
        alias_key = None if mode.alias is None else mode.alias.key
        sources = sources_of(mode, context)
        self._release, self._drift = release_pass(
            context,
            mode.spire_entries,
            confirmation=mode.confirmation(context),
            alias_key=alias_key,
            sources=sources,
        )
        self._shared.wake.status.leave_out(mode.without_status)
        self.sources: Sequence[AnySource] = sources
        self._runtime = Runtime(
            sources, shared=self._shared, metrics=metrics, unused=mode.unused, tracer=tracer
        )

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for run in (*self._runtime.runs(), self._release.run, self._drift.run):
                tasks.create_task(run())
            await self._first_pass()
            tasks.create_task(self._say_what_is_left())

    async def rehearse(self, read: Callable[[], Awaitable[None]]) -> None:
        """Do what a start does, until nothing is left to do; for servers that only seem to write.

        What is only written about entries is left out. ``read`` waits for the caches, of which
        some turn out to be needed on the way.
        """
        async with background() as tasks:
            for run in (*self._runtime.rehearsed_runs(), self._release.run):
                tasks.create_task(run())
            await self._look_at_all()
            before: object = None
            for _ in range(_MOST_ROUNDS):
                await read()
                while self._runtime.is_busy or self._release.is_busy:
                    await self._runtime.settled()
                    await self._release.settled()
                after = self._shown()
                # What waits for its time waits for others, who may be there by now.
                if after == before or not self._look_again():
                    break
                before = after
            await self._runtime.tell()

    def _look_again(self) -> int:
        """Let what waits, or could not be done, be looked at again; how much that is."""
        shared = self._shared
        waiting = [*shared.outcomes.waiting_for_others(), *shared.index.yielding()]
        for key in waiting:
            shared.wake.entry(key)
        return self._runtime.hasten() + len(waiting)

    def _shown(self) -> object:
        """What a rehearsal has come to: equal as long as nothing changes any more."""
        mirror, shared = self._spire.mirror, self._shared
        counts = [shared.outcomes.count(state) for state in State]
        entries = frozenset((entry.id, entry.revision_number) for entry in mirror.own.values())
        return (len(shared.index), counts, shared.withheld_count, len(shared.problems), entries)

    async def _first_pass(self) -> None:
        """Look at every object once, and say so."""
        await self._look_at_all()
        await self._runtime.afterwards()
        # What the first pass built stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        self.ready.set()
        log.info(
            "first pass is over",
            extra=kv(claims=len(self._shared.index), own_entries=len(self._spire.mirror.own)),
        )

    async def _look_at_all(self) -> None:
        """Look at every object once; only then what is unclaimed is known to be."""
        shared, alias = self._shared, self._mode.alias
        if alias is not None:
            for key in shared.index.replace(alias.source, [alias]):
                shared.wake.entry(key)
        await self._runtime.first_pass()
        self._drift.sweep()
        shared.has_seen_all = True
        for key in shared.postponed:
            shared.wake.entry(key)
        shared.postponed.clear()
        self._release.open()
        self._latency.begin()

    async def _say_what_is_left(self) -> None:
        """Name entries of earlier versions that may be another registrar's, so they stay."""
        shared = self._shared
        if not shared.former_prefixes:
            return
        # What is claimed is taken over by then.
        await asyncio.sleep(min(self._interval, _LEFT_SECONDS))
        left = sorted(
            id_
            for id_ in self._spire.mirror.foreign_ids
            if shared.is_former_id(id_) and not shared.is_recorded_by_another(id_)
        )
        if left:
            log.warning(
                "entries that an earlier version made are claimed by nobody here and recorded by "
                "nobody, so they stay: delete those that no other registrar needs",
                extra=kv(number=len(left), some=" ".join(left[:_MOST_NAMED])),
            )

    @property
    def shared(self) -> SharedState:
        """What is known in this term."""
        return self._shared

    @property
    def mirror(self) -> EntryMirror:
        """What the SPIRE server holds."""
        return self._spire.mirror

    def withheld(self) -> list[Entry]:
        """The entries whose deletion is withheld."""
        return self._release.withheld()

    def entry_counts(self) -> dict[str, int]:
        """Entries by state, as the gauge names the states."""
        outcomes = self._shared.outcomes
        return {
            "desired": len(self._shared.index),
            "set": outcomes.count(State.SET),
            "present": len(self._spire.mirror.own),
            "failed": outcomes.count(State.FAILED) + outcomes.count(State.REFUSED),
            "withheld": self._shared.withheld_count,
            "foreign": self._spire.mirror.foreign_count,
        }
