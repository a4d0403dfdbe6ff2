"""The one error about a value that somebody wrote, raised from here up to the process."""


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
