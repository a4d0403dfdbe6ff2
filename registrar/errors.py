"""Errors, named by what the caller does about them.

An adapter (``kube``, ``spire``) raises its own small tree; a reconciler turns
what it cannot handle into one of these two, and the controller acts on it.
``InvalidField`` and ``printable`` are ``api``'s, which cannot import from here.
"""

from typing import TypeVar

from api.errors import InvalidField, printable

__all__ = ["InvalidField", "LeadershipLost", "Retry", "Terminal", "flat", "printable"]

E = TypeVar("E", bound=Exception)


class Retry(Exception):  # noqa: N818 - named by what the caller does
    """The same work may succeed later: try again with back-off.

    The message is meant for a person; ``reason`` is a CamelCase word for
    conditions, Events and metrics.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Waiting(Retry):
    """Nothing failed: what the work needs is being read, as at every start."""


class Terminal(Exception):  # noqa: N818 - named by what the caller does
    """The same work will fail again until its input changes: report it and wait."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class LeadershipLost(Exception):  # noqa: N818 - named by what happened
    """This process led and may not write any more: it ends, and a new one begins from nothing.

    The message says of which Lease, and why.
    """


def flat(group: BaseExceptionGroup[E]) -> list[E]:
    """The errors of a group of groups."""
    found: list[E] = []
    for error in group.exceptions:
        found += flat(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
