"""What can go wrong between us and a SPIRE server, by what the caller does about it.

``retryable`` tells whether the same request may succeed later without anybody
changing it; ``reason`` is a CamelCase word for conditions, Events and metrics.
"""

import re
from typing import ClassVar

import grpc

from registrar.errors import printable
from registrar.identity.entry import Entry


class SpireError(Exception):
    """A call, or one item of a batch, failed. ``message`` is meant for a person."""

    reason: ClassVar[str] = "SpireError"
    retryable: ClassVar[bool] = True

    def __init__(self, message: str, *, code: grpc.StatusCode = grpc.StatusCode.UNKNOWN) -> None:
        self.message = printable(message)
        super().__init__(self.message)
        self.code = code

    def again(self) -> "SpireError":
        """An equal error: each waiter of a failed batch raises one of its own."""
        return type(self)(self.message, code=self.code)


class Unavailable(SpireError):  # noqa: N818 - named by what happened
    """The server was not reached, or not in time; whether it acted is not known.

    Deadlines, refused connections and messages that stay too large however
    small the batch is are all this.
    """

    reason = "SpireUnavailable"


class PermissionDenied(SpireError):  # noqa: N818 - named by what happened
    """We are not let in: over TCP our SPIFFE ID needs an ``admin`` entry."""

    reason = "SpirePermissionDenied"


class InvalidArgument(SpireError):  # noqa: N818 - named by what happened
    """The server does not accept what the entry says; only another entry will do."""

    reason = "InvalidEntry"
    retryable = False


class NotFound(SpireError):  # noqa: N818 - named by what happened
    """There is no entry with that ID."""

    reason = "EntryNotFound"


class AlreadyExists(SpireError):  # noqa: N818 - named by what happened
    """The server holds that key, or that entry ID, already.

    ``existing`` is the entry in the way, None when it was gone on a second
    look. Compare its key: a chosen ID may be taken by another key.
    """

    reason = "EntryExists"

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.ALREADY_EXISTS,
        existing: Entry | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.existing = existing

    def again(self) -> "AlreadyExists":
        """An equal error."""
        return AlreadyExists(self.message, code=self.code, existing=self.existing)


class FederatedBundleMissing(SpireError):  # noqa: N818 - named by what happened
    """The entry federates with a trust domain whose bundle the server does not hold yet.

    ``trust_domain`` is the first such one, empty when the server does not name
    it; there may be more of them.
    """

    reason = "FederatedBundleMissing"

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.INTERNAL,
        trust_domain: str = "",
    ) -> None:
        super().__init__(message, code=code)
        self.trust_domain = trust_domain

    def again(self) -> "FederatedBundleMissing":
        """An equal error."""
        return FederatedBundleMissing(self.message, code=self.code, trust_domain=self.trust_domain)


class Internal(SpireError):  # noqa: N818 - named by what happened
    """The server failed, or answers what the protocol does not know."""

    reason = "SpireInternal"


class EndpointDistrusted(Internal):
    """A bundle endpoint showed a certificate by no authority that the server holds."""

    reason = "EndpointDistrusted"


class NotLeading(SpireError):  # noqa: N818 - named by what happened
    """This process may not write now: nothing was sent."""

    reason = "NotLeading"


_BY_CODE: dict[grpc.StatusCode, type[SpireError]] = {
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Unavailable,
    grpc.StatusCode.CANCELLED: Unavailable,
    grpc.StatusCode.ABORTED: Unavailable,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAUTHENTICATED: PermissionDenied,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.FAILED_PRECONDITION: InvalidArgument,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgument,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
}
_CODES = {code.value[0]: code for code in grpc.StatusCode}

# The protocol gives this the code of every other failure: the message is all there is.
# A certificate that has expired, for one, is refused by the same words up to the last colon.
_DISTRUSTED = re.compile(
    r"x509svid: could not verify leaf certificate: x509: certificate signed by unknown authority"
)
_NO_BUNDLE = re.compile(r'unable to find federated bundle(?: "(?:spiffe://)?([a-z0-9._-]+))?')


def error_of(code: grpc.StatusCode | int, message: str) -> SpireError:
    """The error that a status stands for; ``code`` is not OK."""
    known = _CODES.get(code, grpc.StatusCode.UNKNOWN) if isinstance(code, int) else code
    missing = _NO_BUNDLE.search(message)
    if missing is not None:
        return FederatedBundleMissing(message, code=known, trust_domain=missing[1] or "")
    if known is grpc.StatusCode.INTERNAL and _DISTRUSTED.search(message):
        return EndpointDistrusted(message, code=known)
    kind = _BY_CODE.get(known, Internal)
    return kind(message or f"SPIRE answered {known.name}", code=known)
