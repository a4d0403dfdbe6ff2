"""One life of the servers: does the steps one by one, and judges whenever a step says so."""

import contextlib
import random
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from kubernetes.client.exceptions import ApiException

from hack.processes import ServerError
from hack.soak import judge
from hack.soak.actions import actions_of
from hack.soak.apiproxy import Write
from hack.soak.asked import wanted_of
from hack.soak.faults import FAULTS, Fault, Scene
from hack.soak.modes import Mode
from hack.soak.outcome import Outcome, Say, play
from hack.soak.plan import Step
from hack.soak.recorder import Recorder
from hack.soak.replica import Replica
from hack.soak.world import Unanswered, World

SETTLE_SECONDS = 90.0
"""How long all may take to come right after the last fault; 1 to 10 s are usual."""

MOST_SETTLE_SECONDS = 300.0
"""The same where registrars lose their Leases on a busy machine, and begin anew."""

LOST_ITS_LEASE = 75
"""How a registrar ends that led and may not lead any more: the kubelet starts it again."""

_LOOK_SECONDS = 0.2
_FAULTS = {fault.name: fault for fault in FAULTS}


def live(mode: Mode, steps: list[Step], *, say: Say, until: float, folder: Path) -> Outcome:
    """Do the steps on fresh servers, up to the first finding or until that time, a round whole.

    Raises:
        ServerError: the servers did not start.

    """
    outcome = Outcome(folder=folder)
    with World(mode, folder) as world:
        with Recorder(world.look, world.foreign) as recorder:
            life = Life(world, recorder, outcome, say)
            for replica in world.replicas:
                replica.start()
            play(steps, life.do, outcome, until)
            outcome.looks = recorder.looks
        world.is_kept = bool(outcome.findings)
    return outcome


class Life:
    """Does steps in a world."""

    def __init__(self, world: World, recorder: Recorder, outcome: Outcome, say: Say) -> None:
        self.outcome = outcome
        self.expects_deaths = False
        self.world = world
        self.recorder = recorder
        self._say = say
        self._unended: list[tuple[Fault, Step]] = []
        self._has_been_restored = False
        self._waiting = threading.Event()
        self._unasked: list[str] = []
        for replica in world.replicas:
            if replica.api is not None and world.mode.replicas > 1:
                replica.spire.before = replica.api.before = self._guard(replica)

    def do(self, step: Step) -> None:
        """Do a step; what is found lies in the outcome."""
        self._tell(str(step))
        self._restart()
        if step.kind == "act":
            self._act(step)
        elif step.kind == "begin":
            self._begin(step)
        elif step.kind == "end":
            self._end(step)
        else:
            self.judge()
            return
        self.outcome.findings += self.recorder.take() + self._take_unasked()
        self._waiting.wait(step.pause_seconds)

    def _tell(self, line: str) -> None:
        """Write down beside the logs what happened when."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        folder = self.world.folder
        with folder.with_name(f"{folder.name}.story").open("a", encoding="utf-8") as file:
            file.write(f"{now} {line}\n")

    def _guard(self, replica: Replica) -> Callable[[Write], Awaitable[None]]:
        """Who writes must hold the Lease at that moment; only Leases and Events need none."""

        async def guard(write: Write) -> None:
            if replica.api is None or "/leases" in write.name or "/events" in write.name:
                return
            mine, holder = replica.api.identity, await replica.api.holder()
            if holder and mine and holder != mine:
                self._unasked.append(
                    f"{replica.name} sent {write.name} while {holder} held the Lease, not {mine}"
                )

        return guard

    def _take_unasked(self) -> list[str]:
        found, self._unasked[:] = list(self._unasked), []
        return found

    def _act(self, step: Step) -> None:
        action = actions_of(self.world.mode.name)[step.name]
        self.outcome.actions += 1
        with self.recorder.lock:
            try:
                action(self.world, random.Random(step.chance))  # noqa: S311 - no secret
            except ApiException:
                pass  # refused: the world tells what there is
            except Unanswered:
                # It may have happened, or not: the world tells, once it can be read. Who has just
                # not answered is not asked again for each kind.
                self.recorder.ledger.suspend()
                return
            self._note_or_suspend()

    def _note_or_suspend(self) -> None:
        """Take in what people want now, before the recorder judges what it has seen."""
        try:
            self.recorder.ledger.note(wanted_of(self.world.seen()))
        except Unanswered:
            self.recorder.ledger.suspend()

    def _scene(self, step: Step) -> Scene:
        return Scene(self.world, self.recorder, random.Random(step.chance))  # noqa: S311

    def _begin(self, step: Step) -> None:
        fault = _FAULTS[step.name]
        self.outcome.faults[fault.name] += 1
        self._unended.append((fault, step))
        scene = self._scene(step)
        with contextlib.suppress(*Unanswered):
            fault.begin(scene)
        self._take_notes(scene)

    def _end(self, step: Step) -> None:
        for each in [each for each in self._unended if each[1].chance == step.chance]:
            scene = self._scene(step)
            try:
                each[0].end(scene)
            except Unanswered:
                continue  # tried again before the judge comes
            self._unended.remove(each)
            self._take_notes(scene)

    def _take_notes(self, scene: Scene) -> None:
        self._has_been_restored |= "restored" in scene.notes
        for note in scene.notes:
            if note.startswith("FINDING "):
                self.outcome.findings.append(note.removeprefix("FINDING "))

    def _heal(self) -> None:
        """End every fault that could not be ended: what takes long here is none of the product."""
        deadline = time.monotonic() + MOST_SETTLE_SECONDS
        while self._unended:
            for _, step in list(self._unended):
                self._end(step)
            if time.monotonic() > deadline:
                raise ServerError(f"could not end {[fault.name for fault, _ in self._unended]}")

    def _restart(self) -> None:
        """Start again what ended without our doing, as the kubelet does.

        It is a finding, but of one that has lost its Lease.
        """
        for replica in self.world.replicas:
            code = replica.exit_code()
            if code is None:
                continue
            if code == LOST_ITS_LEASE and self.world.mode.elects:
                self._tell(f"{replica.name} lost its Lease")
                self.outcome.restarts += 1
            elif not self.expects_deaths:
                self.outcome.findings.append(f"{replica.name} ended by itself with code {code}")
            replica.start()

    def _revive(self) -> None:
        """Let all run."""
        self._restart()
        for replica in self.world.replicas:
            replica.start()

    def judge(self) -> None:
        """Wait until all is right; what is not in time lies in the outcome."""
        self._heal()
        begun = time.monotonic()
        found: list[str] = []
        said, restarts, until = "", self.outcome.restarts, begun + SETTLE_SECONDS
        while True:
            self._revive()
            if self.outcome.restarts > restarts:
                restarts = self.outcome.restarts
                until = min(begun + MOST_SETTLE_SECONDS, time.monotonic() + SETTLE_SECONDS)
            self.outcome.findings += self.recorder.take() + self._take_unasked()
            if self.outcome.findings:
                return
            with contextlib.suppress(*Unanswered):
                found = self._look()
                if not found:
                    break
                if found[0] != said:
                    said = found[0]
                    self._tell(f"not yet: {said}")
            if time.monotonic() > until:
                taken = time.monotonic() - begun
                self.outcome.findings += [f"after {taken:.0f} s {each}" for each in found]
                return
            self._waiting.wait(_LOOK_SECONDS)
        taken = time.monotonic() - begun
        self._tell(f"right after {taken:.1f} s")
        self.outcome.rounds += 1
        self.outcome.slowest_seconds = max(self.outcome.slowest_seconds, taken)
        owed = len(self.recorder.ledger.settled)
        self._say(f"  round {self.outcome.rounds}: {owed} owed, right after {taken:.1f} s")

    def _look(self) -> list[str]:
        """Hold everything against everything; what is right is owed from now on."""
        with self.recorder.lock:
            world = self.world.seen()
            wanted = wanted_of(world)
            ledger = self.recorder.ledger
            ledger.note(wanted)
            relationships = self.world.look.relationships()
            found = judge.faults(world, wanted, ledger, self.world.look.entries(), relationships)
            if self._forgets_relationships():
                found = [each for each in found if "is left, nobody asks" not in each]
            if not found:
                ledger.settle(wanted)
                self.recorder.forget_before_now()
            return found

    def _forgets_relationships(self) -> bool:
        """Whether one may be left that nobody can tell from those of others.

        An older copy of the database brings it back, and without a cluster there is no memory of
        what was made before a restart.
        """
        mode, replicas = self.world.mode, self.world.replicas
        has_restarted = any(replica.starts > 1 for replica in replicas)
        return self._has_been_restored or (not mode.needs_cluster and has_restarted)


def without(steps: list[Step], left_out: Iterable[int]) -> Iterator[Step]:
    """Give the steps but some; with the begin of a fault its end goes, and the other way round."""
    gone = set(left_out)
    pairs = {steps[number].chance for number in gone if steps[number].kind in ("begin", "end")}
    for number, step in enumerate(steps):
        if number in gone or (step.kind in ("begin", "end") and step.chance in pairs):
            continue
        yield step
