"""A client of HTTP that sends just the bytes that a test gives it, over a real socket."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SOON = 60.0
"""Far more than what is waited for takes, on a busy machine too."""
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class RawClient:
    """One connection; made by ``connected``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> tuple[int, str]:
        """Status and body of the next answer; 0 where the connection ends without one."""
        async with asyncio.timeout(SOON):
            try:
                line = await self.reader.readline()
                size = 0
                while header := (await self.reader.readline()).strip().lower():
                    if header.startswith(b"content-length:"):
                        size = int(header.split(b":")[1])
                body = await self.reader.readexactly(size)
            except (ConnectionError, asyncio.IncompleteReadError):
                return 0, ""
        return int(line.split()[1]) if line else 0, body.decode()

    async def status(self) -> int:
        return (await self.answer())[0]

    async def is_cut(self) -> None:
        """Wait until the other side has closed the connection."""
        async with asyncio.timeout(SOON):
            try:
                while await self.reader.read(1000):
                    pass
            except ConnectionError:
                return

    async def dribble(self, part: bytes, *, every: float = 0.01) -> None:
        """Send it again and again, for as long as the connection is there."""
        while not self.writer.is_closing():
            self.writer.write(part)
            await asyncio.sleep(every)


@asynccontextmanager
async def connected(
    port: int, *, tls: ssl.SSLContext | None = None, name: str | None = None
) -> AsyncIterator[RawClient]:
    """Connect to a port of this machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()
