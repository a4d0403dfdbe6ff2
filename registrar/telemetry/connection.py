"""One connection to a port of ours: its limits, and how it ends when it goes beyond them.

It stands between asyncio, which has the bytes, and aiohttp, which reads requests from them.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import StreamReader, web

from registrar.telemetry.answers import Complaints, answer_bytes

LINGER_SECONDS = 2.0
"""How long what a client goes on to send is thrown away, so that it can read our answer."""
_EMPTY_LINES = (b"\n\r\n", b"\n\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a listening socket gives to those who connect."""

    connections: int = 256
    """At one time. Whoever comes then waits, and the one that idles longest is closed."""
    handshake_seconds: float = 10.0
    """For TLS."""
    header_seconds: float = 10.0
    """From the connection, later from the first byte, until a request's header is complete."""
    header_bytes: int = 32 * 1024
    """Of a request's header. aiohttp takes 128 lines of 8 KiB at most besides."""
    request_seconds: float = 30.0
    """From there until its answer is made, the reading of its body included."""
    body_bytes: int = 1024
    """Of a request's body. Most of those who ask have nothing to send."""
    idle_seconds: float = 120.0
    """Between two requests. More than an API server's 90 s, so that it is the one to hang up."""


class Connection(asyncio.Protocol):
    """One connection, between asyncio and aiohttp: it is cut when its time is over."""

    def __init__(self, inner: web.RequestHandler, limits: Limits, complaints: Complaints) -> None:
        self._inner = inner
        self._limits = limits
        self._complaints = complaints
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._header: _Header | None = _Header()
        """What has come of a header that is being read."""
        self._unread: StreamReader | None = None
        """The rest of a body that came after its request was answered already."""
        self._is_refused = False
        self.is_working = False
        self.waiting_since = self._loop.time()
        self.transport: asyncio.Transport | None = None
        self.lost = asyncio.Event()

    def begin(self) -> None:
        """A request's header is complete: its handler works now."""
        self.is_working = True
        self._header = self._unread = None
        # The handler is told before: this is for one that does not hear it.
        self._give(self._limits.request_seconds + LINGER_SECONDS, self.cut)

    def end(self, body: StreamReader) -> None:
        """The handler has made its answer; the time to write it counts as idle."""
        self.is_working = False
        self._unread = None if body.is_eof() else body
        self.waiting_since = self._loop.time()
        self._give(self._limits.idle_seconds, self.cut)

    def cut(self) -> None:
        """Close it at once."""
        self._stop_timer()
        if self.transport is not None:
            self.transport.abort()

    def give_way(self) -> None:
        """Close it for another one's sake; who has begun to ask is told."""
        if self._header is not None and self._header.size:
            self._tell(503, "too many connections: try again")
        self.cut()

    def client(self) -> str:
        """The address of the other side, for the log."""
        peer = self.transport.get_extra_info("peername") if self.transport is not None else None
        return str(peer[0]) if isinstance(peer, tuple) else ""

    def _tell(self, status: int, text: str) -> None:
        """Send an answer without aiohttp, unless another one is still on its way."""
        transport = self.transport
        if transport is None or transport.is_closing() or transport.get_write_buffer_size():
            return
        transport.write(answer_bytes(status, text))

    def _header_is_late(self) -> None:
        # Who has sent nothing at all, as probes of a port do, is merely hung up on.
        if self._header is not None and self._header.size:
            seconds = self._limits.header_seconds
            self._complaints.say(
                "a client sent no whole header in time", client=self.client(), seconds=seconds
            )
            self._tell(408, f"no whole header within {seconds:g} s")
        self.cut()

    def _header_is_too_large(self) -> None:
        most = self._limits.header_bytes
        self._complaints.say("a client sent too large a header", client=self.client(), most=most)
        self._is_refused = True
        self._tell(431, f"the header is larger than {most} bytes")
        if self.transport is not None and self.transport.can_write_eof():
            self.transport.write_eof()
        # A connection that is closed with bytes unread would take our answer along.
        self._give(LINGER_SECONDS, self.cut)

    def _give(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_timer()
        if not self.lost.is_set():
            self._timer = self._loop.call_later(seconds, then)

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
        self._give(self._limits.header_seconds, self._header_is_late)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request."""
        if self._is_refused:
            return
        unread = self._unread
        if unread is not None:
            self._inner.data_received(data)
            if unread.is_eof() and self._unread is unread:
                self._unread = None
            return
        if not self.is_working and self._header is None:
            self._header = _Header()
            self._give(self._limits.header_seconds, self._header_is_late)
        if self._header is not None and self._header.take(data) > self._limits.header_bytes:
            self._header_is_too_large()
            return
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


class _Header:
    """Counts the bytes of a header, as they come."""

    def __init__(self) -> None:
        self.size = 0
        self._end = b""
        self._is_whole = False

    def take(self, data: bytes) -> int:
        """How long the header is at least; what comes after an empty line is none of it."""
        if self._is_whole:
            return self.size
        seen = self._end + data
        self._end = seen[-3:]
        found = [place for mark in _EMPTY_LINES if (place := seen.find(mark)) >= 0]
        if found:
            self._is_whole = True
            data = data[: max(0, min(found) - len(seen) + len(data))]
        self.size += len(data)
        return self.size
