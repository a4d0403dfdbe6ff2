"""How reconcilers become controllers, and the controllers that every mode shares."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from controllers.book import Book
from controllers.confirmation import Confirmation
from controllers.drift import DriftCheck, Drifting
from controllers.ports import Events, Kubernetes
from controllers.record import RecordReconciler
from controllers.release import ReleasePass
from controllers.spireentry import EntryReconciler
from controllers.vanished import Vanished
from manager.latency import PodLatency
from manager.stores import SpireEntryCache
from registrar.claims.budget import DeletionBudget
from registrar.identity.entry import EntryKey
from registrar.kube.controller import Controller, Outcome
from registrar.settings.model import Settings
from registrar.spire.bundles import BundleClient
from registrar.spire.droppedfields import DroppedFields
from registrar.spire.federation import FederationClient
from registrar.spire.mirror import EntryMirror
from registrar.spire.trustdomains import KnownDomains
from registrar.spire.writer import EntryWriter
from registrar.telemetry.metrics import Metrics

SPIRE_CONCURRENCY = 1000
"""Entries under way at once; the writer gathers them into batches of up to 500."""

RECORDERS = 8
"""API writes under way at once: the API server is shared with everything in the cluster."""

_COMPUTE_SECONDS = 10.0
_REMOTE_SECONDS = 120.0

K = TypeVar("K", bound=Hashable)
Run = Callable[[], Coroutine[None, None, None]]


def timestamp() -> str:
    """Now, as Kubernetes writes times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class World:
    """What a term of leadership works with."""

    settings: Settings
    spire_entries: SpireEntryCache
    kube: Kubernetes
    events: Events
    mirror: EntryMirror
    writer: EntryWriter
    trust_domains: KnownDomains
    federation: FederationClient
    bundles: BundleClient
    dropped: DroppedFields
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Core:
    """The controllers of every mode: from claims to entries and records."""

    entries: Controller[EntryKey]
    records: Controller[str]
    release: ReleasePass
    drift: DriftCheck

    def runs(self) -> Iterator[Run]:
        """The loops to run."""
        yield self.entries.run
        yield self.records.run
        yield self.release.run
        yield self.drift.run


def wire_core(
    world: World,
    book: Book,
    *,
    alias_key: EntryKey | None,
    confirmation: Confirmation,
    vanished: Vanished[str],
    latency: PodLatency,
    sources: Callable[[], Drifting],
) -> Core:
    """Make the shared controllers of one term and connect their queues.

    ``sources`` gives those of the mode, which are made after these.
    """
    settings, records = world.settings, world.spire_entries

    def look_at_held() -> None:
        core.drift.look_at_held()

    release = ReleasePass(
        book,
        objects=records.store,
        writer=world.writer,
        budget=DeletionBudget(
            count=settings.deletion_budget.count,
            fraction=settings.deletion_budget.fraction,
            window_seconds=settings.drift_interval_seconds,
            unlimited=settings.deletion_budget.allow_mass_deletion,
        ),
        confirmation=confirmation,
        mirror=world.mirror,
        clock=asyncio.get_running_loop().time,
        look_at_held=look_at_held,
    )
    entry_reconciler = EntryReconciler(
        book,
        writer=world.writer,
        mirror=world.mirror,
        adoption_allowed=settings.adoption_policy == "adopt",
        look_for_bundles=world.trust_domains.refresh,
        on_set=latency.entry_set,
        on_vain_update=world.metrics.spire.update_in_vain,
    )
    record_reconciler = RecordReconciler(
        book,
        objects=records.store,
        kube=world.kube,
        events=world.events,
        mirror=world.mirror,
        is_available=lambda: records.is_available,
        alias_key=alias_key,
        vanished=vanished,
        timestamp=timestamp,
    )

    core = Core(
        entries=remote(world, "spireentry", entry_reconciler.reconcile, SPIRE_CONCURRENCY),
        records=remote(world, "spireentry-record", record_reconciler.reconcile, RECORDERS),
        release=release,
        drift=DriftCheck(
            book,
            mirror=world.mirror,
            interval_seconds=settings.drift_interval_seconds,
            repaired=world.metrics.spire.drift_repaired,
            checked=release.look_again,
            sources=sources,
        ),
    )
    book.wake.entry = core.entries.queue.add
    book.wake.record = core.records.queue.add
    book.wake.release = core.release.add
    return core


def computing(
    world: World, name: str, reconcile: Callable[[K], Awaitable[Outcome]]
) -> Controller[K]:
    """A controller that makes no remote call: one worker does."""
    return Controller(
        name=name,
        reconcile=reconcile,
        concurrency=1,
        timeout_seconds=_COMPUTE_SECONDS,
        observer=world.metrics.controller(name),
    )


def remote(
    world: World, name: str, reconcile: Callable[[K], Awaitable[Outcome]], concurrency: int
) -> Controller[K]:
    """A controller that waits for a server; each call in it has a deadline of its own."""
    return Controller(
        name=name,
        reconcile=reconcile,
        concurrency=concurrency,
        timeout_seconds=_REMOTE_SECONDS,
        observer=world.metrics.controller(name),
    )
