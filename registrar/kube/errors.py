"""What a Kubernetes API server refuses, named by what the caller can do about it.

Everything is decided by the HTTP status and the ``reason`` of the Status
object in the reply; the text of the message is for people only.
"""

import msgspec

from api.codec import DecodeError, decode
from registrar.errors import printable

MAX_MESSAGE = 256
"""Longest message kept, in characters: server messages may quote whole objects."""

MOST_RETRY_SECONDS = 300.0
"""Longest wait that a server may ask for: a proxy's number may have any number of digits."""


class KubeError(Exception):
    """A call to the API server failed.

    ``status`` is the HTTP status, 0 when there was no reply; ``reason`` the
    machine-readable reason of the Status object, or our own word for it.
    """

    def __init__(self, message: str, status: int = 0, reason: str = "") -> None:
        if len(message) > MAX_MESSAGE:
            message = message[: MAX_MESSAGE - 1] + "…"
        super().__init__(printable(message))
        self.status = status
        self.reason = reason


class NotFound(KubeError):  # noqa: N818 - named as the reply is
    """The object, or its whole kind, does not exist."""


class Conflict(KubeError):  # noqa: N818
    """The object is not as the request assumed: read it again and decide anew."""


class AlreadyExists(Conflict):
    """An object of that name exists."""


class Gone(KubeError):  # noqa: N818
    """The resourceVersion or continue token is too old: list again."""


class Invalid(KubeError):  # noqa: N818
    """The request is wrong and stays wrong until it is changed."""


class Undecodable(Invalid):
    """The call took effect, but the object that came back does not have the shape of its kind."""


class Forbidden(KubeError):  # noqa: N818
    """Authorization or admission said no."""


class Unauthorized(KubeError):  # noqa: N818
    """The credentials were not accepted."""


class TooManyRequests(KubeError):  # noqa: N818
    """The server is throttling: wait ``retry_after`` seconds at least."""

    def __init__(
        self, message: str, status: int = 429, reason: str = "", retry_after: float = 1.0
    ) -> None:
        super().__init__(message, status, reason)
        self.retry_after = retry_after


class Unavailable(KubeError):  # noqa: N818
    """No reply, a time-out, or a 5xx: the call may or may not have taken effect."""


class Garbled(Unavailable):
    """A reply came, and it cannot be read: to ask the same again may give the same again."""


class NotLeading(KubeError):  # noqa: N818
    """A write was held back: this process may not write now (its Lease is not held)."""


class _Details(msgspec.Struct, rename="camel"):
    retry_after_seconds: float = 0.0


class Status(msgspec.Struct, rename="camel"):
    """The part of a ``Status`` object that matters; also the object of an ERROR watch event."""

    kind: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None


def read_status(body: bytes) -> Status:
    """The Status in ``body``; where there is none (a proxy's reply), its first characters."""
    try:
        return decode(body, Status)
    except DecodeError:
        return Status(message=body[:MAX_MESSAGE].decode(errors="replace").strip())


def error_for(code: int, status: Status, *, call: str = "", retry_after: float = 0.0) -> KubeError:
    """The error of a reply: ``code`` from HTTP, ``call`` says what was asked (for the message)."""
    text = status.message or f"HTTP {code}"
    message = f"{call}: {text}" if call else text
    if code == 429 or status.reason == "TooManyRequests":
        hinted = status.details.retry_after_seconds if status.details else 0.0
        seconds = min(max(hinted, retry_after, 1.0), MOST_RETRY_SECONDS)
        return TooManyRequests(message, code, status.reason, seconds)
    if status.reason == "AlreadyExists":
        return AlreadyExists(message, code, status.reason)
    kind = _BY_CODE.get(code)
    if kind is None:
        kind = Unavailable if code >= 500 else KubeError
    return kind(message, code, status.reason)


_BY_CODE: dict[int, type[KubeError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    408: Unavailable,
    409: Conflict,
    410: Gone,
    413: Invalid,
    415: Invalid,
    422: Invalid,
}
