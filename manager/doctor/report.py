"""How findings are shown: grouped, a line each, what it means and what to do below."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TextIO

from api.codec import JSONValue
from manager.doctor.finding import Finding, Level
from registrar.errors import printable

_SIGNS = {Level.OK: "√", Level.WARNING: "‼", Level.ERROR: "×"}  # noqa: RUF001 - a sign
_PLAIN = {Level.OK: "ok", Level.WARNING: "warning:", Level.ERROR: "error:"}
_COLOURS = {Level.OK: "\x1b[32m", Level.WARNING: "\x1b[33m", Level.ERROR: "\x1b[31m"}
_RESET = "\x1b[0m"
_RUNBOOK = "docs/runbook.md"


class Table:
    """Writes findings as they come. ``width`` 0: lines are not broken."""

    def __init__(self, out: TextIO, *, is_coloured: bool, width: int) -> None:
        self._out = out
        self._is_coloured = is_coloured
        self._width = width
        self._signs = _SIGNS if _can_show(out) else _PLAIN
        self._group = ""
        self._counts: Counter[Level] = Counter()

    def add(self, group: str, finding: Finding) -> None:
        """Show one finding, under its group's heading."""
        if group != self._group:
            blank = "\n" if self._group else ""
            self._write(f"{blank}{group}\n{'-' * len(group)}")
            self._group = group
        self._counts[finding.level] += 1
        sign = self._signs[finding.level]
        if self._is_coloured:
            sign = f"{_COLOURS[finding.level]}{sign}{_RESET}"
        for number, line in enumerate(self._broken(printable(finding.summary), 2)):
            self._write(f"  {line}" if number else f"{sign} {line}")
        for line in below(finding):
            for part in self._broken(line, 4):
                self._write(f"    {part}")
        self._out.flush()

    def end(self) -> None:
        """Say how many there were of each."""
        counts = self._counts
        words = f"{counts[Level.OK]} ok, {_number(counts[Level.WARNING], 'warning')}, "
        self._write(f"\n{words}{_number(counts[Level.ERROR], 'error')}")

    def _broken(self, line: str, indented: int) -> list[str]:
        if not self._width:
            return [line]
        return textwrap.wrap(
            line,
            max(self._width - indented, 20),
            break_long_words=False,
            break_on_hyphens=False,
        )

    def _write(self, line: str) -> None:
        self._out.write(f"{line}\n")


def below(finding: Finding) -> Iterator[str]:
    """What stands below the line of a finding."""
    if finding.meaning:
        yield printable(finding.meaning)
    if finding.remedy:
        yield f"do: {printable(finding.remedy)}"
    if finding.runbook:
        yield f"see: {_RUNBOOK}#{finding.runbook}"


def _number(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def _can_show(out: TextIO) -> bool:
    try:
        "".join(_SIGNS.values()).encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def document(found: Iterable[tuple[str, Finding]], *, mode: str) -> JSONValue:
    """All findings for programs."""
    listed = list(found)
    counts = Counter(finding.level for _, finding in listed)
    return {
        "mode": mode,
        "ok": counts[Level.OK],
        "warnings": counts[Level.WARNING],
        "errors": counts[Level.ERROR],
        "findings": [
            {
                "group": group,
                "check": finding.check,
                "level": finding.level.value,
                "summary": printable(finding.summary),
                "meaning": printable(finding.meaning),
                "remedy": printable(finding.remedy),
                "runbook": f"{_RUNBOOK}#{finding.runbook}" if finding.runbook else "",
            }
            for group, finding in listed
        ],
    }
