"""What a soak may be of: the modes of the registrar, and the node driver."""

import dataclasses
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Protocol

from hack.soak import csifaults, csilife
from hack.soak.faults import FAULTS, faults_of
from hack.soak.life import live
from hack.soak.modes import MODES
from hack.soak.outcome import Outcome, Say
from hack.soak.plan import Step, needs_of, planned


class Plan(Protocol):
    """Works out steps from a seed."""

    def __call__(
        self, seed: int, only: Iterable[str] = (), at_once: int | None = None
    ) -> list[Step]:
        """`only` are the faults that may come, so many of them at a time."""
        ...


class Live(Protocol):
    """Does steps on fresh servers."""

    def __call__(self, steps: list[Step], *, say: Say, until: float, folder: Path) -> Outcome:
        """Up to the first finding or until that time. Raises ServerError where none start."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Subject:
    """One of them: how it is planned, and lived."""

    name: str
    plan: Plan
    live: Live


SUBJECTS = {
    name: Subject(name, partial(planned, mode), partial(live, mode)) for name, mode in MODES.items()
} | {csilife.NAME: Subject(csilife.NAME, csilife.planned, csilife.live)}


def told_faults() -> list[str]:
    """Return a line for each fault that there is."""
    found = []
    for fault in FAULTS:
        modes = [name for name, mode in MODES.items() if fault in faults_of(needs_of(mode))]
        where = "all modes" if len(modes) == len(MODES) else ", ".join(modes)
        found.append(f"{fault.name:22} {fault.says} ({where})")
    found += [f"{each.name:22} {each.says} ({csilife.NAME})" for each in csifaults.FAULTS]
    return found
