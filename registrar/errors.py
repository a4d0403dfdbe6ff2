"""Errors, named by what the caller does about them.

An adapter (``kube``, ``spire``) raises its own small tree; a reconciler turns
what it cannot handle into one of these two, and the controller acts on it.
"""


class Retry(Exception):  # noqa: N818 - named by what the caller does
    """The same work may succeed later: try again with back-off.

    The message is meant for a person; ``reason`` is a CamelCase word for
    conditions, Events and metrics.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Terminal(Exception):  # noqa: N818 - named by what the caller does
    """The same work will fail again until its input changes: report it and wait."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class InvalidField(ValueError):  # noqa: N818 - reads as what it is
    """One value that somebody wrote is wrong.

    ``path`` is the field as a person would find it (``spec.selector.podLabel``
    or a configuration key), ``value`` what stands there, ``remedy`` what to
    write instead.
    """

    def __init__(self, path: str, value: str, remedy: str) -> None:
        super().__init__(f"{path}: {value!r}: {remedy}")
        self.path = path
        self.value = value
        self.remedy = remedy
