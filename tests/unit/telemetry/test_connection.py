"""What a client hears that goes beyond a limit, and that the others are served meanwhile."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import web

from registrar.telemetry.connection import Limits
from registrar.telemetry.listening import listen
from tests.support.rawhttp import GET, RawClient, connected
from tests.support.waiting import eventually

POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: "


@asynccontextmanager
async def serving(limits: Limits) -> AsyncIterator[int]:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def echo(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    application = web.Application(client_max_size=limits.body_bytes)
    application.router.add_get("/", hello)
    application.router.add_post("/", echo)
    application.router.add_get("/never", never)
    async with listen(application, "127.0.0.1", 0, limits=limits, shutdown_seconds=0.1) as port:
        yield port


async def others_are_served(port: int) -> None:
    """Soon: on a busy machine one of us may be too slow for the limits of a test, too."""

    async def is_served() -> bool:
        async with connected(port) as other:
            other.send(GET)
            return await other.answer() == (200, "hello")

    await eventually(is_served)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_header_that_does_not_end_is_answered_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(Limits(header_seconds=0.2)) as port:
        for _ in range(3):
            async with connected(port) as slow, asyncio.TaskGroup() as tasks:
                slow.send(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
                dribbling = tasks.create_task(slow.dribble(b"a"))
                assert await slow.answer() == (408, "no whole header within 0.2 s\n")
                dribbling.cancel()
        await others_are_served(port)
    assert said(caplog) == ["a client sent no whole header in time"]


async def test_who_sends_nothing_is_hung_up_on_without_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """So do probes that only look whether a port is open."""
    async with serving(Limits(header_seconds=0.1)) as port, connected(port) as silent:
        assert await silent.status() == 0
    assert said(caplog) == []


@pytest.mark.parametrize("parts", [1, 40], ids=["at once", "in parts"])
async def test_a_header_that_is_too_large_is_answered_and_said_once(
    parts: int, caplog: pytest.LogCaptureFixture
) -> None:
    # Of lines that the HTTP library takes, each for itself.
    header = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in range(20))
    step = len(header) // parts
    async with serving(Limits(header_bytes=10_000)) as port:
        for _ in range(2):
            async with connected(port) as huge:
                huge.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
                for start in range(0, len(header), step):
                    huge.send(header[start : start + step])
                    await asyncio.sleep(0)
                assert await huge.answer() == (431, "the header is larger than 10000 bytes\n")
                await huge.is_cut()
        await others_are_served(port)
    assert said(caplog) == ["a client sent too large a header"]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
async def test_a_body_is_no_part_of_the_header(end: bytes) -> None:
    body = b"z" * 5000
    head = [b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 5000", b"", b""]
    async with serving(Limits(header_bytes=100, body_bytes=5000)) as port:
        async with connected(port) as whole:
            whole.send(end.join(head) + body)
            # Only the usual end of a line is one of HTTP's: the other is refused as such.
            assert await whole.status() == (200 if end == b"\r\n" else 400)
        async with connected(port) as often:
            for _ in range(3):
                often.send(POST + b"5000\r\n\r\n" + body)
                assert await often.status() == 200


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"1001\r\n\r\n",
        POST + b"99999999999999\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        + (b"3e8\r\n" + b"x" * 1000 + b"\r\n") * 2
        + b"0\r\n\r\n",
    ],
    ids=["announced", "announced as very much", "nobody reads it", "in chunks"],
)
async def test_a_body_that_is_too_large_is_answered_and_said_once(
    request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(Limits(body_bytes=1000)) as port:
        for _ in range(2):
            async with connected(port) as huge:
                huge.send(request_)
                assert await huge.answer() == (413, "the body is larger than 1000 bytes\n")
        await others_are_served(port)
    assert said(caplog) == ["a client sent too large a body"]


async def test_a_body_that_does_not_end_is_answered_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(Limits(request_seconds=0.2)) as port:
        for _ in range(2):
            async with connected(port) as slow, asyncio.TaskGroup() as tasks:
                slow.send(POST + b"1000\r\n\r\n")
                dribbling = tasks.create_task(slow.dribble(b"a"))
                assert await slow.answer() == (408, "no whole request within 0.2 s\n")
                dribbling.cancel()
        await others_are_served(port)
    assert said(caplog) == ["a request took too long"]


async def test_a_handler_that_does_not_end_is_answered_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(Limits(request_seconds=0.1)) as port, connected(port) as patient:
        patient.send(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await patient.answer() == (503, "not answered within 0.1 s\n")
        await patient.is_cut()
    assert said(caplog) == ["a request took too long"]


@pytest.mark.slow
async def test_many_slow_clients_keep_nobody_out(caplog: pytest.LogCaptureFixture) -> None:
    """However many there are: whoever asks is served in the place of one that does not."""
    limits = Limits(connections=8, header_seconds=1000.0)
    async with serving(limits) as port, AsyncExitStack() as stack:
        slow: list[RawClient] = []
        for _ in range(12):
            client = await stack.enter_async_context(connected(port))
            client.send(b"GET / HT")
            slow.append(client)
        await others_are_served(port)
        assert await slow[0].answer() == (503, "too many connections: try again\n")
    assert said(caplog) == ["there are too many connections"]
