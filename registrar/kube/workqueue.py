"""Keys waiting for work: each once, each in one worker's hands, none lost.

A key that is added while it is being worked on runs again afterwards: events
are marks ("this key may be stale"), not messages, so a thousand of them cost
one more run. The shape is client-go's, the names too, so that people and
dashboards recognise it. Which key is next, ``turns`` says.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

from registrar.backoff import delay_seconds
from registrar.kube.turns import IN_ORDER, Turn, Turns
from registrar.telemetry.observers import QueueObserver, SilentQueue

K = TypeVar("K", bound=Hashable)


class Alarm(Protocol):
    """A call that is due later and can be taken back."""

    def cancel(self) -> None:
        """Take it back; nothing happens when it has been made."""
        ...


class Timers(Protocol):
    """Time in seconds and calls in the future; an asyncio event loop is one."""

    def time(self) -> float:
        """Monotonic seconds."""
        ...

    def call_at(self, when: float, callback: Callable[[], None], /) -> Alarm:
        """Call back at that time."""
        ...


class WorkQueue(Generic[K]):
    """See the module. Not thread-safe: one event loop.

    ``turn`` tells in which order a key comes, when it is ready to be worked on.
    """

    def __init__(
        self,
        *,
        base_seconds: float = 0.05,
        max_seconds: float = 60.0,
        timers: Timers | None = None,
        observer: QueueObserver | None = None,
        turn: Callable[[K], Turn] = lambda _: IN_ORDER,
    ) -> None:
        self._base_seconds = base_seconds
        self._max_seconds = max_seconds
        self._timers = timers
        self._observer = observer or SilentQueue()
        self._turn = turn
        self._ready: Turns[K] = Turns()
        self._dirty: dict[K, float] = {}
        self._processing: dict[K, float] = {}
        self._waited: dict[K, float] = {}
        self._delayed: dict[K, tuple[float, Alarm]] = {}
        self._failures: dict[K, int] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._settlers: list[asyncio.Future[None]] = []
        self._observer.observe_running(self._running_ages)

    def __len__(self) -> int:
        """Keys ready to be worked on."""
        return len(self._ready)

    @property
    def unfinished(self) -> int:
        """Keys that are ready or being worked on; those that wait for their time do not count."""
        return len(self._ready) + len(self._processing)

    @property
    def delayed(self) -> int:
        """Keys that wait for their time."""
        return len(self._delayed)

    def add(self, key: K) -> None:
        """Mark the key as needing work: now, or again after the work under way."""
        if key in self._dirty:
            return
        self._dirty[key] = self._clock().time()
        if key not in self._processing:
            self._ready.push(key, self._turn(key))
            self._wake()
        self._observer.added(len(self._ready))

    def add_after(self, key: K, seconds: float) -> None:
        """Add the key then; where it is due earlier already, it stays so."""
        if seconds <= 0:
            self.add(key)
            return
        timers = self._clock()
        when = timers.time() + seconds
        known = self._delayed.get(key)
        if known is not None:
            if known[0] <= when:
                return
            known[1].cancel()
        self._delayed[key] = (when, timers.call_at(when, lambda: self._due(key)))

    def add_rate_limited(self, key: K, at_least_seconds: float = 0.0) -> float:
        """Add the key after its back-off, longer with each call since ``forget``; the seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        seconds = delay_seconds(failures, self._base_seconds, self._max_seconds)
        seconds = max(seconds, at_least_seconds)
        self._observer.retried()
        self.add_after(key, seconds)
        return seconds

    def failures(self, key: K) -> int:
        """How often the key was put back with back-off since ``forget``."""
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        """The key's work succeeded or is given up: the next back-off starts from the shortest."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """The next key, which is the caller's until ``done``."""
        while not self._ready:
            future = asyncio.get_running_loop().create_future()
            self._getters.append(future)
            try:
                await future
            except asyncio.CancelledError:
                # A wake-up that this getter took with it belongs to the next one.
                if future.done() and not future.cancelled() and self._ready:
                    self._wake()
                raise
        return self.get_nowait()

    def get_nowait(self) -> K:
        """The next key as ``get`` gives it; IndexError when none is ready."""
        key = self._ready.pop()
        now = self._clock().time()
        added = self._dirty.pop(key)
        self._processing[key], self._waited[key] = now, now - added
        self._observer.taken(len(self._ready), now - added)
        return key

    def waited(self, key: K) -> float:
        """How many seconds a key that is being worked on had waited for it."""
        return self._waited[key]

    def hasten(self) -> int:
        """Let the keys that wait for their time come now; how many there were."""
        waiting, self._delayed = self._delayed, {}
        for key, (_, alarm) in waiting.items():
            alarm.cancel()
            self.add(key)
        return len(waiting)

    def done(self, key: K) -> None:
        """The caller has finished with the key; KeyError if it did not hold it."""
        started = self._processing.pop(key)
        del self._waited[key]
        self._observer.finished(self._clock().time() - started)
        if key in self._dirty:
            self._ready.push(key, self._turn(key))
            self._wake()
        elif self._is_settled():
            for future in self._settlers:
                if not future.done():
                    future.set_result(None)
            self._settlers.clear()

    async def settled(self) -> None:
        """Wait until nothing is ready and nothing is being worked on (delayed keys do not count).

        At start it tells that the first pass over everything is over, at the
        end that the work at hand has been finished.
        """
        while not self._is_settled():
            future = asyncio.get_running_loop().create_future()
            self._settlers.append(future)
            await future

    def _is_settled(self) -> bool:
        return not self._ready and not self._processing

    def _due(self, key: K) -> None:
        del self._delayed[key]
        self.add(key)

    def _wake(self) -> None:
        while self._getters:
            future = self._getters.popleft()
            if not future.done():
                future.set_result(None)
                return

    def _clock(self) -> Timers:
        if self._timers is None:
            self._timers = asyncio.get_running_loop()
        return self._timers

    def _running_ages(self) -> list[float]:
        if not self._processing:
            return []
        now = self._clock().time()
        return [now - started for started in self._processing.values()]
