"""Listening sockets with limits: whoever can reach a port must not be able to wear it out.

aiohttp reads and answers the requests, but gives a connection all the time in
the world for its TLS handshake and its first request, and takes any number of
connections. Both are bounded here, for the webhooks and for the metrics port.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

_SPARED_SECONDS = 1.0
"""A connection is not closed for another one's sake before it has waited for so long."""
_BACKLOG = 128

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a listening socket gives to those who connect."""

    connections: int = 64
    """At one time. Whoever comes then waits, and the one that idles longest is closed."""
    handshake_seconds: float = 10.0
    """For TLS."""
    header_seconds: float = 10.0
    """From the connection, later from the first byte, until a request's header is complete."""
    request_seconds: float = 30.0
    """From there until its answer is made, the reading of its body included."""
    idle_seconds: float = 120.0
    """Between two requests. More than an API server's 90 s, so that it is the one to hang up."""


LIMITS = Limits()


class _Connection(asyncio.Protocol):
    """One connection, between asyncio and aiohttp: it is cut when its time is over."""

    def __init__(self, inner: web.RequestHandler, limits: Limits) -> None:
        self._inner = inner
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._is_reading_header = True
        self.is_working = False
        self.waiting_since = self._loop.time()
        self.transport: asyncio.Transport | None = None
        self.lost = asyncio.Event()

    def begin(self) -> None:
        """A request's header is complete: its handler works now."""
        self.is_working = True
        self._is_reading_header = False
        self._give(self._limits.request_seconds)

    def end(self) -> None:
        """The handler has made its answer; the time to write it counts as idle."""
        self.is_working = False
        self.waiting_since = self._loop.time()
        self._give(self._limits.idle_seconds)

    def cut(self) -> None:
        """Close it at once."""
        self._stop_timer()
        if self.transport is not None:
            self.transport.abort()

    def _give(self, seconds: float) -> None:
        self._stop_timer()
        if not self.lost.is_set():
            self._timer = self._loop.call_later(seconds, self.cut)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is over."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"no stream: {transport!r}")
        self.transport = transport
        self._give(self._limits.header_seconds)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request."""
        if not self.is_working and not self._is_reading_header:
            self._is_reading_header = True
            self._give(self._limits.header_seconds)
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """The other side sends no more."""
        self._inner.eof_received()
        return None

    def pause_writing(self) -> None:
        """The other side does not read."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """It reads again."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self.lost.set()
        self._stop_timer()
        self._inner.connection_lost(exc)


class _Connections:
    """Those of one application, whichever socket they came by."""

    def __init__(self, limits: Limits, context: ssl.SSLContext | None) -> None:
        self._limits = limits
        self._context = context
        self._open: dict[_Connection, asyncio.Task[None]] = {}
        self._freed = asyncio.Event()

    async def accept(
        self, listener: socket.socket, server: web.Server, tasks: asyncio.TaskGroup
    ) -> None:
        """Take connections until cancelled; those that are too many wait in the socket's queue."""
        loop, failed_at = asyncio.get_running_loop(), 0.0
        while True:
            try:
                accepted, _ = await loop.sock_accept(listener)
            except OSError as error:
                # Such as no more file descriptors: that passes, and must not end the process.
                if not failed_at:
                    failed_at = loop.time()
                    log.warning("cannot take connections", extra=kv(error=str(error)))
                await asyncio.sleep(_SPARED_SECONDS)
                continue
            if failed_at:
                seconds, failed_at = round(loop.time() - failed_at, 1), 0.0
                log.info("connections are taken again", extra=kv(seconds=seconds))
            try:
                await self._room()
            except asyncio.CancelledError:
                accepted.close()
                raise
            connection = _Connection(server(), self._limits)
            self._open[connection] = tasks.create_task(self._serve(accepted, connection))

    async def _room(self) -> None:
        while len(self._open) >= self._limits.connections:
            self._freed.clear()
            self._close_the_longest_waiting()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SPARED_SECONDS):
                    await self._freed.wait()

    def _close_the_longest_waiting(self) -> None:
        """One that is working is never closed for another's sake."""
        now = asyncio.get_running_loop().time()
        waiting = [
            found
            for found in self._open
            if not found.is_working and now - found.waiting_since >= _SPARED_SECONDS
        ]
        if waiting:
            self._open[min(waiting, key=lambda found: found.waiting_since)].cancel()

    async def _serve(self, accepted: socket.socket, connection: _Connection) -> None:
        loop = asyncio.get_running_loop()
        seconds = None if self._context is None else self._limits.handshake_seconds
        try:
            await loop.connect_accepted_socket(
                lambda: connection, accepted, ssl=self._context, ssl_handshake_timeout=seconds
            )
            await connection.lost.wait()
        except OSError as error:
            # Of TLS too. Who does not manage a handshake is told so by TLS itself.
            log.debug("a connection failed", extra=kv(error=str(error)))
        finally:
            connection.cut()
            del self._open[connection]
            self._freed.set()

    def close(self) -> None:
        """Close all of them."""
        for task in self._open.values():
            task.cancel()

    def of(self, request: web.Request) -> _Connection | None:
        """The connection of a request; None where it is closed already."""
        return next((found for found in self._open if found.transport is request.transport), None)


@asynccontextmanager
async def listen(
    application: web.Application,
    host: str | None,
    port: int,
    *,
    limits: Limits = LIMITS,
    context: ssl.SSLContext | None = None,
    shutdown_seconds: float,
) -> AsyncIterator[int]:
    """Serve an application for the time of the block; gives the port.

    ``host`` None stands for all addresses, ``context`` None for no TLS. Raises
    OSError or OverflowError for an address that cannot be had.
    """
    connections = _Connections(limits, context)

    @web.middleware
    async def watched(request: web.Request, handler: _Handler) -> web.StreamResponse:
        connection = connections.of(request)
        if connection is None:
            return await handler(request)
        connection.begin()
        try:
            return await handler(request)
        finally:
            connection.end()

    application.middlewares.append(watched)
    # A body that is compressed could be a thousand times as long as what is sent.
    runner = web.AppRunner(
        application, access_log=None, auto_decompress=False, shutdown_timeout=shutdown_seconds
    )
    await runner.setup()
    server = runner.server
    if server is None:
        raise RuntimeError("aiohttp has made no server")
    listeners: list[socket.socket] = []
    try:
        listeners = await _bound(host, port)
        async with asyncio.TaskGroup() as tasks:
            accepting = [
                tasks.create_task(connections.accept(listener, server, tasks))
                for listener in listeners
            ]
            try:
                yield int(listeners[0].getsockname()[1])
            finally:
                for task in accepting:
                    task.cancel()
                for listener in listeners:
                    asyncio.get_running_loop().remove_reader(listener)
                    listener.close()
                await runner.cleanup()
                connections.close()
    finally:
        for listener in listeners:
            listener.close()
        await runner.cleanup()


async def _bound(host: str | None, port: int) -> list[socket.socket]:
    """A listening socket for each address of the host."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, host, port, start_serving=False)
    listeners = []
    try:
        for found in server.sockets:
            listener = found.dup()
            listeners.append(listener)
            listener.settimeout(0.0)
            listener.listen(_BACKLOG)
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    finally:
        server.close()
    return listeners
