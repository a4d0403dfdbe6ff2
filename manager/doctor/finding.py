"""What a check found: how bad it is, what it means and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

MOST_NAMED = 5


class Level(Enum):
    """How bad it is; only an error makes the command fail."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line. ``runbook`` is the section that says more, as its heading is linked to."""

    check: str
    level: Level
    summary: str
    meaning: str = ""
    remedy: str = ""
    runbook: str = ""


class Unlooked(Exception):  # noqa: N818 - named by what happened
    """Something cannot be looked at. The message says why, ``remedy`` what to do about it."""

    def __init__(self, why: str, remedy: str = "") -> None:
        super().__init__(why)
        self.remedy = remedy


def ok(check: str, summary: str, meaning: str = "") -> Finding:
    """All is well; ``meaning`` says what that does not tell."""
    return Finding(check=check, level=Level.OK, summary=summary, meaning=meaning)


def warning(check: str, summary: str, *, meaning: str, remedy: str, runbook: str = "") -> Finding:
    """It works, and it may not for long, or not for all."""
    return Finding(
        check=check,
        level=Level.WARNING,
        summary=summary,
        meaning=meaning,
        remedy=remedy,
        runbook=runbook,
    )


def error(check: str, summary: str, *, meaning: str, remedy: str, runbook: str = "") -> Finding:
    """Identities are missing, wrong, or about to be."""
    return Finding(
        check=check,
        level=Level.ERROR,
        summary=summary,
        meaning=meaning,
        remedy=remedy,
        runbook=runbook,
    )


def some(names: Sequence[str]) -> str:
    """A few of many names."""
    shown = ", ".join(names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
