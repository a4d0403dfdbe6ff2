"""The caches of one process: what the API server holds of the kinds that we read.

They fill as soon as the process starts and stay warm on a standby, so that a
change of leader costs no list.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Protocol, TypeVar

from api.kinds import SPIRE_ENTRY, Kind
from api.meta import KubeObject
from api.spiffeid.v1beta1.spireentry import SpireEntry
from controllers.lastgood import RECORD_INDEXES
from registrar.kube.reflector import Reflector
from registrar.kube.session import Session
from registrar.kube.store import Change, Store
from registrar.telemetry.metrics import Metrics
from registrar.telemetry.rounds import tell

T = TypeVar("T", bound=KubeObject)


@dataclass(slots=True)
class Cache(Generic[T]):
    """One kind's store, and who hears of its changes.

    An ``optional`` kind may be missing: the process goes on without it and
    takes it up when it is there. What may not be read is no reason to believe
    that nothing is there, unless it ``may_be_forbidden``.
    """

    kind: Kind[T]
    store: Store[T]
    optional: bool = False
    may_be_forbidden: bool = False
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    transform: Callable[[T], T] | None = None
    metadata_only: bool = False
    listeners: list[Callable[[Change[T]], None]] = field(default_factory=list)
    reflector: Reflector[T] | None = None
    task: asyncio.Task[None] | None = None

    def start(self, session: Session, tasks: asyncio.TaskGroup, metrics: Metrics) -> None:
        """Begin to fill the store."""
        self.reflector = Reflector(
            session=session,
            kind=self.kind,
            store=self.store,
            on_change=self._announce,
            namespace=self.namespace,
            label_selector=self.label_selector,
            field_selector=self.field_selector,
            transform=self.transform,
            metadata_only=self.metadata_only,
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

    def listen(self, heard: Callable[[Change[T]], None]) -> None:
        """Have each change told from now on."""
        self.listeners.append(heard)

    def _announce(self, change: Change[T]) -> None:
        for heard in self.listeners:
            tell(f"change of {self.kind.resource}", partial(heard, change))

    @property
    def is_read(self) -> bool:
        """Whether somebody began to fill the store."""
        return self.reflector is not None

    @property
    def is_available(self) -> bool:
        """Whether the kind is installed and may be read, as far as is known."""
        return self.store.synced.is_set()

    @property
    def is_watched(self) -> bool:
        """Whether changes arrive at this moment."""
        return self.reflector is not None and self.reflector.state == "watching"

    @property
    def is_unavailable(self) -> bool:
        """Whether the kind is known to be missing, or not to be ours to read."""
        if not self.optional or self.reflector is None:
            return False
        return self.reflector.is_missing or (self.may_be_forbidden and self.reflector.is_forbidden)

    @property
    def kind_name(self) -> str:
        """The kind, as owners are recorded with it."""
        return self.kind.kind

    async def available(self) -> None:
        """Wait until the store is full and its changes were announced."""
        await self.store.synced.wait()

    async def settled(self) -> None:
        """Wait until the store is full, or known to stay empty because the kind is optional."""
        if self.optional and self.reflector is not None:
            await self.reflector.settled()
            if self.is_unavailable:
                return
        await self.store.synced.wait()

    def why_not_synced(self) -> str | None:
        """None when the store is full or need not be, else what it waits for, in words."""
        if self.store.synced.is_set():
            return None
        reflector = self.reflector
        if reflector is None:
            return f"{self.kind.resource}: not started"
        if self.is_unavailable:
            return None
        detail = f": {reflector.last_error}" if reflector.last_error else ""
        return f"{self.kind.resource}: {reflector.state}{detail}"


class AnyCache(Protocol):
    """A Cache of whatever kind."""

    def start(self, session: Session, tasks: asyncio.TaskGroup, metrics: Metrics) -> None:
        """Begin to fill the store."""
        ...

    def restart(self, session: Session, tasks: asyncio.TaskGroup, metrics: Metrics) -> None:
        """List anew."""
        ...

    async def settled(self) -> None:
        """Wait until it is full, or known to stay empty."""
        ...

    def why_not_synced(self) -> str | None:
        """None when it is full, else what it waits for."""
        ...


SpireEntryCache = Cache[SpireEntry]


def spire_entry_cache(*, optional: bool = False) -> SpireEntryCache:
    """The cache of SpireEntries, which every mode has."""
    store = Store(RECORD_INDEXES)
    return Cache(SPIRE_ENTRY, store, optional=optional, may_be_forbidden=optional)


class Caches:
    """Caches that fill together. More can be added while they run."""

    def __init__(self, caches: Iterable[AnyCache]) -> None:
        self._caches = list(caches)
        self._added: list[AnyCache] = []
        self._required: list[Callable[[], Awaitable[None]]] = []
        self._begin: Callable[[AnyCache], None] | None = None

    def start(self, session: Session, tasks: asyncio.TaskGroup, metrics: Metrics) -> None:
        """Begin to fill all."""
        self._begin = lambda cache: cache.start(session, tasks, metrics)
        for cache in self._caches:
            cache.start(session, tasks, metrics)

    def restart(self, session: Session, tasks: asyncio.TaskGroup, metrics: Metrics) -> None:
        """List everything anew: a standby's watch may lag behind what the last leader acted on."""
        for cache in (*self._caches, *self._added):
            cache.restart(session, tasks, metrics)

    def add(self, cache: AnyCache) -> None:
        """Begin to fill one more, which turns out to be needed; nothing the second time."""
        if cache in self._added:
            return
        if self._begin is None:
            raise RuntimeError("the caches were not started")
        self._added.append(cache)
        self._begin(cache)

    def require(self, settled: Callable[[], Awaitable[None]]) -> None:
        """Let ``synced`` wait for this too; it may add caches."""
        self._required.append(settled)

    async def synced(self) -> None:
        """Wait until every store holds its first complete list."""
        for cache in self._caches:
            await cache.settled()
        for settled in self._required:
            await settled()

    def why_not_synced(self) -> str | None:
        """None when every store is full, else the first that is not and why."""
        reasons = (cache.why_not_synced() for cache in self._caches)
        return next((why for why in reasons if why is not None), None)
