"""The work queue, against a plain model and on a real loop."""

import asyncio
import heapq
import itertools
from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from registrar.kube.workqueue import WorkQueue


class Alarm:
    """A call of ``ManualTimers``."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualTimers:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0
        self._numbers = itertools.count()
        self._alarms: list[tuple[float, int, Alarm]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None], /) -> Alarm:
        alarm = Alarm(callback)
        heapq.heappush(self._alarms, (when, next(self._numbers), alarm))
        return alarm

    def pass_(self, seconds: float) -> None:
        until = self.now + seconds
        while self._alarms and self._alarms[0][0] <= until:
            when, _, alarm = heapq.heappop(self._alarms)
            self.now = when
            if alarm.callback is not None:
                alarm.callback()
        self.now = until


KEYS = st.integers(0, 4)


class QueueMachine(RuleBasedStateMachine):
    """Whatever happens in whatever order: each key once, in one hand, never lost."""

    def __init__(self) -> None:
        super().__init__()
        self.timers = ManualTimers()
        self.queue: WorkQueue[int] = WorkQueue(timers=self.timers, base_seconds=1, max_seconds=8)
        self.ready: list[int] = []
        self.held: set[int] = set()
        self.again: set[int] = set()
        self.due: dict[int, float] = {}
        self.failures: dict[int, int] = {}

    def model_add(self, key: int) -> None:
        if key in self.held:
            self.again.add(key)
        elif key not in self.ready:
            self.ready.append(key)

    @rule(key=KEYS)
    def add(self, key: int) -> None:
        self.queue.add(key)
        self.model_add(key)

    @rule(key=KEYS, seconds=st.integers(1, 20))
    def add_after(self, key: int, seconds: int) -> None:
        self.queue.add_after(key, seconds)
        when = self.timers.now + seconds
        self.due[key] = min(when, self.due.get(key, when))

    @rule(key=KEYS)
    def add_rate_limited(self, key: int) -> None:
        seconds = self.queue.add_rate_limited(key)
        failures = self.failures.get(key, 0)
        full = min(8.0, 2.0**failures)
        assert full / 2 <= seconds <= full
        self.failures[key] = failures + 1
        when = self.timers.now + seconds
        self.due[key] = min(when, self.due.get(key, when))

    @rule(key=KEYS)
    def forget(self, key: int) -> None:
        self.queue.forget(key)
        self.failures.pop(key, None)

    @precondition(lambda self: self.ready)
    @rule()
    def take(self) -> None:
        key = self.queue.get_nowait()
        assert key == self.ready.pop(0)
        assert key not in self.held
        self.held.add(key)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.held)))
        self.queue.done(key)
        self.held.discard(key)
        if key in self.again:
            self.again.discard(key)
            self.ready.append(key)

    @rule(seconds=st.floats(0.1, 30))
    def time_passes(self, seconds: float) -> None:
        self.timers.pass_(seconds)
        due = sorted((when, key) for key, when in self.due.items() if when <= self.timers.now)
        order = [key for _, key in due]
        # Keys due at the very same time may come in either order.
        before = len(self.ready)
        for key in order:
            del self.due[key]
            self.model_add(key)
        if len({when for when, _ in due}) != len(due):
            added = self.ready[before:]
            actual = self.queue_order()[before:]
            assert sorted(actual) == sorted(added)
            self.ready[before:] = actual

    def queue_order(self) -> list[int]:
        keys = [self.queue.get_nowait() for _ in range(len(self.queue))]
        for key in keys:
            self.queue.add(key)
            self.queue.done(key)
        return keys

    @invariant()
    def sizes_agree(self) -> None:
        assert len(self.queue) == len(self.ready)
        assert self.queue.delayed == len(self.due)


TestQueueMachine = QueueMachine.TestCase


async def test_a_getter_waits_for_a_key() -> None:
    queue: WorkQueue[str] = WorkQueue()
    async with asyncio.TaskGroup() as group:
        getter = group.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add("a")
    assert getter.result() == "a"


async def test_a_cancelled_getter_does_not_take_a_key_with_it() -> None:
    queue: WorkQueue[str] = WorkQueue()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(queue.get())
        second = group.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add("a")
        first.cancel()
    assert second.result() == "a"


async def test_settled_waits_for_work_and_for_what_work_adds() -> None:
    queue: WorkQueue[str] = WorkQueue()
    await queue.settled()
    queue.add("a")
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(queue.settled())
        key = await queue.get()
        queue.add("a")
        queue.done(key)
        await asyncio.sleep(0)
        assert not waiting.done()
        queue.done(await queue.get())
    assert waiting.done()


def test_keys_that_wait_for_their_time_can_come_now() -> None:
    timers = ManualTimers()
    queue: WorkQueue[int] = WorkQueue(timers=timers)
    queue.add_after(1, 30.0)
    queue.add_rate_limited(2)
    assert (len(queue), queue.delayed) == (0, 2)
    assert queue.hasten() == 2
    assert (len(queue), queue.delayed) == (2, 0)
    assert queue.hasten() == 0
    taken = {queue.get_nowait(), queue.get_nowait()}
    timers.pass_(60.0)
    assert (taken, len(queue)) == ({1, 2}, 0)
