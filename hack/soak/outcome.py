"""What came of a life of the servers."""

import collections
import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hack.soak.plan import Step

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


def play(steps: Sequence[Step], do: Callable[[Step], None], outcome: Outcome, until: float) -> None:
    """Do the steps, up to the first finding or until that time, a round whole."""
    for number, step in enumerate(steps, start=1):
        do(step)
        if outcome.findings:
            outcome.failed_at = number
            return
        if step.kind == "judge" and time.monotonic() > until:
            return
