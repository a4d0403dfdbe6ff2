"""What will happen, worked out from a seed before anything starts.

No step depends on what the steps before it did: so a step may be left out, and the others still
do what they did. That is what makes a failing run shrinkable.
"""

import dataclasses
import random
from collections.abc import Iterable, Sequence
from typing import Literal, Protocol, get_args

from hack.soak.actions import actions_of
from hack.soak.faults import faults_of
from hack.soak.modes import Mode

BEGIN, ROUNDS, STEPS = 24, 6, 14
"""Things made in the beginning, rounds of one life of the servers, and steps of one round.

After each round all is judged.
"""

AT_ONCE, MOST_AT_ONCE = 3, 5
BEGINS = AT_ONCE / MOST_AT_ONCE
"""Faults at one time, and how likely one more begins at a step."""

_PAUSES = (0.0, 0.05, 0.1, 0.3, 1.0)
"""Often none; now and then long enough for everything to come to rest."""

Kind = Literal["act", "begin", "end", "judge"]


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One step. Those of one fault, its begin and its end, have the same `chance`."""

    kind: Kind
    name: str = ""
    chance: int = 0
    pause_seconds: float = 0.0

    def __str__(self) -> str:
        """Say it as `replay` reads it."""
        return f"{self.kind}:{self.name}:{self.chance}:{self.pause_seconds}"

    @classmethod
    def parsed(cls, text: str) -> "Step":
        """Return the step that a text says.

        Raises:
            ValueError: it says none.

        """
        kind, name, chance, pause = text.strip().split(":")
        for known in get_args(Kind):
            if known == kind:
                return cls(known, name, int(chance), float(pause))
        raise ValueError(f"{text!r} is no step: {', '.join(get_args(Kind))}")


def needs_of(mode: Mode) -> set[str]:
    """Return what faults may ask for in a mode, in their words."""
    needs = {"api"} if mode.needs_cluster else set()
    needs |= {"replicas"} if mode.replicas > 1 else set()
    return needs | ({"custom"} if mode.custom else set())


def planned(
    mode: Mode, seed: int, only: Iterable[str] = (), at_once: int | None = None
) -> list[Step]:
    """Return the steps of one life of the servers; `only` are the faults that may come."""
    chance = random.Random(f"{mode.name} {seed}")  # noqa: S311 - no secret
    actions = sorted(actions_of(mode.name))
    faults = faults_of(needs_of(mode))
    faults = [fault for fault in faults if fault.name in set(only)] or faults
    making = [name for name in actions if name.startswith(("apply-", "create-", "set-"))]
    steps = [dataclasses.replace(_act(chance, making), pause_seconds=0.0) for _ in range(BEGIN)]
    steps.append(Step("judge"))
    most = at_once or AT_ONCE
    for _ in range(ROUNDS):
        steps += round_of(chance, actions, faults, at_once=most, begins=most / MOST_AT_ONCE)
    return steps


class Placed(Protocol):
    """A fault, as far as a plan knows it: of one place only one is on at a time."""

    @property
    def name(self) -> str:
        """What steps call it."""
        ...

    @property
    def place(self) -> str:
        """Where it happens."""
        ...


def round_of(
    chance: random.Random,
    actions: list[str],
    faults: Sequence[Placed],
    *,
    steps: int = STEPS,
    at_once: int = AT_ONCE,
    begins: float = BEGINS,
    pauses: Sequence[float] = _PAUSES,
) -> list[Step]:
    """Return a round of so many actions, while faults come and go."""
    found: list[Step] = []
    active: list[tuple[Step, int]] = []
    places = {fault.name: fault.place for fault in faults}
    for number in range(steps):
        for begun, until in [each for each in active if each[1] <= number]:
            found.append(dataclasses.replace(begun, kind="end"))
            active.remove((begun, until))
        if len(active) < at_once and chance.random() < begins:
            fault = chance.choice(faults)
            if fault.place not in {places[begun.name] for begun, _ in active}:
                pause = chance.choice(pauses)
                begin = Step("begin", fault.name, chance.randrange(2**30), pause)
                found.append(begin)
                active.append((begin, number + chance.randrange(1, 6)))
        found.append(_act(chance, actions, pauses))
    found += [dataclasses.replace(begun, kind="end") for begun, _ in active]
    return [*found, Step("judge")]


def _act(chance: random.Random, actions: list[str], pauses: Sequence[float] = _PAUSES) -> Step:
    return Step("act", chance.choice(actions), chance.randrange(2**30), chance.choice(pauses))
