"""Stands between a controller and its two servers, and counts the bytes that pass.

It takes processor time of its own, so nothing else is measured while it is there.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

_PIECE = 65536

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Passed:
    """Bytes from and to the controller, as they are on the connection: with TLS, if it has it."""

    sent: int = 0
    received: int = 0

    @property
    def both(self) -> int:
        """All of them."""
        return self.sent + self.received


@dataclass(frozen=True)
class Relays:
    """Where the controller finds the two servers, and what passed so far."""

    api_port: int
    """On 127.0.0.1."""
    socket: Path
    """SPIRE's."""
    api: Passed = field(default_factory=Passed)
    spire: Passed = field(default_factory=Passed)


@contextlib.asynccontextmanager
async def relays(api_port: int, socket: Path) -> AsyncIterator[Relays]:
    """Relays before the API server at that port of 127.0.0.1, and before SPIRE's socket."""
    api, spire = Passed(), Passed()
    counted = socket.with_name("counted.sock")
    to_api = await asyncio.start_server(
        _relay(lambda: asyncio.open_connection("127.0.0.1", api_port), api), "127.0.0.1", 0
    )
    to_spire = await asyncio.start_unix_server(
        _relay(lambda: asyncio.open_unix_connection(socket), spire), counted
    )
    async with to_api, to_spire:
        port = int(to_api.sockets[0].getsockname()[1])
        yield Relays(port, counted, api, spire)


def _relay(
    connect: Callable[[], Awaitable[Streams]], passed: Passed
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    def sent(number: int) -> None:
        passed.sent += number

    def received(number: int) -> None:
        passed.received += number

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            from_server, to_server = await connect()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_copy(reader, to_server, sent))
                tasks.create_task(_copy(from_server, writer, received))

    return serve


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[int], None]
) -> None:
    """Until the one side ends, which the other is told."""
    try:
        while piece := await reader.read(_PIECE):
            count(len(piece))
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        return
    finally:
        writer.close()
