"""The sources of every mode: from claims to entries on the SPIRE server, and to records."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from api.meta import ObjectKey
from api.spiffeid.v1beta1.spireentry import SpireEntry
from controllers import triggers, turns
from controllers.confirmation import Confirmation
from controllers.drift import DriftCheck
from controllers.record import RecordReconciler
from controllers.recreation import RecreationBackoff
from controllers.release import ReleasePass
from controllers.shared import SharedState
from controllers.source import AnySource, FirstPass, Source, Watch, all_names, note, watch
from controllers.spireentry import EntryReconciler
from manager.caches.cache import SpireEntryCache
from manager.context import Context
from registrar.claims.budget import DeletionBudget
from registrar.identity.entry import Attributes, EntryKey, differing
from registrar.kube.controller import Result
from registrar.kube.slots import BACKLOG
from registrar.kube.store import Change
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

SPIRE_CONCURRENCY = 1000
"""The most entries under way at once; the writer says how many of them it has a use for."""

AHEAD = 2
"""For how many times what is under way Pods are looked at in advance."""

RECORDERS = 2
"""API writes of one source under way at once: the API server is shared with the whole cluster.

With more of them a Pod that comes while records catch up waits longer, and they catch up no sooner
where the API server has two cores (docs/performance.md).
"""


def behind_entries(context: Context) -> Callable[[], int]:
    """Room for one Pod at a time, while the SPIRE server does not have more to do than it can.

    What waits for the server would only wait elsewhere. So while a mass of Pods is being created,
    the processors are left to those who create them and to the server. At the start all Pods are
    looked at without a pause, for nothing is deleted before.
    """
    shared, writer = context.shared, context.spire.writer

    def room() -> int:
        # Enough for what waits behind entries to see that they wait.
        ahead = max(AHEAD * writer.room, 2 * BACKLOG)
        is_behind = shared.has_seen_all and shared.backlog() >= ahead
        return 0 if is_behind else 1

    return room


def status_source(
    context: Context,
    name: str,
    reconcile: Callable[[ObjectKey], Awaitable[Result]],
    *,
    kind: str,
    watches: Sequence[Watch[ObjectKey]] = (),
    keys: Callable[[], Iterable[ObjectKey]] = tuple,
    prepare: Callable[[], None] = lambda: None,
) -> Source[ObjectKey]:
    """The statuses of one kind, which are written behind everything else."""
    return Source(
        name=name,
        reconcile=reconcile,
        concurrency=RECORDERS // 2,
        yields_to=context.shared.backlog,
        serves=context.shared.wake.status.of(kind),
        tells=True,
        watches=watches,
        keys=keys,
        prepare=prepare,
    )


def entry_source(context: Context) -> Source[EntryKey]:
    """Entries of claimed keys, which the SPIRE server must hold as they were asked for."""
    shared, spire = context.shared, context.spire
    reconciler = EntryReconciler(
        shared,
        writer=spire.writer,
        mirror=spire.mirror,
        adoption_allowed=context.settings.adoption_policy == "adopt",
        look_for_bundles=spire.trust_domains.refresh,
        on_set=context.latency.entry_set,
        on_vain_update=context.metrics.spire.update_in_vain,
    )

    def trust_domains_changed(added: Iterable[str], removed: Iterable[str]) -> None:
        for key in shared.federating.touched({*added, *removed}):
            shared.wake.entry(key)

    def dropped_fields_changed(added: frozenset[str], removed: frozenset[str]) -> None:
        if added:
            log.warning(
                "the SPIRE server is too old for these attributes; entries are set without",
                extra=kv(attributes=" ".join(sorted(added))),
            )
        # Another server may know them: give it what it was spared.
        for key in shared.index.keys() if removed else ():
            winner = shared.index.winner(key)
            if winner is not None and differing(winner.attributes, Attributes()) & removed:
                shared.wake.entry(key)

    def is_there(key: EntryKey) -> bool:
        mirror = spire.mirror
        return mirror.entry_of(key) is not None or mirror.adoptable(key) is not None

    spire.trust_domains.on_change = trust_domains_changed
    spire.trust_domains.is_awaited = shared.unfederated.any
    spire.dropped.on_change = dropped_fields_changed
    return Source(
        name="spireentry",
        reconcile=reconciler.reconcile,
        concurrency=SPIRE_CONCURRENCY,
        room=lambda: spire.writer.room,
        turn=turns.of_entries(shared, is_there),
        backlog=shared.backlog,
        serves=shared.wake.entry,
        # Entries are set from the start on; only deletions wait until all is known.
        first_pass=FirstPass.AT_ONCE,
    )


def record_source(
    context: Context, records: SpireEntryCache, alias_key: EntryKey | None
) -> Source[str]:
    """SpireEntries, by name: what was asked for and what the SPIRE server said."""
    shared = context.shared
    recreation: RecreationBackoff[str] = RecreationBackoff(context.clock)
    reconciler = RecordReconciler(
        shared,
        objects=records.store,
        kube=context.kube,
        events=context.events,
        mirror=context.spire.mirror,
        is_available=lambda: records.is_available,
        alias_key=alias_key,
        recreation=recreation,
        timestamp=context.timestamp,
    )

    def deleted(change: Change[SpireEntry]) -> None:
        if change.new is None and change.old is not None:
            recreation.note(change.key.name)

    async def record_when_possible() -> None:
        """Record everything once SpireEntries are installed and may be read, if they were not."""
        if not records.is_available:
            await records.available()
            for key in shared.index.keys():  # noqa: SIM118 - no mapping
                shared.wake.record(shared.name_of(key))

    return Source(
        name="spireentry-record",
        reconcile=reconciler.reconcile,
        concurrency=RECORDERS,
        yields_to=shared.backlog,
        serves=shared.wake.record,
        notes=[note(records, deleted)],
        watches=[
            watch(records, triggers.records_of_change(shared.index.__contains__, shared.name_of))
        ],
        keys=all_names(records.store),
        runs=[record_when_possible],
    )


def release_pass(
    context: Context,
    records: SpireEntryCache,
    *,
    confirmation: Confirmation,
    alias_key: EntryKey | None,
    sources: Sequence[AnySource],
) -> tuple[ReleasePass, DriftCheck]:
    """What deletes entries that nobody claims, and what looks for those that others changed."""
    shared, spire, settings = context.shared, context.spire, context.settings
    budget = settings.deletion_budget

    def look_at_held() -> None:
        drift.look_at_held()

    release = ReleasePass(
        shared,
        objects=records.store,
        writer=spire.writer,
        budget=DeletionBudget(
            count=budget.count,
            fraction=budget.fraction,
            window_seconds=settings.drift_interval_seconds,
            unlimited=budget.allow_mass_deletion,
        ),
        confirmation=confirmation,
        mirror=spire.mirror,
        clock=context.clock,
        look_at_held=look_at_held,
    )
    drift = DriftCheck(
        shared,
        mirror=spire.mirror,
        interval_seconds=settings.drift_interval_seconds,
        repaired=context.metrics.spire.drift_repaired,
        checked=release.look_again,
        sources=sources,
    )
    shared.wake.release.serve(release.add)

    def agreed(change: Change[SpireEntry]) -> None:
        """A person may have agreed to deletions, on the registrar's own record."""
        if alias_key is not None and change.key == _named(shared, alias_key):
            release.look_again()

    records.listen(agreed)
    return release, drift


def _named(shared: SharedState, key: EntryKey) -> ObjectKey:
    return ObjectKey("", shared.known_name_of(key))
