"""Tasks that live as long as a block."""

import asyncio

import pytest

from registrar.spire.background import background


async def for_ever(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("task")


async def test_tasks_end_with_the_block() -> None:
    ended: list[str] = []
    async with background() as tasks:
        tasks.create_task(for_ever(ended))
        await asyncio.sleep(0)
    assert ended == ["task"]


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    ended: list[str] = []
    with pytest.raises(KeyError):  # noqa: PT012 - the block is what is tested
        async with background() as tasks:
            tasks.create_task(for_ever(ended))
            await asyncio.sleep(0)
            raise KeyError
    assert ended == ["task"]


async def test_a_task_that_fails_cancels_the_block() -> None:
    async def fail() -> None:
        raise KeyError

    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 - as above
        async with background() as tasks:
            tasks.create_task(fail())
            await asyncio.Event().wait()
    assert [type(error) for error in caught.value.exceptions] == [KeyError]


async def test_a_cancelled_block_stays_cancelled() -> None:
    ended: list[str] = []

    async def block() -> None:
        async with background() as tasks:
            tasks.create_task(for_ever(ended))
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(block())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
    assert task.cancelled()
    assert ended == ["task"]


async def test_a_deadline_around_the_block_is_kept() -> None:
    with pytest.raises(TimeoutError):  # noqa: PT012 - as above
        async with asyncio.timeout(0.01), background() as tasks:
            tasks.create_task(for_ever([]))
            await asyncio.Event().wait()
