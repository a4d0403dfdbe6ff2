"""What a client is told that goes beyond a limit, and what the log says of it.

Whoever can reach a port can go beyond its limits as often as it likes, so the log has
one line a minute for each limit, with how many were held back.
"""

import asyncio
import logging
import time
from http import HTTPStatus

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from registrar.telemetry.logging import LogValue, Throttle, kv

log = logging.getLogger(__name__)

_PERIOD_SECONDS = 60.0


class Complaints:
    """Says, once a minute for each reason, that clients of one port go beyond a limit."""

    def __init__(self) -> None:
        self._throttle = Throttle(_PERIOD_SECONDS)

    def say(self, message: str, **values: LogValue) -> None:
        """Log a constant message as a warning, unless it was logged a moment ago."""
        held_back = self._throttle.allow(message, asyncio.get_running_loop().time())
        if held_back is not None:
            log.warning(message, extra=kv(**values, more=held_back))


class Quiet(logging.Filter):
    """Lets through what the HTTP library says of errors, once a minute for each kind.

    The library writes a line and a stack for each request that is no HTTP. What a stranger sends
    needs no stack: it is no fault of ours.
    """

    def __init__(self) -> None:
        super().__init__()
        self._throttle = Throttle(_PERIOD_SECONDS)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written; one of a broken request loses its stack."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ConnectionError | web.RequestPayloadError):
            # Who hangs up in the middle of a request is no news.
            return False
        held_back = self._throttle.allow(type(error).__name__, time.monotonic())
        if held_back is None:
            return False
        pairs: dict[str, LogValue] = {"more": held_back}
        if isinstance(error, HttpProcessingError):
            record.exc_info = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            pairs["why"] = error.message
        record.kv = pairs
        return True


def closing(status: int, text: str) -> web.Response:
    """An answer after which nothing more is read from the connection."""
    response = web.Response(status=status, text=f"{text}\n")
    response.force_close()
    return response


def answer_bytes(status: int, text: str) -> bytes:
    """The same as it goes over the wire, where there is no request yet that could be answered."""
    body = f"{text}\n".encode()
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body
