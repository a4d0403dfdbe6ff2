"""The caches of one process: what the API server holds of the kinds that we read.

They fill as soon as the process starts and stay warm on a standby, so that a
change of leader costs no list.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from api.core import Namespace, Pod
from api.kinds import CLUSTER_SPIFFE_ID, NAMESPACE, POD, SPIRE_ENTRY, Kind
from api.meta import KubeObject
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from api.spiffeid.v1beta1.spireentry import SpireEntry
from controllers.clusterspiffeid import OWNER_INDEX
from controllers.pod import POD_INDEX, pods_of
from controllers.release import ENTRY_ID_INDEX
from registrar.kube.reflector import Reflector
from registrar.kube.session import Session
from registrar.kube.store import Change, Store
from registrar.telemetry.metrics import Metrics

T = TypeVar("T", bound=KubeObject)


def _ignore(_: object) -> None:
    """Nobody listens: this process does not lead."""


@dataclass(slots=True)
class Cache(Generic[T]):
    """One kind's store, with who hears of its changes at the moment."""

    kind: Kind[T]
    store: Store[T]
    listener: Callable[[Change[T]], None] = _ignore
    reflector: Reflector[T] | None = None
    task: asyncio.Task[None] | None = None

    def start(self, session: Session, tasks: asyncio.TaskGroup, metrics: Metrics) -> None:
        """Begin to fill the store."""
        self.reflector = Reflector(
            session=session,
            kind=self.kind,
            store=self.store,
            on_change=self._announce,
            observer=metrics.reflector(self.kind.resource),
        )
        name = f"reflector {self.kind.resource}"
        self.task = tasks.create_task(self.reflector.run(), name=name)

    def restart(self, session: Session, tasks: asyncio.TaskGroup, metrics: Metrics) -> None:
        """List anew, whatever the watch may have missed."""
        if self.task is not None:
            self.task.cancel()
        self.store.synced.clear()
        self.start(session, tasks, metrics)

    def _announce(self, change: Change[T]) -> None:
        self.listener(change)

    def silence(self) -> None:
        """Stop announcing changes; the store goes on filling."""
        self.listener = _ignore

    def why_not_synced(self) -> str | None:
        """None when the store is full, else what it waits for, in words."""
        if self.store.synced.is_set():
            return None
        reflector = self.reflector
        if reflector is None:
            return f"{self.kind.resource}: not started"
        detail = f": {reflector.last_error}" if reflector.last_error else ""
        return f"{self.kind.resource}: {reflector.state}{detail}"


def _owners(obj: SpireEntry) -> Iterable[str]:
    return (owner.uid for owner in obj.metadata.owner_references)


def _entry_ids(obj: SpireEntry) -> Iterable[str]:
    return (obj.status.entry_id,) if obj.status.entry_id else ()


class Stores:
    """The caches that the registrar needs; Pods and Namespaces only for the pod controller."""

    def __init__(self, *, with_pods: bool) -> None:
        self.cluster_spiffe_ids: Cache[ClusterSpiffeId] = Cache(
            CLUSTER_SPIFFE_ID, Store({POD_INDEX: pods_of})
        )
        self.spire_entries: Cache[SpireEntry] = Cache(
            SPIRE_ENTRY, Store({OWNER_INDEX: _owners, ENTRY_ID_INDEX: _entry_ids})
        )
        self.pods: Cache[Pod] = Cache(POD, Store())
        self.namespaces: Cache[Namespace] = Cache(NAMESPACE, Store())
        self._with_pods = with_pods

    def start(self, session: Session, tasks: asyncio.TaskGroup, metrics: Metrics) -> None:
        """Begin to fill the stores."""
        self.cluster_spiffe_ids.start(session, tasks, metrics)
        self.spire_entries.start(session, tasks, metrics)
        if self._with_pods:
            self.namespaces.start(session, tasks, metrics)
            self.pods.start(session, tasks, metrics)

    def restart(self, session: Session, tasks: asyncio.TaskGroup, metrics: Metrics) -> None:
        """List everything anew: a standby's watch may lag behind what the last leader acted on."""
        self.cluster_spiffe_ids.restart(session, tasks, metrics)
        self.spire_entries.restart(session, tasks, metrics)
        if self._with_pods:
            self.namespaces.restart(session, tasks, metrics)
            self.pods.restart(session, tasks, metrics)

    def silence(self) -> None:
        """Stop announcing changes."""
        self.cluster_spiffe_ids.silence()
        self.spire_entries.silence()
        self.pods.silence()
        self.namespaces.silence()

    async def synced(self) -> None:
        """Wait until every store holds its first complete list."""
        await self.cluster_spiffe_ids.store.synced.wait()
        await self.spire_entries.store.synced.wait()
        if self._with_pods:
            await self.namespaces.store.synced.wait()
            await self.pods.store.synced.wait()

    def why_not_synced(self) -> str | None:
        """None when every store is full, else the first that is not and why."""
        return next((why for why in self._reasons() if why is not None), None)

    def _reasons(self) -> Iterator[str | None]:
        yield self.cluster_spiffe_ids.why_not_synced()
        yield self.spire_entries.why_not_synced()
        if self._with_pods:
            yield self.namespaces.why_not_synced()
            yield self.pods.why_not_synced()
