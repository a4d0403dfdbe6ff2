"""A line passes bytes on until it is cut, and again once it is mended."""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from pathlib import Path

import pytest

from tests.support.walk.line import Line


async def echo(reader: StreamReader, writer: StreamWriter) -> None:
    while text := await reader.readline():
        writer.write(text)
    await close(writer)


async def close(writer: StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def says(reader: StreamReader, writer: StreamWriter, text: bytes) -> bytes:
    writer.write(text)
    return await reader.readline()


async def test_a_line_can_be_cut_and_mended(tmp_path: Path) -> None:
    target, own = tmp_path / "target", tmp_path / "own"
    async with await asyncio.start_unix_server(echo, target), Line.to_socket(target, own) as line:
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


async def test_a_line_to_nowhere_ends_connections() -> None:
    unused = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = unused.sockets[0].getsockname()[1]
    unused.close()
    await unused.wait_closed()
    async with Line.to_port(port) as line:
        reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
        with pytest.raises(asyncio.IncompleteReadError):
            await reader.readexactly(1)
        await close(writer)
