"""Limits of time and number on listening sockets, tried over real ones."""

import asyncio
import logging
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from registrar.telemetry.connection import Limits
from registrar.telemetry.listening import listen
from tests.support.waiting import until

SOON = 60.0
"""Far more than what is waited for takes."""
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def serving(limits: Limits) -> AsyncIterator[int]:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async def echo(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    application = web.Application(client_max_size=1024)
    application.router.add_get("/", hello)
    application.router.add_get("/never", never)
    application.router.add_post("/", echo)
    async with listen(application, "127.0.0.1", 0, limits=limits, shutdown_seconds=0.1) as port:
        yield port


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def is_cut(reader: asyncio.StreamReader) -> None:
    """Wait until the other side has closed the connection."""
    async with asyncio.timeout(SOON):
        try:
            while await reader.read(1000):
                pass
        except ConnectionError:
            return


async def status(reader: asyncio.StreamReader) -> int:
    async with asyncio.timeout(SOON):
        line = await reader.readline()
        while (await reader.readline()).strip():
            pass
    return int(line.split()[1])


@pytest.mark.parametrize("start", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n"])
async def test_a_header_that_never_ends_is_not_waited_for(start: bytes) -> None:
    async with serving(Limits(header_seconds=0.1)) as port, connected(port) as (reader, writer):
        writer.write(start)
        await is_cut(reader)


async def test_a_header_that_comes_byte_by_byte_has_no_more_time() -> None:
    async with serving(Limits(header_seconds=0.2)) as port, connected(port) as (reader, writer):

        async def dribble() -> None:
            while not writer.is_closing():
                writer.write(b"a")
                await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as tasks:
            dribbling = tasks.create_task(dribble())
            await is_cut(reader)
            dribbling.cancel()


async def test_a_second_header_that_never_ends_is_not_waited_for() -> None:
    limits = Limits(header_seconds=1.0, idle_seconds=1000.0)
    async with serving(limits) as port, connected(port) as (reader, writer):
        writer.write(GET)
        assert await status(reader) == 200
        writer.write(b"GET / HT")
        await is_cut(reader)


async def test_a_connection_that_idles_is_closed() -> None:
    async with (
        serving(Limits(idle_seconds=0.1)) as port,
        connected(port) as (reader, writer),
    ):
        writer.write(GET)
        assert await status(reader) == 200
        await is_cut(reader)


async def test_a_connection_is_used_again_within_its_time() -> None:
    async with serving(Limits()) as port, connected(port) as (reader, writer):
        for _ in range(3):
            writer.write(GET)
            assert await status(reader) == 200
            assert await reader.readexactly(5) == b"hello"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
    ],
    ids=["slow handler", "slow body"],
)
async def test_a_request_has_an_end(request_: bytes) -> None:
    async with (
        serving(Limits(request_seconds=0.1)) as port,
        connected(port) as (reader, writer),
    ):
        writer.write(request_)
        await is_cut(reader)


async def test_who_comes_when_it_is_full_takes_the_place_of_the_longest_idle() -> None:
    async with (
        serving(Limits(connections=2, header_seconds=1000.0)) as port,
        connected(port) as (first, _),
        connected(port) as (second, second_writer),
        connected(port) as (third, third_writer),
    ):
        third_writer.write(GET)
        assert await status(third) == 200
        await is_cut(first)
        second_writer.write(GET)
        assert await status(second) == 200


async def test_who_works_is_not_closed_for_another_ones_sake() -> None:
    async with (
        serving(Limits(connections=1, request_seconds=2.0)) as port,
        connected(port) as (busy_reader, busy),
        connected(port) as (reader, writer),
    ):
        busy.write(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.write(GET)
        # Served when its place is free, and that is when its own time is over.
        assert await status(reader) == 200
        assert await status(busy_reader) == 503


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: " + b"9" * 5000,
        b"Content-Length: -1",
        b"X: " + b"y" * 100_000,
        b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 5000,
        b"X: \x1b[31m\x00",
    ],
    ids=["long number", "negative", "long header", "long chunk", "control characters"],
)
async def test_hostile_headers_get_an_error_and_harm_nobody(header: bytes) -> None:
    async with serving(Limits()) as port:
        async with connected(port) as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n\r\n")
            assert await status(reader) in {400, 413, 431}
        async with connected(port) as (reader, writer):
            writer.write(GET)
            assert await status(reader) == 200


async def test_a_compressed_body_is_not_unpacked() -> None:
    async with serving(Limits()) as port, connected(port) as (reader, writer):
        writer.write(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
        )
        assert await status(reader) == 200
        assert await reader.readexactly(3) == b"abc"


async def test_it_listens_on_a_name_and_no_longer_than_the_block() -> None:
    application = web.Application()
    async with (
        listen(application, "localhost", 0, shutdown_seconds=0.1) as port,
        connected(port) as (reader, writer),
    ):
        writer.write(GET)
        assert await status(reader) == 404
    with pytest.raises(OSError, match=r"."):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_lack_of_descriptors_is_one_line_and_its_end_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """However often taking a connection fails meanwhile."""
    caplog.set_level(logging.INFO)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as client:
        client.setblocking(False)  # noqa: FBT003 - the standard library's
        async with serving(Limits()) as port:
            # The client has its descriptor already; the one who accepts finds none below this.
            with socket.socket() as probe:
                least = probe.fileno()
            loop = asyncio.get_running_loop()
            resource.setrlimit(resource.RLIMIT_NOFILE, (least, hard))
            try:
                await loop.sock_connect(client, ("127.0.0.1", port))
                await until(lambda: "cannot take connections" in caplog.messages)
                tried = loop.time()
                await until(lambda: loop.time() > tried + 1.5)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await until(lambda: "connections are taken again" in caplog.messages)
            await loop.sock_sendall(client, GET)
            assert (await loop.sock_recv(client, 100)).startswith(b"HTTP/1.1 200")
    assert caplog.messages.count("cannot take connections") == 1
