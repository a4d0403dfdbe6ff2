"""Sockets whose TLS follows the SVID: each connection gets the newest, none is ended for it."""

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from registrar.errors import InvalidField
from registrar.spire.background import background
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

_HANDSHAKE_SECONDS = 10.0
_PAUSE_SECONDS = 0.5
_BACKLOG = 128

KEEPALIVE_SECONDS = 3 * 3600.0
"""Longer than Envoy keeps a connection that is idle (an hour): if we were the first to close one, a
request that Envoy sends at that moment would be lost, and answered with 503."""
_MOST = 1000
"""Handshakes at a time; those that are too many wait in the socket's queue."""


def open_socket(host: str, port: int, *, path: str) -> socket.socket:
    """Listen. Raises InvalidField where that does not work. Blocks."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()
    try:
        listener = socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=both
        )
    except OSError as error:
        # Where there is no IPv6 at all, all addresses are those of IPv4.
        if host == "::" and error.errno in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
            return open_socket("0.0.0.0", port, path=path)  # noqa: S104 - all was asked for
        remedy = f"cannot listen there: {error.strerror or error}"
        raise InvalidField(path, f"{host}:{port}", remedy) from error
    listener.settimeout(0)
    return listener


@contextlib.asynccontextmanager
async def serving(
    app: web.Application, listener: socket.socket, context: Callable[[], ssl.SSLContext] | None
) -> AsyncIterator[None]:
    """Serve the application on the socket; ``context`` gives the TLS of the next connection."""
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, keepalive_timeout=KEEPALIVE_SECONDS
    )
    await runner.setup()
    try:
        assert runner.server is not None  # noqa: S101 - made by setup
        server: web.Server = runner.server
        async with background() as tasks:
            accepting = _accept(listener, server, context, tasks)
            tasks.create_task(accepting, name="accept")
            yield
    finally:
        listener.close()
        await runner.cleanup()


async def _accept(
    listener: socket.socket,
    server: web.Server,
    context: Callable[[], ssl.SSLContext] | None,
    tasks: asyncio.TaskGroup,
) -> None:
    loop, room = asyncio.get_running_loop(), asyncio.Semaphore(_MOST)
    while True:
        await room.acquire()
        try:
            accepted, _ = await loop.sock_accept(listener)
        except OSError as error:
            # Such as no more file descriptors, which passes.
            room.release()
            log.warning("cannot take connections", extra=kv(why=str(error)))
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        task = tasks.create_task(_begin(accepted, server, context))
        task.add_done_callback(lambda _: room.release())


async def _begin(
    accepted: socket.socket,
    server: web.Server,
    context: Callable[[], ssl.SSLContext] | None,
) -> None:
    """Begin a connection; what follows is aiohttp's, which knows all of its connections."""
    loop = asyncio.get_running_loop()
    try:
        tls = context() if context is not None else None
        seconds = None if tls is None else _HANDSHAKE_SECONDS
        await loop.connect_accepted_socket(server, accepted, ssl=tls, ssl_handshake_timeout=seconds)
    except (OSError, ssl.SSLError) as error:
        accepted.close()
        log.info("a connection was not taken", extra=kv(why=str(error)))
