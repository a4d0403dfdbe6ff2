"""What came of a life of the servers."""

import collections
import dataclasses
from collections.abc import Callable
from pathlib import Path

Say = Callable[[str], None]


@dataclasses.dataclass(slots=True)
class Outcome:
    """What came of it. `failed_at` is the number of steps that were done when it was found."""

    findings: list[str] = dataclasses.field(default_factory=list)
    failed_at: int = 0
    rounds: int = 0
    actions: int = 0
    faults: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    restarts: int = 0
    """How often a registrar ended since it had lost its Lease, and was started again."""
    looks: int = 0
    slowest_seconds: float = 0.0
    folder: Path | None = None
