"""The gate: one asks for all, less and less often."""

import asyncio
import contextlib
import itertools

import pytest

from registrar.spire.gate import Gate, Problem, Trouble

DENIED = Problem(Trouble.DENIED, "no identity issued")
AWAY = Problem(Trouble.UNREACHABLE, "nobody is there")

pytestmark = pytest.mark.looptime


async def asked_within(gate: Gate, seconds: float, problem: Problem) -> list[float]:
    """When an agent is asked that goes on to refuse."""
    loop, found = asyncio.get_running_loop(), []
    until = loop.time() + seconds
    while loop.time() < until:
        found.append(loop.time())
        gate.shut(problem)
        await gate.pause()
    return found


async def test_an_agent_that_refuses_is_asked_less_and_less_often() -> None:
    times = await asked_within(Gate(), 600.0, DENIED)
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert waits[0] <= 0.5
    assert all(5.0 <= wait <= 10.0 for wait in waits[6:])
    # One that comes is found after about as long again as it took to come.
    assert all(wait <= 2 * (time - times[0]) + 1 for time, wait in zip(times, waits, strict=False))


async def test_an_agent_that_is_away_costs_nobody_anything_and_is_asked_often() -> None:
    times = await asked_within(Gate(), 60.0, AWAY)
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) <= 2.0


async def test_whoever_comes_new_has_it_asked_soon_but_many_do_not_have_it_asked_often() -> None:
    gate = Gate()
    loop = asyncio.get_running_loop()
    await asked_within(gate, 300.0, DENIED)

    async def come() -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await gate.passed(lambda _: None)

    async with asyncio.TaskGroup() as tasks:
        coming = tasks.create_task(come())
        for _ in range(20):
            began = loop.time()
            await gate.pause()
            assert 5.0 <= loop.time() - began <= 5.2
        coming.cancel()


async def test_those_who_wait_hear_why_and_go_on_when_it_opens() -> None:
    gate = Gate()
    heard: list[Problem | None] = []
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(gate.passed(heard.append))
        await asyncio.sleep(1)
        for problem in (AWAY, AWAY, DENIED):
            gate.shut(problem)
            await asyncio.sleep(1)
        assert heard == [AWAY, DENIED]
        gate.open()
        assert await waiting == 1


async def test_what_was_let_in_before_it_opened_anew_knows_nothing_new() -> None:
    gate = Gate()
    gate.open()
    before = await gate.passed(lambda _: None)
    gate.shut(AWAY, times_opened=before)
    assert not gate.is_open
    gate.open()
    gate.shut(AWAY, times_opened=before)
    assert gate.is_open


async def test_a_short_absence_is_spared_but_not_the_first_wait() -> None:
    gate = Gate()
    assert gate.why_shut(30.0) == "the agent has not answered yet"
    gate.shut(DENIED)
    assert gate.why_shut(30.0) == "no identity issued"
    gate.open()
    assert gate.why_shut(30.0) is None
    gate.shut(AWAY)
    await asyncio.sleep(29)
    assert gate.why_shut(30.0) is None
    gate.shut(DENIED)
    await asyncio.sleep(2)
    assert gate.why_shut(30.0) == "no identity issued"
