"""How findings are shown: grouped, a line each, what it means and what to do below."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TextIO

from api.codec import JSONValue
from manager.doctor.finding import Finding, Level
from manager.output import Colour, Page, counted
from registrar.errors import printable

_SIGNS = {Level.OK: "√", Level.WARNING: "‼", Level.ERROR: "×"}  # noqa: RUF001 - a sign
_PLAIN = {Level.OK: "ok", Level.WARNING: "warning:", Level.ERROR: "error:"}
_COLOURS: dict[Level, Colour] = {Level.OK: "green", Level.WARNING: "yellow", Level.ERROR: "red"}
_RUNBOOK = "docs/runbook.md"


class Table:
    """Writes findings as they come."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._signs = _SIGNS if _can_show(page.stream) else _PLAIN
        self._group = ""
        self._counts: Counter[Level] = Counter()

    def add(self, group: str, finding: Finding) -> None:
        """Show one finding, under its group's heading."""
        page = self._page
        if group != self._group:
            if self._group:
                page.line()
            page.line(group)
            page.line("-" * len(group))
            self._group = group
        self._counts[finding.level] += 1
        sign = page.coloured(self._signs[finding.level], _COLOURS[finding.level])
        page.paragraph(printable(finding.summary), indent="  ", first=f"{sign} ")
        for line in below(finding):
            page.paragraph(line, indent="    ")
        page.stream.flush()

    def end(self) -> None:
        """Say how many there were of each."""
        counts = self._counts
        words = f"{counts[Level.OK]} ok, {counted(counts[Level.WARNING], 'warning')}, "
        self._page.line()
        self._page.line(f"{words}{counted(counts[Level.ERROR], 'error')}")


def below(finding: Finding) -> Iterator[str]:
    """What stands below the line of a finding."""
    if finding.meaning:
        yield printable(finding.meaning)
    if finding.remedy:
        yield f"do: {printable(finding.remedy)}"
    if finding.runbook:
        yield f"see: {_RUNBOOK}#{finding.runbook}"


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
