"""What a source is: one controller, said as data.

A source says which keys it works on, which changes wake them, and where it stands in the first
pass. The modes list their sources; ``manager.runtime`` makes queues and loops of them. A source
never knows another one: it wakes others by ``controllers.wakeups``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, Protocol, TypeAlias, TypeVar

from api.meta import KubeObject, ObjectKey
from controllers.rights import Need
from controllers.traced import Traced
from registrar.claims.claim import Claimant
from registrar.claims.judged import Judged
from registrar.identity.entry import Entry, EntryKey
from registrar.kube.controller import Controller, Result
from registrar.kube.slots import Backlog
from registrar.kube.store import Change, Store
from registrar.kube.turns import IN_ORDER, Turn
from registrar.telemetry.observers import ControllerObserver
from registrar.telemetry.tracing import Tracer

T = TypeVar("T", bound=KubeObject)
K = TypeVar("K", bound=Hashable)
K_co = TypeVar("K_co", bound=Hashable, covariant=True)
Run = Callable[[], Coroutine[None, None, None]]
"""A loop, which works until it is cancelled."""

_COMPUTE_SECONDS = 10.0
_REMOTE_SECONDS = 120.0
_TURN_AFTER = 500


class Origin(Protocol):
    """Where the objects of one kind are known from, whatever kind that is."""

    @property
    def kind_name(self) -> str:
        """The kind, as owners are recorded with it."""
        ...

    @property
    def is_read(self) -> bool:
        """Whether the configuration has it read at all."""
        ...

    @property
    def is_needed(self) -> bool:
        """Whether a source that watches it is blind without it."""
        ...

    @property
    def may_be_unknown(self) -> bool:
        """Whether work may begin before its objects are known: then none of them is absent."""
        ...

    @property
    def is_available(self) -> bool:
        """Whether all objects are known, so that one that is not among them is not there."""
        ...

    @property
    def remedy(self) -> str:
        """What to do while that is not so, in words."""
        ...

    async def available(self) -> None:
        """Wait until that is so."""
        ...


class Cached(Origin, Protocol[T]):
    """The objects of one kind as they are known, from an API server or from a folder."""

    @property
    def store(self) -> Store[T]:
        """The objects."""
        ...

    def listen(self, heard: Callable[[Change[T]], None]) -> None:
        """Have each change told from now on."""
        ...


class Wakeup(Protocol[K_co]):
    """A wake-up that a source can serve; ``controllers.wakeups`` has them."""

    def serve(self, add: Callable[[K_co], None]) -> None:
        """Give the keys to ``add`` from now on."""
        ...


class FirstPass(IntEnum):
    """When the keys of a source are looked at for the first time."""

    AT_ONCE = 0
    """With the start; nobody waits until it is done."""
    OBJECTS = 1
    """Then what asks for entries by itself, or what Pods are judged by."""
    PODS = 2
    """Then the Pods. After these it is known what is claimed."""
    AFTERWARDS = 3
    """What is written about all that: statuses and records. Nobody waits until it is done."""


@dataclass(frozen=True, slots=True)
class Watch(Generic[K]):
    """Changes that wake keys of a source; see ``watch``."""

    origins: Sequence[Origin]
    connect: Callable[[Callable[[K], None]], None]


def watch(
    caches: Cached[T] | Sequence[Cached[T]], keys_of: Callable[[Change[T]], Iterable[K]]
) -> Watch[K]:
    """Wake what ``keys_of`` says of each change of the objects in one cache, or in several."""
    watched = caches if isinstance(caches, Sequence) else (caches,)

    def connect(add: Callable[[K], None]) -> None:
        def heard(change: Change[T]) -> None:
            for key in keys_of(change):
                add(key)

        for cache in watched:
            cache.listen(heard)

    return Watch(watched, connect)


def note(
    caches: Cached[T] | Sequence[Cached[T]], heard: Callable[[Change[T]], None]
) -> Callable[[], None]:
    """What a source remembers of each change; connected before its watches."""

    def connect() -> None:
        for cache in caches if isinstance(caches, Sequence) else (caches,):
            cache.listen(heard)

    return connect


def all_keys(store: Store[T]) -> Callable[[], Iterable[ObjectKey]]:
    """The keys of all objects of a store, also of those that do not decode."""
    return lambda: [*store.keys(), *(key for key in store.broken if key not in store)]


def all_names(store: Store[T]) -> Callable[[], Iterable[str]]:
    """The names of all objects of a store that have no namespace."""
    return lambda: [key.name for key in all_keys(store)()]


def _nothing() -> Iterable[K]:
    return ()


def _never(_: Entry) -> bool:
    return False


def _ignore() -> None:
    """Nothing to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(Generic[K]):
    """One controller. Only ``name`` and ``reconcile`` must be given."""

    name: str
    """In logs and metrics; a name of its own in the whole process."""
    kind: str = ""
    """The kind of the objects whose claims it makes; empty for one that makes none."""
    reconcile: Callable[[K], Awaitable[Result]]
    """Brings one key in line; see ``registrar.kube.controller``."""
    explain: Callable[[ObjectKey], Awaitable[list[Judged]]] | None = None
    """What an object of its kind claims and why, or why not, as of the last reconcile of it; for
    people. Raises Retry."""
    concurrency: int = 0
    """Remote calls under way at once; 0 for a source that makes none, which has one worker."""
    room: Callable[[], int] | None = None
    """How many of them may be under way now, where that changes."""
    turn: Callable[[K], Turn] = lambda _: IN_ORDER
    """In which order its keys come, so that nobody waits behind a mass of others."""
    yields_to: Callable[[], int] = lambda: 0
    """How much waits that is more urgent: the more, the fewer of this source are under way."""
    backlog: Backlog | None = None
    """Learns how many keys of this source wait."""
    serves: Wakeup[K] | None = None
    """By which wake-up other sources ask for its keys."""
    watches: Sequence[Watch[K]] = ()
    notes: Sequence[Callable[[], None]] = ()
    keys: Callable[[], Iterable[K]] = _nothing
    """All keys, for the first pass."""
    first_pass: FirstPass = FirstPass.AFTERWARDS
    tells: bool = False
    """Whether it only tells people what became of objects."""
    prepare: Callable[[], None] = _ignore
    """Called in the first pass, before its keys are added."""
    also_decides: Sequence[Origin] = ()
    """What it must have looked at all of, besides what it watches, before anything of that goes."""
    drifted: Callable[[], None] = _ignore
    """Called after each look at what the SPIRE server holds."""
    takes_up: Callable[[Entry], bool] = _never
    """Whether an entry of ours that nobody claims is claimed from now on, after all."""
    gives_up: Callable[[Entry], bool] = _never
    """Whether an entry that somebody deleted is claimed no longer, and not made anew."""
    runs: Sequence[Run] = ()
    """Further loops."""
    needs: Sequence[Need] = ()
    """The rights that its writes to the API server take; reading is its caches' business."""

    @property
    def decides(self) -> list[Origin]:
        """The origins of which it is known what they claim once this source has looked at all."""
        if not self.kind:
            return []
        watched = (origin for watched in self.watches for origin in watched.origins)
        return [origin for origin in (*watched, *self.also_decides) if origin.may_be_unknown]

    def wire(self, observer: ControllerObserver, tracer: Tracer | None = None) -> "Wired":
        """Make its queue and its loop, and connect what wakes it."""
        traced = None
        if tracer is not None:
            traced = Traced(name=self.name, kind=self.kind, reconcile=self.reconcile, tracer=tracer)
        controller = Controller(
            name=self.name,
            reconcile=self.reconcile if traced is None else traced.reconcile,
            concurrency=self.concurrency or 1,
            timeout_seconds=_REMOTE_SECONDS if self.concurrency else _COMPUTE_SECONDS,
            observer=observer,
            yields_to=self.yields_to,
            room=self.room,
            turn=self.turn,
        )
        if self.backlog is not None:
            self.backlog.measure = controller.backlog
        for connect in self.notes:
            connect()
        for watched in self.watches:
            watched.connect(controller.queue.add)
        if self.serves is not None:
            add = controller.queue.add
            self.serves.serve(add if traced is None else traced.waking(add))

        async def look_at_all() -> None:
            self.prepare()
            for number, key in enumerate(list(self.keys()), start=1):
                controller.queue.add(key)
                if number % _TURN_AFTER == 0:
                    await asyncio.sleep(0)

        return Wired(controller.run, look_at_all, controller.settled, controller.queue)


class Work(Protocol):
    """What a source still has to do; ``registrar.kube.workqueue.WorkQueue`` is one."""

    @property
    def unfinished(self) -> int:
        """How many keys are ready or being worked on."""
        ...

    def hasten(self) -> int:
        """Let the keys that wait for their time come now; how many there were."""
        ...


@dataclass(frozen=True, slots=True)
class Wired:
    """A source at work: its loop, the beginning of its first pass, and the end of its work."""

    run: Run
    look_at_all: Callable[[], Awaitable[None]]
    settled: Callable[[], Awaitable[None]]
    queue: Work


AnySource: TypeAlias = Source[ObjectKey] | Source[EntryKey] | Source[Claimant] | Source[str]
