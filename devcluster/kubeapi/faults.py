"""Faults that a test turns on: failing requests, slow ones, broken and expired watches."""

from collections.abc import Callable
from dataclasses import dataclass

from devcluster.kubeapi.status import APIError


@dataclass(slots=True)
class _Rule:
    """One fault: which requests it meets, how often, and what happens to them."""

    remaining: int | None
    method: str | None
    resource: str | None
    error: APIError | None = None
    seconds: float = 0.0

    def meets(self, method: str, resource: str) -> bool:
        """Whether this request is one of those."""
        return (
            self.remaining != 0
            and self.method in {None, method}
            and self.resource in {None, resource}
        )

    def use(self) -> None:
        """Counts one request."""
        if self.remaining is not None:
            self.remaining -= 1


_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class Faults:
    """The switches. A resource is named by its plural, with `.group` where that is needed.

    A method is the verb of the request: get, list, watch, create, update, patch, delete,
    deletecollection.
    """

    def __init__(self, *, drop: Callable[[], None], expire: Callable[[], None]) -> None:
        self._rules: list[_Rule] = []
        self._drop = drop
        self._expire = expire
        self.expired_as_status = False

    def fail(
        self,
        times: int | None,
        status: int = 500,
        method: str | None = None,
        resource: str | None = None,
        reason: str = "",
    ) -> None:
        """Refuses the next so many matching requests (None: all) with this HTTP status."""
        word = reason or _REASONS.get(status, "InternalError")
        error = APIError(status, word, "a fault that a test asked for")
        self._rules.append(_Rule(times, method, resource, error=error))

    def delay(
        self,
        seconds: float,
        times: int | None = None,
        method: str | None = None,
        resource: str | None = None,
    ) -> None:
        """Lets the next so many matching requests (None: all) wait before they are handled."""
        self._rules.append(_Rule(times, method, resource, seconds=seconds))

    def drop_watches(self) -> None:
        """Closes every open watch, as a server does that restarts."""
        self._drop()

    def expire_watches(self, *, as_status: bool = True) -> None:
        """Forgets the log: open watches get an ERROR event with a 410 Status and end.

        Resuming from an earlier revision is answered with HTTP 410 if `as_status`, else with an
        ERROR event in a stream, which is what a real server does most of the time.
        """
        self.expired_as_status = as_status
        self._expire()

    def clear(self) -> None:
        """Back to normal. What has expired stays so."""
        self._rules.clear()
        self.expired_as_status = False

    def meet(self, method: str, resources: tuple[str, str]) -> float:
        """What a request has to suffer: the seconds to wait first.

        Args:
            method: The verb.
            resources: The plural, and the plural with its group.

        Raises:
            APIError: The request is to fail.
        """
        seconds = 0.0
        for rule in self._rules:
            if any(rule.meets(method, resource) for resource in resources):
                rule.use()
                if rule.error is not None:
                    raise rule.error
                seconds += rule.seconds
        self._rules = [rule for rule in self._rules if rule.remaining != 0]
        return seconds
