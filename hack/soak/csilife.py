"""The soak of the node driver: one real node, Pods that come and go, and faults of the node.

A watch looks at every volume a few times a second, as readers do: all files are there, whole and of
one moment, of the right ID, the key is the certificate's, nothing is older than before, and nothing
expires while the agent could renew it.
"""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from hack.node.cluster import Cluster
from hack.node.fleet import Fleet, deploy
from hack.node.preparation import may_install, prepare
from hack.node.svidwatch import SVIDWatch
from hack.node.waiting import wait_for
from hack.processes import ServerError
from hack.soak.csifaults import ACTIONS, FAULTS, NodeFault, Scene, renew
from hack.soak.outcome import Outcome, Say, play
from hack.soak.plan import Step, round_of

NAME = "csi"
ROUNDS, STEPS, AT_ONCE = 30, 6, 2
_PAUSES = (0.5, 1.0, 2.0, 3.0)
_FAULTS = {fault.name: fault for fault in FAULTS}
_BEGIN = 6


def planned(seed: int, only: Iterable[str] = (), at_once: int | None = None) -> list[Step]:
    """Return the steps of one life of the node; `only` are the faults that may come."""
    chance = random.Random(f"{NAME} {seed}")  # noqa: S311 - no secret
    faults = [fault for fault in FAULTS if fault.name in set(only)] or list(FAULTS)
    steps = [Step("act", "create-pod", chance.randrange(2**30)) for _ in range(_BEGIN)]
    steps.append(Step("judge"))
    for _ in range(ROUNDS):
        steps += round_of(
            chance,
            sorted(ACTIONS),
            faults,
            steps=STEPS,
            at_once=at_once or AT_ONCE,
            pauses=_PAUSES,
        )
    return steps


def live(steps: list[Step], *, say: Say, until: float, folder: Path) -> Outcome:
    """Do the steps on a fresh node, up to the first finding or until that time, a round whole.

    Raises:
        ToolError: the machine lacks something that a node needs.
        ServerError: the node did not start.

    """
    outcome = Outcome(folder=folder)
    archives = prepare(say, install=may_install())
    folder.mkdir(parents=True)
    cluster = Cluster(folder.resolve())
    cluster.start(archives, say, outlive_us=False)
    try:
        deploy(cluster)
        with SVIDWatch() as watch:
            life = _Life(Fleet(cluster, watch), outcome, say)
            play(steps, life.do, outcome, until)
            outcome.looks = watch.looks
    finally:
        if outcome.findings:
            # The logs stay.
            cluster.sandbox.stop()
        else:
            cluster.stop()
    return outcome


class _Life:
    """Does steps on a node."""

    def __init__(self, fleet: Fleet, outcome: Outcome, say: Say) -> None:
        self._fleet = fleet
        self._outcome = outcome
        self._say = say
        self._unended: list[tuple[NodeFault, Step]] = []
        self._waiting = threading.Event()

    def do(self, step: Step) -> None:
        """Do a step; what is found lies in the outcome."""
        scene = Scene(self._fleet, random.Random(step.chance))  # noqa: S311 - no secret
        if step.kind == "judge":
            self._judge()
            return
        if step.kind == "act":
            self._outcome.actions += 1
            with contextlib.suppress(ServerError):
                ACTIONS[step.name](scene)
        elif step.kind == "begin":
            self._begin(step, scene)
        else:
            self._end(step, scene)
        self._outcome.findings += self._fleet.watch.faults()
        self._waiting.wait(step.pause_seconds)

    def _begin(self, step: Step, scene: Scene) -> None:
        fault = _FAULTS[step.name]
        self._outcome.faults[fault.name] += 1
        self._fleet.watch.may_expire |= fault.may_expire
        self._unended.append((fault, step))
        # Who is to be killed may just be away.
        with contextlib.suppress(ServerError):
            fault.begin(scene)

    def _end(self, step: Step, scene: Scene) -> None:
        for each in [each for each in self._unended if each[1].chance == step.chance]:
            try:
                each[0].end(scene)
            except ServerError:
                continue  # tried again before the judge comes
            self._unended.remove(each)

    def _judge(self) -> None:
        begun = time.monotonic()
        with self._told_in_time("every fault ends"):
            wait_for("every fault is ended", self._is_healed)
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("every Pod runs", self._wait_until_all_run),
            ("nothing is left over", self._wait_until_clean),
            ("every SVID is renewed", self._wait_until_rotated),
        )
        for what, wait in steps:
            if not self._outcome.findings:
                with self._told_in_time(what):
                    wait()
        self._outcome.findings += self._fleet.watch.faults() + self._fleet.complaints()
        if self._outcome.findings:
            return
        self._fleet.watch.may_expire = False
        taken = time.monotonic() - begun
        self._outcome.rounds += 1
        self._outcome.slowest_seconds = max(self._outcome.slowest_seconds, taken)
        number = len(self._fleet.watch.serials())
        self._say(f"  round {self._outcome.rounds}: {number} volumes, right after {taken:.1f} s")
        with self._told_in_time("what was restarted often is replaced"):
            self._renew()

    @contextlib.contextmanager
    def _told_in_time(self, what: str) -> Iterator[None]:
        try:
            yield
        except ServerError as error:
            self._outcome.findings.append(f"{what}: {error}")

    def _is_healed(self) -> bool:
        for _, step in list(self._unended):
            self._end(step, Scene(self._fleet, random.Random(step.chance)))  # noqa: S311
        return not self._unended

    def _wait_until_all_run(self) -> None:
        pods = self._fleet.pods().values()
        names = [pod.metadata.name for pod in pods if not pod.metadata.deletion_timestamp]
        self._fleet.wait_running(names)

    def _wait_until_clean(self) -> None:
        self._fleet.wait_until_clean()
        # The kubelet complains of a Pod's folder for as long as a mount for it is under way.
        self._fleet.complaints()

    def _wait_until_rotated(self) -> None:
        """Who could not renew for a while may have done it just before: then twice."""
        for _ in range(2 if self._fleet.watch.may_expire else 1):
            self._fleet.wait_until_rotated(self._fleet.serials())

    def _renew(self) -> None:
        self._fleet.watch.may_expire = True
        worn = renew(self._fleet)
        if worn:
            wait_for("the Pods are gone", lambda: not {*worn} & {*self._fleet.pods()})
            self._fleet.make(worn)
        self._wait_until_all_run()
        self._fleet.watch.may_expire = False
