"""What is wrong with a configuration, said so that a person finds the place."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from api.errors import shortened
from registrar.errors import printable

_LONGEST_FIELD = 300
"""Characters of a key's name that a message shows."""
_MOST_TOLD = 100
"""Problems that a message tells, one a line. More help nobody to put a file right."""


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing to put right.

    ``path`` is the file, None for a flag; ``line`` and ``column`` count from 1
    and are None where there is no place, as for a missing key. ``field`` is
    the key or flag, empty where the file as a whole is meant.
    """

    path: Path | None
    line: int | None
    field: str
    message: str
    column: int | None = None

    def __str__(self) -> str:
        place = [str(part) for part in (self.path, self.line, self.column) if part is not None]
        parts = [":".join(place), shortened(self.field, _LONGEST_FIELD), self.message]
        return ": ".join(printable(part) for part in parts if part)


class ConfigError(ValueError):
    """The configuration cannot be used; the program ends with exit code 2.

    ``problems`` has all that was found, in the order of the file; the message
    has one per line, the first hundred of them.
    """

    def __init__(self, problems: Iterable[ConfigProblem]) -> None:
        self.problems = tuple(sorted(problems, key=_order))
        lines = [str(problem) for problem in self.problems[:_MOST_TOLD]]
        if len(self.problems) > _MOST_TOLD:
            lines.append(f"and {len(self.problems) - _MOST_TOLD} more problems")
        super().__init__("\n".join(lines))


def _order(problem: ConfigProblem) -> tuple[bool, int, int]:
    """Flags first, then what is missing, then down the file."""
    return problem.path is not None, problem.line or 0, problem.column or 0
