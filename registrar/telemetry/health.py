"""The HTTP port for people who watch us: /metrics, /healthz, /readyz.

/healthz says whether this process does its work at all (restart it if not);
/readyz says whether it is of use now, by named checks: a process that waits
for SPIRE or the API server is healthy but not ready.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from registrar.errors import InvalidField, printable
from registrar.telemetry.connection import Limits
from registrar.telemetry.listening import listen
from registrar.telemetry.logging import kv
from registrar.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1.0
STALLED_SECONDS = 30.0
"""A heartbeat older than this means that the event loop hangs."""

LIMITS = Limits(connections=32, body_bytes=1024)
_MOST_DIGITS = 5
"""Of a port; Python refuses to read very long numbers at all."""


class Checks:
    """Named questions about readiness; an answer of None means yes, any text says why not."""

    def __init__(self) -> None:
        self._checks: dict[str, Callable[[], str | None]] = {}

    def add(self, name: str, check: Callable[[], str | None]) -> None:
        """Ask ``check`` from now on; a second one of that name takes its place."""
        self._checks[name] = check

    def run(self) -> dict[str, str | None]:
        """Every check's answer, in the order added."""
        return {name: check() for name, check in self._checks.items()}


class Heartbeat:
    """Shows that the event loop turns: it notes the time once a second."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._last: float | None = None

    async def run(self) -> None:
        """Beat until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._last = loop.time()
            await asyncio.sleep(HEARTBEAT_SECONDS)
            lag = loop.time() - self._last - HEARTBEAT_SECONDS
            self._metrics.loop_lag_seconds.set(max(0.0, lag))

    def problem(self) -> str | None:
        """None while it beats, otherwise what is wrong."""
        if self._last is None:
            return "no heartbeat yet"
        age = asyncio.get_running_loop().time() - self._last
        return f"no heartbeat for {age:.0f} s" if age > STALLED_SECONDS else None


def parse_address(text: str, field: str = "metrics_addr") -> tuple[str | None, int] | None:
    """Host (None for all) and port of ``:8080``, ``127.0.0.1:0`` or ``[::1]:9``.

    None for "" and "0", which turn the port off. Raises InvalidField otherwise.
    """
    if text in {"", "0"}:
        return None
    host, colon, port = text.rpartition(":")
    remedy = 'host:port, :port for all addresses, or "0" for none'
    is_number = port.isascii() and port.isdigit() and len(port) <= _MOST_DIGITS
    if not colon or not is_number or int(port) > 65535:
        raise InvalidField(field, text, remedy)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise InvalidField(field, text, "put an IPv6 address into brackets: [::1]:8080")
    return host or None, int(port)


class HealthServer:
    """The HTTP server; made by ``serve``."""

    def __init__(self, metrics: Metrics, checks: Checks, heartbeat: Heartbeat) -> None:
        self._metrics = metrics
        self._checks = checks
        self._heartbeat = heartbeat
        self.port = 0
        """The port it listens on, also where 0 was asked for."""

    async def scrape(self, request: web.Request) -> web.Response:
        """GET /metrics, in the format that the scraper asks for."""
        self._metrics.refresh()
        try:
            encoder, content_type = choose_encoder(request.headers.get("Accept", ""))
        except (TypeError, ValueError):
            # A version that is none: the library compares it with those that it knows.
            encoder, content_type = choose_encoder("")
        # Reads /proc, and takes milliseconds: not on the loop.
        body = await asyncio.to_thread(encoder, self._metrics.registry)
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def live(self, _request: web.Request) -> web.Response:
        """GET /healthz."""
        problem = self._heartbeat.problem()
        return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)

    async def ready(self, request: web.Request) -> web.Response:
        """GET /readyz; ``?verbose`` lists every check, else only what is wrong."""
        answers = self._checks.run()
        failing = {name: why for name, why in answers.items() if why is not None}
        shown = answers if "verbose" in request.query else failing
        lines = [
            f"[+] {name}: ok" if why is None else f"[-] {name}: {printable(why)}"
            for name, why in shown.items()
        ]
        lines.append("not ready" if failing else "ok")
        return web.Response(text="\n".join(lines) + "\n", status=503 if failing else 200)


@asynccontextmanager
async def serve(
    address: str,
    *,
    metrics: Metrics,
    checks: Checks,
    heartbeat: Heartbeat,
    field: str = "metrics_addr",
    limits: Limits = LIMITS,
) -> AsyncIterator[HealthServer]:
    """Listen on ``address`` (see ``parse_address``) for the time of the block.

    Raises InvalidField, with the key's name ``field``, for an address that is malformed or
    cannot be had.
    ``heartbeat.run`` is the caller's to run.
    """
    server = HealthServer(metrics, checks, heartbeat)
    where = parse_address(address, field)
    if where is None:
        yield server
        return
    host, port = where
    application = web.Application(client_max_size=limits.body_bytes)
    application.router.add_get("/metrics", server.scrape)
    application.router.add_get("/healthz", server.live)
    application.router.add_get("/readyz", server.ready)
    async with contextlib.AsyncExitStack() as stack:
        try:
            server.port = await stack.enter_async_context(
                listen(application, host, port, limits=limits, shutdown_seconds=1.0)
            )
        except (OSError, OverflowError) as error:
            why = error.strerror if isinstance(error, OSError) else None
            remedy = f"cannot listen there: {why or error}"
            raise InvalidField(field, address, remedy) from error
        log.info("serving metrics and probes", extra=kv(address=address, port=server.port))
        yield server
