"""A line passes bytes on until it is cut, and again once it is mended."""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.waiting import until
from tests.support.walk.line import Line


@contextlib.asynccontextmanager
async def echoing(socket: Path) -> AsyncIterator[None]:
    """A server that says again what it hears; it ends after its connections."""
    connections = set[StreamWriter]()

    async def echo(reader: StreamReader, writer: StreamWriter) -> None:
        connections.add(writer)
        while text := await reader.readline():
            writer.write(text)
        await close(writer)
        connections.discard(writer)

    async with await asyncio.start_unix_server(echo, socket):
        yield
        await until(lambda: not connections)


async def close(writer: StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def says(reader: StreamReader, writer: StreamWriter, text: bytes) -> bytes:
    writer.write(text)
    return await reader.readline()


async def test_a_line_can_be_cut_and_mended(tmp_path: Path) -> None:
    target, own = tmp_path / "target", tmp_path / "own"
    async with echoing(target), Line.to_socket(target, own) as line:
        before = await asyncio.open_unix_connection(own)
        assert await says(*before, b"one\n") == b"one\n"
        line.cut()
        assert await before[0].read() == b""
        refused = await asyncio.open_unix_connection(own)
        assert await refused[0].read() == b""
        line.mend()
        after = await asyncio.open_unix_connection(own)
        assert await says(*after, b"two\n") == b"two\n"
        for _, writer in (before, refused, after):
            await close(writer)


async def test_a_line_to_nowhere_ends_connections(tmp_path: Path) -> None:
    own = tmp_path / "own"
    async with Line.to_socket(tmp_path / "nobody", own):
        reader, writer = await asyncio.open_unix_connection(own)
        assert await reader.read() == b""
        await close(writer)
