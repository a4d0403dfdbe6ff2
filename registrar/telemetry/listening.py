"""Listening sockets with limits: whoever can reach a port must not be able to wear it out.

aiohttp reads and answers the requests, but gives a connection all the time in
the world for its TLS handshake and its first request, and takes any number of
connections. Both are bounded here, for the webhooks and for the metrics port.
Whoever goes beyond a limit is told so by an HTTP status, as far as one can still
be sent, and a line of the log tells of it, once a minute for each limit.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from registrar.telemetry.answers import Complaints, Quiet, closing
from registrar.telemetry.connection import LINGER_SECONDS, Connection, Limits
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)
_HTTP_LOG = logging.getLogger(f"{__name__}.http")

_SPARED_SECONDS = 1.0
"""A connection is not closed for another one's sake before it has waited for so long."""
_BACKLOG = 128

LIMITS = Limits()

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Connections:
    """Those of one application, whichever socket they came by."""

    def __init__(
        self, limits: Limits, context: ssl.SSLContext | None, complaints: Complaints
    ) -> None:
        self._limits = limits
        self._context = context
        self._complaints = complaints
        self._open: dict[Connection, asyncio.Task[None]] = {}
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
            connection = Connection(server(), self._limits, self._complaints)
            self._open[connection] = tasks.create_task(self._serve(accepted, connection))

    async def _room(self) -> None:
        while len(self._open) >= self._limits.connections:
            self._freed.clear()
            self._complaints.say("there are too many connections", most=self._limits.connections)
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
            longest = min(waiting, key=lambda found: found.waiting_since)
            longest.give_way()
            self._open[longest].cancel()

    async def _serve(self, accepted: socket.socket, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        seconds = None if self._context is None else self._limits.handshake_seconds
        client = _address(accepted)
        try:
            await loop.connect_accepted_socket(
                lambda: connection, accepted, ssl=self._context, ssl_handshake_timeout=seconds
            )
            await connection.lost.wait()
        except (ssl.SSLError, ConnectionAbortedError) as error:
            # Who does not manage a handshake, or not in time, is told so by TLS itself.
            self._complaints.say("a TLS handshake failed", client=client, why=str(error))
        except OSError as error:
            log.debug("a connection failed", extra=kv(client=client, error=str(error)))
        finally:
            connection.cut()
            del self._open[connection]
            self._freed.set()

    def close(self) -> None:
        """Close all of them."""
        for task in self._open.values():
            task.cancel()

    def of(self, request: web.Request) -> Connection | None:
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
    complaints, quiet = Complaints(), Quiet()
    connections = _Connections(limits, context, complaints)

    @web.middleware
    async def watched(request: web.Request, handler: _Handler) -> web.StreamResponse:
        connection = connections.of(request)
        if connection is None:
            return await handler(request)
        connection.begin()
        try:
            return await _answered(request, handler, limits, complaints)
        finally:
            connection.end(request.content)

    application.middlewares.append(watched)
    # A body that is compressed could be a thousand times as long as what is sent.
    runner = web.AppRunner(
        application,
        access_log=None,
        auto_decompress=False,
        shutdown_timeout=shutdown_seconds,
        lingering_time=LINGER_SECONDS,
        logger=_HTTP_LOG,
    )
    await runner.setup()
    server = runner.server
    if server is None:
        raise RuntimeError("aiohttp has made no server")
    listeners: list[socket.socket] = []
    _HTTP_LOG.addFilter(quiet)
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
        _HTTP_LOG.removeFilter(quiet)


async def _answered(
    request: web.Request, handler: _Handler, limits: Limits, complaints: Complaints
) -> web.StreamResponse:
    """What the handler answers, or that the request goes beyond a limit."""
    client = request.remote or ""
    most = limits.body_bytes
    patience = asyncio.timeout(limits.request_seconds)
    # Of most bodies the header alone tells it, and nothing of them is read.
    is_too_large = (request.content_length or 0) > most
    try:
        if not is_too_large:
            async with patience:
                return await handler(request)
    except web.HTTPRequestEntityTooLarge:
        is_too_large = True
    except TimeoutError:
        if not patience.expired():
            raise
        seconds = limits.request_seconds
        complaints.say("a request took too long", client=client, seconds=seconds)
        if request.content.is_eof():
            return closing(503, f"not answered within {seconds:g} s")
        return closing(408, f"no whole request within {seconds:g} s")
    complaints.say("a client sent too large a body", client=client, most=most)
    return closing(413, f"the body is larger than {most} bytes")


def _address(connected: socket.socket) -> str:
    """The address of the other side, empty where it has gone already."""
    try:
        return str(connected.getpeername()[0])
    except OSError:
        return ""


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
