"""Rolling updates of two replicas under load, as a Deployment does them: one more, then one less.

Every write to SPIRE is written down, with who held the Lease when it came. What must not be is
a matter of order (see `terms`); how long nobody wrote, and how long a process took to stop, is
measured. A second part stops replicas while the SPIRE server hangs, or the API server is slow.
"""

import dataclasses
import itertools
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from hack.processes import ServerError
from hack.soak import terms
from hack.soak.apiproxy import Write
from hack.soak.load import Load
from hack.soak.modes import Mode
from hack.soak.replica import Replica
from hack.soak.terms import Written
from hack.soak.world import World

SLOTS = 4
"""Two replicas, the one that comes in excess, and one that has been told to end."""

_PATIENCE_SECONDS = 90.0
_LOOK_SECONDS = 0.05
_WRITES_BETWEEN = 5
"""Writes of the leader that are seen before the next replica is replaced."""

Say = Callable[[str], None]


@dataclasses.dataclass(slots=True)
class Rolled:
    """What came of it.

    `gaps` are seconds without a write for each change of the leader while all was well, `stops`
    seconds from SIGTERM to the end, by what was wrong then.
    """

    writes: list[Written] = dataclasses.field(default_factory=list)
    findings: list[str] = dataclasses.field(default_factory=list)
    stops: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    gaps: list[float] = dataclasses.field(default_factory=list)
    made: int = 0
    updates: int = 0

    def told(self) -> str:
        """Say it in a few lines."""
        lines = [
            f"{self.updates} updates, {self.made} Pods made, {len(self.writes)} writes to SPIRE",
            terms.summed("from the last write of a leader to the first of the next", self.gaps),
        ]
        lines += [
            terms.summed(f"from SIGTERM to the end, {why}", seconds)
            for why, seconds in self.stops.items()
        ]
        return "\n".join(lines)


class WriteLog:
    """Writes down what all replicas send to SPIRE; its methods run on the proxies' loop."""

    def __init__(self) -> None:
        self.writes: list[Written] = []
        self._order = itertools.count(1)
        self._open: dict[tuple[str, int], Written] = {}

    def listen(self, replica: Replica) -> None:
        """Hear of the writes of one."""
        api = replica.api
        if api is None:
            raise ValueError(f"{replica.name} has no API server, so no Lease")

        async def before(write: Write) -> None:
            writer = _process(replica)
            written = Written(writer, write.name, next(self._order), time.monotonic())
            self._open[replica.name, write.number] = written
            self.writes.append(written)
            mine, holder = api.identity, await api.held_by()
            if holder is not None:
                written.holder = writer if holder and holder == mine else holder or "nobody"

        async def after(write: Write) -> None:
            self._open[replica.name, write.number].is_answered = True

        def over(write: Write) -> None:
            written = self._open.pop((replica.name, write.number))
            written.ended, written.ended_at = next(self._order), time.monotonic()

        replica.spire.before, replica.spire.after, replica.spire.over = before, after, over

    def unanswered(self) -> list[str]:
        """Return the writes that were given up before the server had answered."""
        return [
            f"a write ({write.name}) of {write.writer} was cut off"
            for write in self.writes
            if write.ended and not write.is_answered
        ]


def rolled(
    mode: Mode,
    updates: int,
    *,
    seed: int,
    say: Say,
    folder: Path,
    troubled_stops: int = 3,
    stop_seconds: float = 10.0,
) -> Rolled:
    """Make so many updates, then stop so many replicas in each of the troubles.

    One that takes longer than `stop_seconds` to stop is a finding.

    Raises:
        ServerError: a server did not start, or a replica did not become ready.

    """
    if not mode.elects:
        raise ServerError(f"the mode {mode.name} elects no leader: it has one replica")
    # The times are those that are shipped.
    mode = dataclasses.replace(mode, replicas=SLOTS, lease_seconds=15, retry="2s")
    outcome = Rolled()
    with World(mode, folder) as world, ThreadPoolExecutor(SLOTS) as threads:
        chance = random.Random(seed)  # noqa: S311 - no secret
        rolling = _Rolling(world, outcome, chance, threads, stop_seconds)
        try:
            rolling.run(updates, say, troubled_stops)
        finally:
            outcome.writes = rolling.log.writes
        world.is_kept = bool(outcome.findings)
    return outcome


class _Rolling:
    """The replicas of one Deployment, oldest first."""

    def __init__(
        self,
        world: World,
        outcome: Rolled,
        chance: random.Random,
        threads: ThreadPoolExecutor,
        stop_seconds: float,
    ) -> None:
        self.log = WriteLog()
        self._world = world
        self._outcome = outcome
        self._chance = chance
        self._threads = threads
        self._stop_seconds = stop_seconds
        self._waiting = threading.Event()
        self._running: list[Replica] = []
        self._stopping: dict[str, Future[None]] = {}
        for replica in world.replicas:
            self.log.listen(replica)

    def run(self, updates: int, say: Say, troubled_stops: int) -> None:
        for _ in range(2):
            self._add()
        with Load(self._world.plane.kubeconfig, self._world.mode) as load:
            self._wait_for_writes()
            for number in range(updates):
                self._update()
                self._outcome.updates += 1
                say(f"  update {number + 1}: {len(self.log.writes)} writes so far")
            self._settle()
            self._outcome.findings += self.log.unanswered()
            self._outcome.gaps = terms.gaps(self.log.writes)
            self._stop_in_trouble(say, troubled_stops)
            self._outcome.made = load.made
        self._outcome.findings += terms.faults(self.log.writes)

    def _update(self) -> None:
        """Replace both, whichever first."""
        old = list(self._running)
        self._chance.shuffle(old)
        for replica in old:
            self._add()
            self._stop(replica, "all well")
            self._wait_for_writes()

    def _add(self) -> None:
        """Start one more, and wait until it is ready."""
        free = [
            replica
            for replica in self._world.replicas
            if replica not in self._running and replica.name not in self._unfinished()
        ]
        replica = free[0]
        if replica.api is not None:
            replica.api.identity = ""
        replica.start()
        self._wait(f"{replica.name} is ready", replica.is_ready)
        self._running.append(replica)

    def _stop(self, replica: Replica, why: str) -> None:
        """Tell one to end; it is not waited for."""
        self._running.remove(replica)
        begun = time.monotonic()

        def stop() -> None:
            in_order = replica.stop(self._stop_seconds)
            self._outcome.stops.setdefault(why, []).append(time.monotonic() - begun)
            if not in_order:
                self._outcome.findings.append(f"{replica.name} did not stop in order: {why}")

        self._stopping[replica.name] = self._threads.submit(stop)

    def _unfinished(self) -> list[str]:
        return [name for name, stopping in self._stopping.items() if not stopping.done()]

    def _settle(self) -> None:
        for stopping in self._stopping.values():
            stopping.result(_PATIENCE_SECONDS)

    def _wait_for_writes(self) -> None:
        """Wait until whoever runs has written a few times more."""
        before = len(self.log.writes)
        names = {_process(replica) for replica in self._running}

        def have_come() -> bool:
            new = self.log.writes[before:]
            return sum(write.writer in names for write in new) >= _WRITES_BETWEEN

        self._wait("the leader writes", have_come)

    def _wait(self, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise ServerError(f"not in {_PATIENCE_SECONDS:.0f} s: {what}")
            self._waiting.wait(_LOOK_SECONDS)

    def _stop_in_trouble(self, say: Say, times: int) -> None:
        """Stop the leader while something is wrong, each time with the other one ready."""
        plane, spire = self._world.plane, self._world.spire
        troubles: list[tuple[str, Callable[[], None], Callable[[], None]]] = [
            ("while SPIRE hangs", spire.hang, spire.resume),
            ("while the API server is slow", lambda: self._delay(1.0), lambda: self._delay(0.0)),
            (
                "while the API server hangs",
                lambda: plane.hang("kube-apiserver"),
                lambda: plane.resume("kube-apiserver"),
            ),
        ]
        for why, begin, end in troubles:
            for _ in range(times):
                leader = self._leader()
                self._add()
                begin()
                try:
                    # So that something is under way.
                    self._waiting.wait(0.5)
                    self._stop(leader, why)
                    self._settle()
                finally:
                    end()
                self._wait_for_writes()
            if times:
                say(f"  {terms.summed(why, self._outcome.stops[why])}")

    def _leader(self) -> Replica:
        writer = self.log.writes[-1].writer
        return next((r for r in self._running if _process(r) == writer), self._running[0])

    def _delay(self, seconds: float) -> None:
        for replica in self._world.replicas:
            if replica.api is not None:
                replica.api.trouble.delay_seconds = seconds


def _process(replica: Replica) -> str:
    return f"{replica.name}, start {replica.starts}"
