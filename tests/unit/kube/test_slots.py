"""How many may be under way at once, and who gives way to whom."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from registrar.kube.slots import BACKLOG, LOOK_SECONDS, PAUSE_SECONDS, Slots

pytestmark = pytest.mark.looptime


@dataclass
class Let:
    """What was let in, by the time at which it was."""

    times: list[float] = field(default_factory=list)


@asynccontextmanager
async def taking(slots: Slots) -> AsyncIterator[Let]:
    """Somebody who takes every slot that he gets."""
    let, loop = Let(), asyncio.get_running_loop()
    began = loop.time()

    async def take() -> None:
        while True:
            await slots.take()
            let.times.append(loop.time() - began)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(take())
        yield let
        task.cancel()


async def test_no_more_than_the_limit_are_let_in_however_long_they_wait() -> None:
    async with taking(Slots(lambda: 3)) as let:
        await asyncio.sleep(100 * PAUSE_SECONDS)
        assert let.times == [0, 0, 0]


async def test_a_freed_slot_is_taken_at_once() -> None:
    slots = Slots(lambda: 1)
    async with taking(slots) as let:
        await asyncio.sleep(1.0)
        slots.free()
        await asyncio.sleep(1.0)
    assert let.times == [0, 1.0]


@pytest.mark.parametrize(
    ("backlog", "let_in"),
    [
        pytest.param(0, 8, id="nothing waits"),
        pytest.param(1, 8, id="one waits"),
        pytest.param(BACKLOG // 2, 4, id="some wait"),
        pytest.param(BACKLOG - 1, 1, id="nearly a mass"),
        pytest.param(BACKLOG, 0, id="a mass"),
        pytest.param(100 * BACKLOG, 0, id="a great mass"),
    ],
)
async def test_the_more_wait_the_fewer_are_let_in(backlog: int, let_in: int) -> None:
    async with taking(Slots(lambda: 8, lambda: backlog)) as let:
        await asyncio.sleep(PAUSE_SECONDS / 2)
        assert len(let.times) == let_in


async def test_what_gives_way_does_not_wait_for_ever() -> None:
    slots = Slots(lambda: 2, lambda: 10 * BACKLOG)
    async with taking(slots) as let:
        for _ in range(20):
            await asyncio.sleep(PAUSE_SECONDS)
            slots.free()
    assert len(let.times) >= 19


async def test_what_gives_way_never_exceeds_its_own_limit() -> None:
    async with taking(Slots(lambda: 2, lambda: 10 * BACKLOG)) as let:
        await asyncio.sleep(100 * PAUSE_SECONDS)
        assert len(let.times) == 2


async def test_it_goes_on_as_soon_as_nothing_waits_any_more() -> None:
    backlog = [10 * BACKLOG]
    async with taking(Slots(lambda: 8, lambda: backlog[0])) as let:
        await asyncio.sleep(PAUSE_SECONDS / 2)
        backlog[0] = 0
        await asyncio.sleep(PAUSE_SECONDS)
        assert len(let.times) == 8


async def test_a_limit_that_changes_is_kept_as_it_is_now() -> None:
    limit = [1]
    slots = Slots(lambda: limit[0])
    async with taking(slots) as let:
        await asyncio.sleep(1.0)
        limit[0] = 3
        slots.free()
        await asyncio.sleep(1.0)
    assert let.times == [0, 1.0, 1.0, 1.0]


async def test_room_that_comes_while_nobody_is_under_way_is_seen() -> None:
    limit = [0]
    async with taking(Slots(lambda: limit[0])) as let:
        await asyncio.sleep(100 * PAUSE_SECONDS)
        assert let.times == []
        limit[0] = 2
        await asyncio.sleep(2 * LOOK_SECONDS)
        assert len(let.times) == 2
