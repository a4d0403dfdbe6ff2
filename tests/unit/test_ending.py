"""What a process still does at its end, and how long it takes for that altogether."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from registrar.ending import FINISH_SECONDS, SECONDS, Ending
from tests.support.waiting import until


class Work:
    """Something that is under way until it is let go."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.ended = ""

    async def run(self) -> str:
        self.has_begun.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        self.ended = "finished"
        return self.ended


@pytest.fixture
async def tasks() -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.TaskGroup() as group:
        yield group


async def test_gives_what_the_work_gives() -> None:
    work = Work()
    work.go_on.set()
    assert await Ending().finished(work.run()) == "finished"


async def test_raises_what_the_work_raises() -> None:
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await Ending().finished(fail())


async def test_what_is_under_way_at_the_end_is_finished(tasks: asyncio.TaskGroup) -> None:
    ending, work = Ending(clock=lambda: 0.0), Work()
    task = tasks.create_task(ending.finished(work.run()))
    await work.has_begun.wait()
    ending.begin()
    task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    work.go_on.set()
    await asyncio.wait({task})
    assert task.cancelled()
    assert work.ended == "finished"


async def test_whoever_is_cancelled_for_another_reason_does_not_wait(
    tasks: asyncio.TaskGroup,
) -> None:
    work = Work()
    task = tasks.create_task(Ending().finished(work.run()))
    await work.has_begun.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert work.ended == "cancelled"


async def test_what_does_not_end_is_given_up_in_time(tasks: asyncio.TaskGroup) -> None:
    now = 0.0
    ending, work = Ending(clock=lambda: now), Work()
    task = tasks.create_task(ending.finished(work.run()))
    await work.has_begun.wait()
    ending.begin()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    now = FINISH_SECONDS
    await asyncio.wait({task})
    assert task.cancelled()
    assert work.ended == "cancelled"


async def test_what_may_go_on_no_more_is_given_up_at_once(tasks: asyncio.TaskGroup) -> None:
    ending, work, may_go_on = Ending(clock=lambda: 0.0), Work(), True
    task = tasks.create_task(ending.finished(work.run(), may_go_on=lambda: may_go_on))
    await work.has_begun.wait()
    ending.begin()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    may_go_on = False
    await until(lambda: work.ended == "cancelled")
    await asyncio.wait({task})
    assert task.cancelled()


def test_all_together_have_so_much_time() -> None:
    now = 0.0
    ending = Ending(clock=lambda: now)
    assert ending.left(7.0) == 7.0
    ending.begin()
    assert ending.left(1.0) == 1.0
    assert ending.left(7.0) == SECONDS
    now += SECONDS - 1.0
    ending.begin()
    assert ending.left(7.0) == 1.0
    now += 2.0
    assert ending.left(7.0) == 0.0
