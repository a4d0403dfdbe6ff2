"""A line between a registrar and a server, which a test can cut: what a network partition is."""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

_CHUNK_BYTES = 65536


class Line:
    """Passes bytes on to a server. While it is cut, connections end as soon as they begin."""

    def __init__(self, connect: Callable[[], Awaitable[tuple[StreamReader, StreamWriter]]]) -> None:
        self._connect = connect
        self._open: set[StreamWriter] = set()
        self.is_cut = False
        self.port = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def to_port(cls, port: int) -> AsyncIterator["Line"]:
        """A line to a port of this machine, by a port of its own."""
        line = cls(lambda: asyncio.open_connection("127.0.0.1", port))
        server = await asyncio.start_server(line._serve, "127.0.0.1", 0)
        line.port = server.sockets[0].getsockname()[1]
        async with line._until_left(server):
            yield line

    @classmethod
    @contextlib.asynccontextmanager
    async def to_socket(cls, target: Path, own: Path) -> AsyncIterator["Line"]:
        """A line to a Unix socket, by a socket of its own."""
        line = cls(lambda: asyncio.open_unix_connection(target))
        server = await asyncio.start_unix_server(line._serve, own)
        async with line._until_left(server):
            yield line

    def cut(self) -> None:
        """End all connections, and let none through until ``mend``."""
        self.is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def mend(self) -> None:
        """Let connections through again."""
        self.is_cut = False

    @contextlib.asynccontextmanager
    async def _until_left(self, server: asyncio.Server) -> AsyncIterator[None]:
        try:
            yield
        finally:
            server.close()
            self.cut()
            # The handlers of cut connections end by themselves, within this turn or the next.
            await asyncio.sleep(0)
            await server.wait_closed()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        # Of one that is cut while it connects nothing may be left either.
        self._open.add(writer)
        ours = [writer]
        try:
            if not self.is_cut:
                there, to_server = await self._connect()
                ours.append(to_server)
                self._open.add(to_server)
                await self._pass_both(reader, writer, there, to_server)
        except OSError:
            return  # nobody is there
        finally:
            for each in ours:
                self._open.discard(each)
                each.transport.abort()

    async def _pass_both(
        self, reader: StreamReader, writer: StreamWriter, there: StreamReader, to: StreamWriter
    ) -> None:
        if self.is_cut:
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_pass_on(reader, to))
            tasks.create_task(_pass_on(there, writer))


async def _pass_on(reader: StreamReader, writer: StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        # One side has ended; a half-open line helps nobody.
        writer.transport.abort()
