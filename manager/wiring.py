"""The one list of controllers: which reconciler works on which queue, and who wakes whom."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from api.meta import ObjectKey
from controllers.book import Book
from controllers.clusterspiffeid import ClaimReconciler, StatusReconciler
from controllers.drift import DriftCheck
from controllers.generated import GeneratedReconciler
from controllers.pod import PodReconciler
from controllers.ports import Events, Kubernetes
from controllers.record import RecordReconciler
from controllers.release import ReleasePass
from controllers.spireentry import EntryReconciler
from manager.latency import PodLatency
from manager.stores import Stores
from registrar.claims.budget import DeletionBudget
from registrar.claims.claim import Claim
from registrar.identity.entry import EntryKey
from registrar.kube.controller import Controller, Outcome
from registrar.settings.model import Settings
from registrar.spire.mirror import EntryMirror
from registrar.spire.writer import EntryWriter
from registrar.telemetry.metrics import Metrics

SPIRE_CONCURRENCY = 1000
"""Entries under way at once; the writer gathers them into batches of up to 500."""

RECORDERS = 8
"""API writes under way at once: the API server is shared with everything in the cluster."""

_COMPUTE_SECONDS = 10.0
_REMOTE_SECONDS = 120.0

K = TypeVar("K", bound=Hashable)


def timestamp() -> str:
    """Now, as Kubernetes writes times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class World:
    """What a term of leadership works with."""

    settings: Settings
    stores: Stores
    kube: Kubernetes
    events: Events
    mirror: EntryMirror
    writer: EntryWriter
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Controllers:
    """Every controller of a term; those of the pod controller are None when it is off."""

    claims: Controller[str]
    entries: Controller[EntryKey]
    records: Controller[str]
    statuses: Controller[str]
    pods: Controller[ObjectKey] | None
    generated: Controller[str] | None
    release: ReleasePass
    drift: DriftCheck

    def runs(self) -> Iterator[Callable[[], Coroutine[None, None, None]]]:
        """The loops to run."""
        yield self.claims.run
        yield self.entries.run
        yield self.records.run
        yield self.statuses.run
        if self.pods is not None and self.generated is not None:
            yield self.pods.run
            yield self.generated.run
        yield self.release.run
        yield self.drift.run


def wire(world: World, book: Book, alias: Claim, latency: PodLatency) -> Controllers:
    """Make the controllers of one term and connect their queues."""
    controllers = _make(world, book, alias, latency)
    wake = book.wake
    wake.claims = controllers.claims.queue.add
    wake.entry = controllers.entries.queue.add
    wake.record = controllers.records.queue.add
    wake.status = controllers.statuses.queue.add
    wake.release = controllers.release.add
    if controllers.pods is not None and controllers.generated is not None:
        wake.pod = controllers.pods.queue.add
        wake.generated = controllers.generated.queue.add
    return controllers


def _make(world: World, book: Book, alias: Claim, latency: PodLatency) -> Controllers:
    stores, settings = world.stores, world.settings
    objects, entries = stores.cluster_spiffe_ids.store, stores.spire_entries.store
    clock = asyncio.get_running_loop().time
    release = ReleasePass(
        book,
        objects=entries,
        writer=world.writer,
        kube=world.kube,
        events=world.events,
        budget=DeletionBudget(
            count=settings.deletion_budget.count,
            fraction=settings.deletion_budget.fraction,
            window_seconds=settings.drift_interval_seconds,
            unlimited=settings.deletion_budget.allow_mass_deletion,
        ),
        mirror=world.mirror,
        alias_key=alias.key,
        clock=clock,
    )
    entry_reconciler = EntryReconciler(
        book,
        writer=world.writer,
        mirror=world.mirror,
        adoption_allowed=settings.adoption_policy == "adopt",
        on_set=latency.entry_set,
    )
    record_reconciler = RecordReconciler(
        book,
        objects=entries,
        kube=world.kube,
        events=world.events,
        mirror=world.mirror,
        alias_key=alias.key,
        timestamp=timestamp,
    )
    status_reconciler = StatusReconciler(
        book,
        objects=objects,
        kube=world.kube,
        events=world.events,
        clock=clock,
        timestamp=timestamp,
    )
    return Controllers(
        claims=_computing(
            world,
            "clusterspiffeid",
            ClaimReconciler(book, objects=objects, mirror=world.mirror).reconcile,
        ),
        entries=_remote(world, "spireentry", entry_reconciler.reconcile, SPIRE_CONCURRENCY),
        records=_remote(world, "spireentry-record", record_reconciler.reconcile, RECORDERS),
        statuses=_remote(
            world, "clusterspiffeid-status", status_reconciler.reconcile, RECORDERS // 2
        ),
        pods=_pods(world, book, latency),
        generated=_generated(world, book),
        release=release,
        drift=DriftCheck(
            book,
            mirror=world.mirror,
            interval_seconds=settings.drift_interval_seconds,
            repaired=world.metrics.spire.drift_repaired,
            checked=release.look_again,
        ),
    )


def _pods(world: World, book: Book, latency: PodLatency) -> Controller[ObjectKey] | None:
    if world.settings.pods is None:
        return None
    reconciler = PodReconciler(
        book,
        settings=world.settings.pods,
        pods=world.stores.pods.store,
        objects=world.stores.cluster_spiffe_ids.store,
        events=world.events,
        on_pod=latency.pod_seen,
    )
    return _computing(world, "pod", reconciler.reconcile)


def _generated(world: World, book: Book) -> Controller[str] | None:
    if world.settings.pods is None:
        return None
    reconciler = GeneratedReconciler(
        book,
        objects=world.stores.cluster_spiffe_ids.store,
        namespaces=world.stores.namespaces.store,
        kube=world.kube,
        mirror=world.mirror,
    )
    return _remote(world, "clusterspiffeid-record", reconciler.reconcile, RECORDERS)


def _computing(
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


def _remote(
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
