"""The place of a template that Go's error speaks of, with a mark below it."""

import re
from collections.abc import Iterator, Mapping

_PLACE = re.compile(r"template: (?P<name>[^:]+):(?P<line>[0-9]+)(?::(?P<column>[0-9]+))?:")
_AROUND = 60
"""Characters that are shown to either side of the place."""


def marked(message: str, texts: Mapping[str, str]) -> list[str]:
    """The line of the template and a caret, as far as the message names them; else nothing.

    ``texts`` are the templates by their names. Go counts a column in bytes, from 0; an error of
    its parser has none, and then the line alone is shown.
    """
    found = _PLACE.search(message)
    text = None if found is None else texts.get(found["name"])
    if found is None or text is None:
        return []
    lines = text.split("\n")
    number = int(found["line"])
    if not 1 <= number <= len(lines):
        return []
    return list(_shown(lines[number - 1], found["column"]))


def _shown(line: str, column: str | None) -> Iterator[str]:
    if column is None:
        yield _visible(line[: 2 * _AROUND])
        return
    place = len(line.encode()[: int(column)].decode(errors="ignore"))
    start = max(place - _AROUND, 0)
    yield _visible(line[start : place + _AROUND])
    yield f"{' ' * (place - start)}^"


def _visible(text: str) -> str:
    """One column for each character, whatever it is."""
    return "".join(char if char.isprintable() else " " for char in text)
