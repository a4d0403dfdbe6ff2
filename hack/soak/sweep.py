"""Kills the registrar before and after every single write that a scenario makes.

The scenario runs once to count its writes, to SPIRE and to Kubernetes each by itself. Then it
runs anew for each of them, twice: the process gets SIGKILL when the write arrives at the proxy,
which drops it; or when the server has done it, and nobody hears the answer. The registrar is
started again at once. The recorder and the judge look on as ever.
"""

import collections
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from hack.soak.apiproxy import Dropped, Write, nothing
from hack.soak.life import Life
from hack.soak.modes import PATHS, Mode
from hack.soak.outcome import Outcome, Say
from hack.soak.plan import Step, planned
from hack.soak.recorder import Recorder
from hack.soak.replica import Replica
from hack.soak.world import World

Side = Literal["spire", "api"]
When = Literal["before", "after"]

SIDES: tuple[Side, ...] = ("spire", "api")

_MADE, _CHANGED = 9, 7
"""Things made, and things done once they have their entries; then everything goes."""


@dataclasses.dataclass(slots=True)
class Trap:
    """Springs at one write to one side; without a `number` it only counts.

    Leases are not counted: when they are renewed depends on the time alone.
    """

    replica: Replica
    side: Side
    number: int = -1
    when: When = "before"
    count: int = 0
    sprung_at: str = ""
    _places: dict[int, int] = dataclasses.field(default_factory=dict)

    async def before(self, write: Write) -> None:
        """A write has arrived."""
        if "/leases" in write.name:
            return
        self._places[write.number] = self.count
        self.count += 1
        if self.when == "before":
            self._spring(write)

    async def after(self, write: Write) -> None:
        """A write was done."""
        if "/leases" not in write.name and self.when == "after":
            self._spring(write)

    def set(self) -> None:
        """Lie in wait."""
        proxy = self.replica.spire if self.side == "spire" else self.replica.api
        if proxy is not None:
            proxy.before, proxy.after = self.before, self.after

    def _spring(self, write: Write) -> None:
        # Between the arrival of a write and its end others may arrive.
        if self._places.get(write.number) == self.number and not self.sprung_at:
            self.sprung_at = write.name
            self.replica.kill_at_once()
            raise Dropped


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """Which writes to sweep: all, or those from one on, of both sides or of one."""

    sides: tuple[Side, ...] = SIDES
    first: int = 0


def swept(mode: Mode, seed: int, part: Part, *, say: Say, until: float, folder: Path) -> Outcome:
    """Sweep through a mode; ends at the first finding, or when the time is over.

    Raises:
        ServerError: the servers did not start.

    """
    alone = dataclasses.replace(mode, replicas=1, lease_seconds=3)
    outcome = Outcome(folder=folder)
    with World(alone, folder) as world:
        with Recorder(world.look, world.foreign) as recorder:
            life = Life(world, recorder, outcome, lambda _: None)
            sweep = _Sweep(world, recorder, life, seed)
            numbers = sweep.count()
            if not outcome.findings:
                say(f"  {numbers['spire']} writes to SPIRE, {numbers['api']} to Kubernetes")
            for side, number, when in part_of(numbers, part):
                if outcome.findings or time.monotonic() > until:
                    break
                trap = sweep.once(side, number, when)
                what = f"killed {when} write {number} to {side}: {trap.sprung_at or 'never came'}"
                outcome.faults[f"killed-{when}-{side}-write"] += bool(trap.sprung_at)
                say(f"  {what}")
                outcome.findings = [f"{what}: {each}" for each in outcome.findings]
            outcome.looks = recorder.looks
        world.is_kept = bool(outcome.findings)
    return outcome


def part_of(numbers: collections.Counter[str], part: Part) -> Iterator[tuple[Side, int, When]]:
    """Return the kills: each write of the part, before and after."""
    moments: tuple[When, ...] = ("before", "after")
    return (
        (side, number, when)
        for side in part.sides
        for number in range(part.first, numbers[side])
        for when in moments
    )


class _Sweep:
    """The scenario, and what is left of the one before it taken away."""

    def __init__(self, world: World, recorder: Recorder, life: Life, seed: int) -> None:
        self._world = world
        self._recorder = recorder
        self._life = life
        self._replica = world.replicas[0]
        steps = [step for step in planned(world.mode, seed) if step.kind == "act"]
        steps = [dataclasses.replace(step, pause_seconds=0.0) for step in steps]
        self._made, self._changed = steps[:_MADE], steps[-_CHANGED:]
        life.expects_deaths = True
        self._replica.start()
        life.judge()

    def count(self) -> collections.Counter[str]:
        """Run it undisturbed; gives the number of writes to each side."""
        traps = [Trap(self._replica, side) for side in ("spire", "api")]
        self._run(traps)
        return collections.Counter({trap.side: trap.count for trap in traps})

    def once(self, side: Side, number: int, when: When) -> Trap:
        """Run it and kill the registrar at one write."""
        trap = Trap(self._replica, side, number, when)
        self._run([trap])
        return trap

    def _run(self, traps: list[Trap]) -> None:
        for trap in traps:
            trap.set()
        self._do(self._made)
        self._life.judge()
        self._do(self._changed)
        self._life.judge()
        self._clear()
        for proxy in (self._replica.spire, self._replica.api):
            if proxy is not None:
                proxy.before = proxy.after = nothing

    def _do(self, steps: list[Step]) -> None:
        for step in steps:
            if not self._life.outcome.findings:
                self._life.do(step)

    def _clear(self) -> None:
        """Everything that people made goes, and what follows from it with it."""
        if self._life.outcome.findings:
            return
        world = self._world
        with self._recorder.lock:
            self._recorder.ledger.suspend()
            self._recorder.forget_before_now()
        if world.mode.needs_cluster:
            for kind in world.mode.kinds:
                for obj in world.kube.list(PATHS[kind]) or []:
                    metadata = obj["metadata"]
                    if kind not in ("namespaces", "nodes", "records") and isinstance(
                        metadata, dict
                    ):
                        world.kube.delete(_path(kind, metadata))
        else:
            for file in world.manifests.glob("*.yaml"):
                file.unlink()
        self._life.judge()


def _path(kind: str, metadata: dict[str, object]) -> str:
    """Where one object of a kind is."""
    prefix, _, plural = PATHS[kind].rpartition("/")
    namespace = metadata.get("namespace")
    where = f"{prefix}/namespaces/{namespace}/{plural}" if namespace else PATHS[kind]
    return f"{where}/{metadata['name']}"
