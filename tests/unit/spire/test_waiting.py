"""Waiting for a server that is not there yet, in virtual time."""

import asyncio
import logging

import pytest

from registrar.spire.errors import PermissionDenied, SpireError, Unavailable
from registrar.spire.waiting import LONGEST_WAIT_SECONDS, until_done

pytestmark = pytest.mark.looptime


class Server:
    """Fails so many times, then answers."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.left = failures
        self.error = error
        self.times: list[float] = []

    async def ask(self) -> str:
        self.times.append(asyncio.get_running_loop().time())
        if self.left:
            self.left -= 1
            raise self.error
        return "answer"


@pytest.mark.parametrize("error", [Unavailable("away"), PermissionDenied("not yet")])
async def test_it_waits_as_long_as_it_takes(error: SpireError) -> None:
    server = Server(100, error)
    assert await until_done(server.ask, what="a test") == "answer"
    assert len(server.times) == 101


async def test_pauses_grow_to_a_limit_and_differ() -> None:
    server = Server(60, Unavailable("away"))
    await until_done(server.ask, what="a test")
    pauses = [after - before for before, after in zip(server.times, server.times[1:], strict=False)]
    assert pauses[0] < 1
    assert max(pauses) <= LONGEST_WAIT_SECONDS + 0.01
    # Random up to the limit: half of it on average, give or take.
    assert sum(pauses[20:]) / len(pauses[20:]) > LONGEST_WAIT_SECONDS / 5
    assert len({round(pause, 6) for pause in pauses}) > 50


async def test_the_first_failure_is_logged_then_rarely(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[SpireError] = []
    with caplog.at_level(logging.WARNING):
        await until_done(
            Server(45, Unavailable("away")).ask, what="a test", on_failure=heard.append
        )
    assert len(heard) == 45
    assert len(caplog.records) == 3


async def test_what_is_not_spires_fault_is_not_waited_out() -> None:
    with pytest.raises(ZeroDivisionError):
        await until_done(Server(1, ZeroDivisionError()).ask, what="a test")


async def test_whatever_gives_something_to_wait_for_is_waited_for() -> None:
    server = Server(3, Unavailable("away"))
    assert await until_done(lambda: server.ask(), what="a test") == "answer"  # noqa: PLW0108 - it is about the lambda
    assert len(server.times) == 4


async def test_the_next_attempt_comes_at_once_when_the_server_is_seen_to_answer() -> None:
    server, answers = Server(30, Unavailable("away")), asyncio.Event()
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(until_done(server.ask, what="a test", answers=answers))
        # In the middle of a pause, which are seconds by now.
        await asyncio.sleep(60)
        server.left, then = 0, loop.time()
        answers.set()
        assert await asking == "answer"
    assert server.times[-1] == pytest.approx(then)
