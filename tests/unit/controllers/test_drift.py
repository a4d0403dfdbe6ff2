"""When the drift check looks; what it puts right is tried against servers."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

import pytest

from controllers.drift import DriftCheck
from registrar.kube.slots import BACKLOG
from registrar.spire.mirror import Drift, EntryMirror
from tests.support.shared import a_shared_state

pytestmark = pytest.mark.looptime

INTERVAL = 10.0


class SlowMirror:
    """A server on which nothing changes, and which takes long to say so."""

    privileged_ids: Mapping[str, frozenset[str]] = {}
    own: Mapping[str, object] = {}

    def __init__(self, seconds: float, entries: int = 0) -> None:
        self._seconds = seconds
        self.foreign_count = entries
        self.looks: list[float] = []

    async def refresh(self) -> Drift:
        self.looks.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self._seconds)
        return Drift([], [], [])


@asynccontextmanager
async def checking(mirror: SlowMirror, waiting: list[int]) -> AsyncIterator[float]:
    """The check at work, with so many entries that wait; gives when it began."""
    shared = a_shared_state()
    shared.backlog.measure = lambda: waiting[0]
    check = DriftCheck(
        shared,
        mirror=cast("EntryMirror", mirror),
        interval_seconds=INTERVAL,
        repaired=lambda _: None,
        checked=lambda: None,
        sources=(),
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(check.run())
        yield asyncio.get_running_loop().time()
        task.cancel()


async def test_it_looks_about_every_interval() -> None:
    mirror = SlowMirror(0.1)
    async with checking(mirror, [0]):
        await asyncio.sleep(10 * INTERVAL)
    assert 9 <= len(mirror.looks) <= 13


async def test_looks_that_take_long_take_no_more_than_a_tenth_of_the_time() -> None:
    mirror = SlowMirror(5 * INTERVAL, entries=200_000)
    async with checking(mirror, [0]):
        await asyncio.sleep(200 * INTERVAL)
    assert len(mirror.looks) == 4


async def test_a_server_that_hung_while_it_listed_a_few_entries_is_looked_at_as_before() -> None:
    mirror = SlowMirror(3 * INTERVAL, entries=10)
    async with checking(mirror, [0]):
        await asyncio.sleep(40 * INTERVAL)
    assert len(mirror.looks) >= 9


async def test_it_does_not_list_while_a_mass_of_entries_waits() -> None:
    mirror, waiting = SlowMirror(0.1), [BACKLOG]
    async with checking(mirror, waiting):
        await asyncio.sleep(2 * INTERVAL)
        assert mirror.looks == []
        waiting[0] = 0
        await asyncio.sleep(1.0)
        assert len(mirror.looks) == 1


async def test_it_does_not_wait_for_ever_behind_a_backlog_that_does_not_end() -> None:
    mirror = SlowMirror(0.1)
    async with checking(mirror, [BACKLOG]) as began:
        await asyncio.sleep(10 * INTERVAL)
    assert mirror.looks[0] - began <= 4 * INTERVAL + 1
