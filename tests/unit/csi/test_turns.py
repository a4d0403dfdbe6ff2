"""Turns of calls for one volume."""

import asyncio

from registrar.csi.turns import Turns, first_of
from tests.support.waiting import until


async def test_calls_for_one_volume_come_one_after_the_other() -> None:
    turns, order, go = Turns(), list[str](), asyncio.Event()

    async def call(name: str, volume_id: str) -> None:
        async with turns.take(volume_id):
            order.append(f"{name} begins")
            if name == "first":
                await go.wait()
            order.append(f"{name} ends")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(call("first", "a"))
        await until(lambda: bool(order))
        tasks.create_task(call("second", "a"))
        await tasks.create_task(call("other", "b"))
        assert order == ["first begins", "other begins", "other ends"]
        go.set()
    assert order[3:] == ["first ends", "second begins", "second ends"]


async def test_whoever_waits_within_a_turn_gives_way_to_who_leaves() -> None:
    turns, order = Turns(), list[str]()

    async def publish() -> None:
        async with turns.take("a") as turn:
            order.append("waits")
            assert not await first_of(turn.left, asyncio.Event(), seconds=60.0)
            order.append("gives way")

    async def unpublish() -> None:
        async with turns.take("a", is_leaving=True):
            order.append("leaves")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(publish())
        await until(lambda: bool(order))
        tasks.create_task(unpublish())
    assert order == ["waits", "gives way", "leaves"]
    async with turns.take("a") as turn:
        assert not turn.left.is_set()


async def test_none_of_the_events_comes_in_time() -> None:
    assert await first_of(asyncio.Event(), seconds=-1.0)
