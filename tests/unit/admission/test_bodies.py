"""Many large bodies at one time cost no more memory than there is, and no small question."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from registrar.admission.server import Bounds
from tests.support.podwebhook import SERVICE
from tests.support.rawhttp import RawClient, connected
from tests.support.waiting import eventually
from tests.unit.admission.test_server import review, serving

_ANNOUNCED = 150_000
_HEAD = f"POST /check HTTP/1.1\r\nHost: x\r\nContent-Length: {_ANNOUNCED}\r\n\r\n".encode()


async def test_the_largest_unfinished_body_gives_way_and_small_questions_are_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serving(tmp_path, bounds=Bounds(body_seconds=1000.0, held_bytes=300_000)) as server,
        AsyncExitStack() as stack,
    ):
        clients: list[RawClient] = []
        for size in (50_000, 60_000, 55_000, 140_000):
            client = await stack.enter_async_context(
                connected(server.port, tls=server.context, name=SERVICE.host)
            )
            client.send(_HEAD + b" " * size)
            clients.append(client)
        # 305,000 bytes are too many: the largest is given up, whoever's bytes came last.
        assert await clients[3].answer() == (503, "too many large bodies at one time: try again\n")
        assert await server.post(review(1000)) == 200
        assert clients[0].reader.at_eof() is False
        # Its memory is free again, so another one can be finished.
        clients[1].send(b" " * (_ANNOUNCED - 60_000 - len(review())) + review())
        assert await clients[1].status() == 200
        assert await server.post(review(1000)) == 200
    assert caplog.messages.count("too many large bodies at one time") == 1


async def test_a_body_that_dribbles_is_given_up_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, bounds=Bounds(body_seconds=0.2)) as server:
        for _ in range(2):
            async with (
                connected(server.port, tls=server.context, name=SERVICE.host) as slow,
                asyncio.TaskGroup() as tasks,
            ):
                slow.send(_HEAD)
                dribbling = tasks.create_task(slow.dribble(b" "))
                assert await slow.answer() == (408, "no whole body within 0.2 s\n")
                dribbling.cancel()

        async def is_served() -> bool:
            # On a busy machine we may be too slow for so short a limit, too.
            return await server.post(review()) == 200

        await eventually(is_served)
    assert caplog.messages.count("a client sent no whole body in time") == 1
