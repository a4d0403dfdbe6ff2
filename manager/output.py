"""How the commands for people say what they found: for a reader or for a program.

``table`` is for a reader: colours and the width of the terminal only where there is one, and no
colours where NO_COLOR is set. ``json`` and ``yaml`` say the same as a document.
"""

import argparse
import json
import logging
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TextIO

import yaml

from api.codec import JSONValue
from registrar.errors import printable
from registrar.telemetry.logging import configure

FORMATS = ("table", "json", "yaml")
Format = Literal["table", "json", "yaml"]

Colour = Literal["red", "green", "yellow", "blue", "magenta", "cyan", "bold", "dim"]
_CODES: dict[Colour, str] = {
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
    "bold": "1",
    "dim": "2",
}
_NARROWEST = 40
_COLOURING = re.compile(r"\x1b\[[0-9;]*m")


def add_output_flag(parser: argparse.ArgumentParser, *, meaning: str = "a table") -> None:
    """Add ``-o``; ``meaning`` is what a reader gets by default."""
    parser.add_argument(
        "-o",
        "--output",
        choices=FORMATS,
        default="table",
        help=f"how to say it (default: table, {meaning})",
    )


def as_document(document: JSONValue, output: str) -> str:
    """The text of a document as JSON or YAML."""
    if output == "json":
        return json.dumps(document, indent=2) + "\n"
    # By libyaml where PyYAML has it: without it 30,000 entries take four times as long.
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(document, Dumper=dumper, sort_keys=False, allow_unicode=True, width=100)
    return text


@dataclass(frozen=True, slots=True)
class Page:
    """Where lines for a reader go. ``width`` None: nobody knows how wide it is, so no line ends."""

    stream: TextIO
    has_colours: bool = False
    width: int | None = None

    @classmethod
    def of(cls, stream: TextIO | None = None) -> "Page":
        """The page that a stream is: a terminal, or a file or pipe of plain lines."""
        stream = stream or sys.stdout
        if not stream.isatty():
            return cls(stream)
        is_plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        width = max(_NARROWEST, shutil.get_terminal_size().columns)
        return cls(stream, has_colours=not is_plain, width=width)

    def line(self, text: str = "") -> None:
        """Write a line."""
        self.stream.write(text + "\n")

    def paragraph(self, text: str, *, indent: str = "", first: str | None = None) -> None:
        """Write text that may take several lines; ``first`` begins the first one."""
        first = indent if first is None else first
        if self.width is None:
            self.line(first + text)
            return
        # Colours take no room.
        room = " " * len(_COLOURING.sub("", first))
        lines = textwrap.wrap(
            text,
            self.width,
            initial_indent=room,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [room]
        self.line(first + lines[0].removeprefix(room))
        for line in lines[1:]:
            self.line(line)

    def table(self, rows: Sequence[Sequence[str]], *, indent: str = "") -> None:
        """Write rows whose columns begin below each other."""
        if not rows:
            return
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.line(indent + "  ".join(cells).rstrip())

    def coloured(self, text: str, *colours: Colour) -> str:
        """The text in colours, where there are any; what it holds beside letters is escaped."""
        text = printable(text)
        if not self.has_colours or not colours:
            return text
        codes = ";".join(_CODES[colour] for colour in colours)
        return f"\x1b[{codes}m{text}\x1b[0m"


@contextmanager
def only_unexpected() -> Iterator[None]:
    """Log nothing in the block but faults of the program, with their stack.

    What else the product's parts log, the command says itself.
    """
    with configure("warning"):
        for handler in logging.getLogger().handlers:
            handler.addFilter(lambda record: record.exc_info is not None)
        yield


def counted(number: int, one: str, many: str = "") -> str:
    """``1 entry``, ``2,000 entries``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(words: Iterable[str]) -> str:
    """``a, b and c``."""
    found = list(words)
    if len(found) < 2:
        return "".join(found)
    return f"{', '.join(found[:-1])} and {found[-1]}"
