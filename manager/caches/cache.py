"""The caches of one process: what the API server holds of the kinds that we read.

They stay warm on a standby. When it becomes the leader it waits until they are up to date
(``Caches.catch_up``), which costs a list only of kinds in which nothing has changed lately.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Generic, NamedTuple, Protocol, TypeVar

from api.kinds import SPIRE_ENTRY, Kind
from api.meta import KubeObject
from api.spiffeid.v1beta1.spireentry import SpireEntry
from controllers.lastgood import RECORD_INDEXES
from registrar.kube.barrier import Barrier
from registrar.kube.errors import Forbidden, KubeError, NotFound
from registrar.kube.reflector import Reflector
from registrar.kube.session import API
from registrar.kube.store import Change, Store
from registrar.telemetry.logging import kv
from registrar.telemetry.metrics import Metrics
from registrar.telemetry.rounds import tell

log = logging.getLogger(__name__)

T = TypeVar("T", bound=KubeObject)


class Unreadable(Enum):
    """What happens while a kind is not installed, or while we may not read it."""

    STOPS = "the process waits for it"
    KEEPS = "the work goes on, and what may be for its objects is kept"
    EMPTY = "the work goes on as if there were no object of it"


class Unread(NamedTuple):
    """What could not be read, and why.

    ``is_right``: a right is missing, and ``is_missing``: the kind is not installed; else it may
    work at another time. ``stops``: a registrar would wait for it before anything else.
    """

    resource: str
    why: str
    remedy: str
    is_right: bool = False
    is_missing: bool = False
    stops: bool = True


_TRIES = 3
"""So often in a row a read that nobody refuses may fail before it counts as failed."""


@dataclass(slots=True)
class Cache(Generic[T]):
    """One kind's store, and who hears of its changes.

    ``unreadable`` says what happens while the kind is not installed, or may not be read; the
    process takes it up when that has changed.
    """

    kind: Kind[T]
    store: Store[T]
    unreadable: Unreadable = Unreadable.STOPS
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    transform: Callable[[T], T] | None = None
    metadata_only: bool = False
    listeners: list[Callable[[Change[T]], None]] = field(default_factory=list)
    reflector: Reflector[T] | None = None
    barrier: Barrier[T] | None = None

    def start(self, session: API, tasks: asyncio.TaskGroup, metrics: Metrics) -> None:
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
        tasks.create_task(self.reflector.run(), name=f"reflector {self.kind.resource}")

    def listen(self, heard: Callable[[Change[T]], None]) -> None:
        """Have each change told from now on."""
        self.listeners.append(heard)

    def _announce(self, change: Change[T]) -> None:
        for heard in self.listeners:
            tell(f"change of {self.kind.resource}", partial(heard, change))

    @property
    def name(self) -> str:
        """The kind, as logs and metrics call it."""
        return self.kind.resource

    @property
    def size(self) -> int:
        """How many objects are known."""
        return len(self.store)

    @property
    def is_read(self) -> bool:
        """Whether somebody began to fill the store."""
        return self.reflector is not None

    @property
    def is_needed(self) -> bool:
        """Whether a source that watches it is blind without it."""
        return self.unreadable is not Unreadable.EMPTY

    @property
    def may_be_unknown(self) -> bool:
        """Whether work may begin before its objects are known: then none of them is absent."""
        return self.unreadable is Unreadable.KEEPS

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
        if self.unreadable is Unreadable.STOPS or self.reflector is None:
            return False
        return self.reflector.is_missing or self.reflector.is_forbidden

    @property
    def kind_name(self) -> str:
        """The kind, as owners are recorded with it."""
        return self.kind.kind

    @property
    def remedy(self) -> str:
        """What to do about a kind that cannot be read, in words."""
        if self.reflector is not None and self.reflector.is_forbidden:
            remedy = f"give the registrar's role list and watch on {self.kind.resource}"
        else:
            version = self.kind.api_version.rpartition("/")[2]
            remedy = (
                f"install the CustomResourceDefinition {self.kind.resource} and serve its version "
                f"{version}"
            )
        return f"{remedy}, or let the configuration leave the kind out"

    async def available(self) -> None:
        """Wait until the store is full and its changes were announced."""
        await self.store.synced.wait()

    async def settled(self) -> None:
        """Wait until the store is full, or until it is known that the process goes on without."""
        if self.unreadable is not Unreadable.STOPS and self.reflector is not None:
            # What was missing may be cut off just now, and be missing still after that.
            await self.reflector.until(lambda: self.is_available or self.is_unavailable)
            return
        await self.store.synced.wait()

    async def looked(self) -> "Unread | None":
        """Wait until the store is full, or until it is known why not: the answer then.

        Unlike ``settled`` it waits for nobody to give a right, or to mend anything else.
        """
        reflector = self.reflector
        if reflector is None:
            return None
        await reflector.until(lambda: self.is_available or self._is_refused(reflector))
        if self.is_available:
            return None
        return Unread(
            self.name,
            reflector.last_error,
            self.remedy,
            is_right=reflector.is_forbidden,
            is_missing=reflector.is_missing,
            stops=self.unreadable is Unreadable.STOPS,
        )

    def _is_refused(self, reflector: Reflector[T]) -> bool:
        return (
            reflector.is_missing
            or reflector.is_forbidden
            or (reflector.state == "broken" and reflector.failures >= _TRIES)
        )

    async def catch_up(self, since: float) -> bool:
        """Wait until the store holds what was there at ``since``; whether that took a list.

        Nothing of a kind that is not read, or that the process does without. Of one whose absence
        must be known, what was read once is kept then, but it is not known to be all.
        """
        if self.reflector is None:
            return False
        barrier = self.barrier = Barrier(
            self.reflector,
            name=self.kind.resource,
            may_lack=self._may_lack,
            is_lacking=lambda: self.is_unavailable,
        )
        try:
            is_listed = await barrier.passed(since)
        finally:
            self.barrier = None
        if barrier.is_without and self.may_be_unknown:
            self.store.synced.clear()
            self.reflector.list_anew()
        return is_listed

    def _may_lack(self, error: KubeError) -> bool:
        may_go_on = self.unreadable is not Unreadable.STOPS
        return may_go_on and isinstance(error, Forbidden | NotFound)

    def why_not_synced(self) -> str | None:
        """None when the store is full or need not be, else what it waits for, in words."""
        if self.barrier is not None:
            return f"{self.kind.resource}: {self.barrier.problem}{self._last_error()}"
        if self.store.synced.is_set():
            return None
        reflector = self.reflector
        if reflector is None:
            return f"{self.kind.resource}: not started"
        if self.is_unavailable:
            return None
        return f"{self.kind.resource}: {reflector.state}{self._last_error()}"

    def _last_error(self) -> str:
        error = "" if self.reflector is None else self.reflector.last_error
        return f": {error}" if error else ""


class AnyCache(Protocol):
    """A Cache of whatever kind."""

    def start(self, session: API, tasks: asyncio.TaskGroup, metrics: Metrics) -> None:
        """Begin to fill the store."""
        ...

    async def catch_up(self, since: float) -> bool:
        """Wait until it holds what was there then; whether that took a list."""
        ...

    @property
    def name(self) -> str:
        """The kind, as logs and metrics call it."""
        ...

    @property
    def size(self) -> int:
        """How many objects are known."""
        ...

    async def settled(self) -> None:
        """Wait until it is full, or known to stay empty."""
        ...

    async def looked(self) -> Unread | None:
        """Wait until it is full, or until it is known why not: the answer then."""
        ...

    def why_not_synced(self) -> str | None:
        """None when it is full, else what it waits for."""
        ...


SpireEntryCache = Cache[SpireEntry]


def spire_entry_cache(*, optional: bool = False) -> SpireEntryCache:
    """The cache of SpireEntries, which every mode has."""
    store = Store(RECORD_INDEXES, packed=SPIRE_ENTRY.type)
    unreadable = Unreadable.EMPTY if optional else Unreadable.STOPS
    return Cache(SPIRE_ENTRY, store, unreadable=unreadable)


class Caches:
    """Caches that fill together. More can be added while they run."""

    def __init__(self, caches: Iterable[AnyCache]) -> None:
        self._caches = list(caches)
        self._added: list[AnyCache] = []
        self._required: list[Callable[[], Awaitable[None]]] = []
        self._begin: Callable[[AnyCache], None] | None = None

    def start(self, session: API, tasks: asyncio.TaskGroup, metrics: Metrics) -> None:
        """Begin to fill all; nothing the second time."""
        if self._begin is not None:
            return
        self._begin = lambda cache: cache.start(session, tasks, metrics)
        for cache in self._caches:
            cache.start(session, tasks, metrics)

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

    def __iter__(self) -> Iterator[AnyCache]:
        """All of them."""
        yield from (*self._caches, *self._added)

    def sizes(self) -> dict[str, int]:
        """How many objects of each kind are known."""
        found: dict[str, int] = {}
        for cache in self:
            found[cache.name] = found.get(cache.name, 0) + cache.size
        return found

    async def looked(self) -> list[Unread]:
        """Wait until every store is full, or until it is known why not: those that are not."""
        unread: list[Unread] = []
        looked = 0
        # Who looks may find that more is needed.
        while looked < len(caches := [*self._caches, *self._added]):
            cache = caches[looked]
            looked += 1
            problem = await cache.looked()
            if problem is not None:
                unread.append(problem)
        return unread

    async def catch_up(self, since: float) -> None:
        """Wait until every store is full, and holds what was there at ``since``.

        By the event loop's clock: the moment from which nobody else may write. What was listed
        after that is new enough, as at a start that finds the Lease free.
        """
        await self.synced()
        listed = list[str]()

        async def catch_up(cache: AnyCache) -> None:
            if await cache.catch_up(since):
                listed.append(cache.name)

        started = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            for cache in (*self._caches, *self._added):
                tasks.create_task(catch_up(cache))
        seconds = round(asyncio.get_running_loop().time() - started, 3)
        log.info(
            "the caches are up to date",
            extra=kv(seconds=seconds, listed_anew=" ".join(sorted(listed)) or "none"),
        )
        # What came may have made others necessary.
        await self.synced()

    def why_not_synced(self) -> str | None:
        """None when every store is full, else the first that is not and why."""
        reasons = (cache.why_not_synced() for cache in self._caches)
        return next((why for why in reasons if why is not None), None)
