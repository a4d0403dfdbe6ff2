"""The one error about a value that somebody wrote, raised from here up to the process."""

_MOST_SHOWN = 500
"""Characters of a value that a message repeats: conditions and Events have a limit."""


class InvalidField(ValueError):  # noqa: N818 - reads as what it is
    """One value that somebody wrote is wrong.

    ``path`` is the field as a person would find it (``spec.selector.podLabel``
    or a configuration key), ``value`` what stands there, ``remedy`` what to
    write instead.
    """

    def __init__(self, path: str, value: str, remedy: str) -> None:
        shown = repr(value[:_MOST_SHOWN]) + "..." if len(value) > _MOST_SHOWN else repr(value)
        super().__init__(f"{path}: {shown}: {remedy}")
        self.path = path
        self.value = value
        self.remedy = remedy
