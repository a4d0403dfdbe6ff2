"""The one error about a value that somebody wrote, and how such a text is shown to a person."""

MOST_SHOWN = 2500
"""Characters of a value in a message: a SPIFFE ID that is a little too long stands there whole."""


def printable(text: str) -> str:
    """The text with every character escaped that could steer a terminal or break a line.

    A quote of what somebody wrote may hold any character: line breaks that forge a
    line of a log, escape sequences, marks that turn the direction of writing.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in text
    )


def shortened(text: str, limit: int) -> str:
    """The first ``limit`` characters of a text; where that is not all, how many there are."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


class InvalidField(ValueError):  # noqa: N818 - reads as what it is
    """One value that somebody wrote is wrong.

    ``path`` is the field as a person would find it (``spec.selector.podLabel``
    or a configuration key), ``value`` what stands there, ``remedy`` what to
    write instead.
    """

    def __init__(self, path: str, value: str, remedy: str) -> None:
        # Python's quotes escape what is not printable by themselves.
        where, what = (shortened(text, limit) for text, limit in ((path, 300), (value, MOST_SHOWN)))
        super().__init__(f"{printable(where)}: {what!r}: {printable(remedy)}")
        self.path = path
        self.value = value
        self.remedy = remedy
