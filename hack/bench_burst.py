"""A mass of Pods at once, for each controller and each database, beside what SPIRE itself needs.

The load is the same for all: some Pods one by one, then all at once, with one of another namespace
now and then, then again some one by one, first while the controller still writes down what it did,
then when it rests.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hack.bench_bare import BATCH, Step
from hack.bench_figures import Figure, percentiles
from hack.bench_server import Database, bare_run, cpu_seconds, load_average
from hack.bench_world import BYSTANDERS, Registrar, World, open_world

_PARALLEL = 32
_BYSTANDER_SECONDS = 0.5
_SINGLES_SECONDS = 30.0
"""Who takes longer for so many Pods one by one has fewer samples."""
_SPIRE_SHARE, _PEER_SHARE = 1.3, 0.7
_POINTS = 100
"""Points of a curve."""


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    pods: int
    singles: int


@dataclass(frozen=True)
class Subject:
    """A controller: what it is called, its mode, and for one that is not ours its command."""

    title: str
    manager: bool = True
    against: str = ""


OURS = (Subject("ours, controller manager's mode"), Subject("ours, layered mode", manager=False))


def peer(command: str) -> Subject:
    """Another controller, which reads a controller manager's configuration."""
    return Subject(Path(command.split(maxsplit=1)[0]).name, against=command)


@dataclass(frozen=True)
class Ends:
    """When the last entry of a burst was there, in seconds after its first and its last Pod."""

    after_first: float
    after_last: float


@dataclass
class Curve:
    """Something over something: seconds or numbers, in order."""

    title: str
    points: list[tuple[float, float]]


@dataclass
class Measured:
    """What came of it."""

    figures: list[Figure] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    bursts: list[Curve] = field(default_factory=list)
    """Entries over seconds since the first Pod."""
    creates: list[Curve] = field(default_factory=list)
    """The server's CPU time for one entry, in ms, over the entries that are there."""


class Burst:
    """One controller on one database."""

    def __init__(self, world: World, subject: Subject, database: Database, size: Size) -> None:
        self._world = world
        self._size = size
        self._name = f"{subject.title}; {database.title}"
        self._began: dict[str, float] = {}
        self.measured = Measured()

    async def run(self, subject: Subject) -> Ends:
        """Measure; gives when the last entry of the burst was there."""
        async with self._world.registrar(subject.against) as controller:
            await self._singles("empty", "one Pod, no entries")
            await controller.until_idle()
            ends = await self._burst(controller)
            await self._singles("behind", "one Pod, just after the burst")
            await controller.until_idle()
            self._percentiles(f"one Pod, {len(self._began):,} entries", await self._made("full"))
            resident = controller.memory()["highest"]
            self._figure("memory, highest, MB", 1, {"": float(resident)})
        return ends

    async def _singles(self, tag: str, title: str) -> None:
        self._percentiles(title, await self._made(tag))

    async def _made(self, tag: str) -> list[float]:
        """How long each of some Pods, one by one, waits for its entry."""
        waits: list[float] = []
        end = time.monotonic() + _SINGLES_SECONDS
        for number in range(self._size.singles):
            if time.monotonic() > end:
                break
            name = f"{tag}-{number}"
            self._began[name], _ = await self._world.create_pod(name, name)
            appeared = float(await self._world.spire.ask(f"wait /{name}"))
            waits.append(appeared - self._began[name])
        return waits

    async def _burst(self, controller: Registrar) -> Ends:
        spire, pods = self._world.spire, self._size.pods
        used = controller.cpu_seconds(), cpu_seconds(spire.pid)
        first, answers = time.monotonic(), []
        limit = asyncio.Semaphore(_PARALLEL)

        async def one(number: int) -> None:
            async with limit:
                name = f"burst-{number}"
                self._began[name], answered = await self._world.create_pod(name, name)
                answers.append(answered)

        async def bystanders() -> None:
            number = 0
            while True:
                await asyncio.sleep(_BYSTANDER_SECONDS)
                name = f"other-{number}"
                began, _ = await self._world.create_pod(name, name, namespace=BYSTANDERS)
                self._began[name] = began
                number += 1

        async with asyncio.TaskGroup() as tasks:
            others = tasks.create_task(bystanders())
            async with asyncio.TaskGroup() as makers:
                for number in range(pods):
                    makers.create_task(one(number))
            last_entry = float(await spire.ask(f"wait-all {pods} /burst-"))
            others.cancel()
        load = load_average()
        ends = Ends(last_entry - first, max(0.0, last_entry - max(answers)))
        values = {
            "last entry after last Pod, s": round(ends.after_last, 1),
            "last entry after first Pod, s": round(ends.after_first, 1),
            "Pods a second": float(round(pods / (max(answers) - first))),
            "CPU of the controller, s": round(controller.cpu_seconds() - used[0], 1),
            "CPU of SPIRE, s": round(cpu_seconds(spire.pid) - used[1], 1),
            "load average": load,
        }
        self._figure(f"{pods:,} Pods at once", pods, values)
        await self._spread(first)
        return ends

    async def _spread(self, first: float) -> None:
        """How long each Pod of the burst waited, and each of the other namespace."""
        others = [name for name in self._began if name.startswith("other-")]
        if others:
            await self._world.spire.ask(f"wait-all {len(others)} /other-")
        times: Mapping[str, float] = json.loads(await self._world.spire.ask("times"))

        def waits(prefix: str) -> list[float]:
            began = self._began.items()
            return [times[f"/{n}"] - t for n, t in began if n.startswith(prefix)]

        self._percentiles("… each of them", waits("burst-"))
        if others:
            self._percentiles("… a Pod of another namespace meanwhile", waits("other-"))
        ends = sorted(when - first for path, when in times.items() if path.startswith("/burst-"))
        self.measured.bursts.append(
            Curve(self._name, thinned([(end, n + 1.0) for n, end in enumerate(ends)]))
        )

    def _percentiles(self, title: str, seconds: list[float]) -> None:
        self.measured.figures.append(percentiles(f"{self._name}: {title}", "", seconds))

    def _figure(self, title: str, samples: int, values: dict[str, float]) -> None:
        self.measured.figures.append(Figure(f"{self._name}: {title}", "", samples, values))


def thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """As many points as a picture shows, the last one among them."""
    step = max(1, len(points) // _POINTS)
    return [*points[:-1:step], *points[-1:]]


async def measure_bursts(
    size: Size,
    subjects: list[Subject],
    databases: list[Database],
    say: Callable[[str], None],
) -> Measured:
    """Measure every controller on every database, one after the other."""
    whole = Measured()
    for database in databases:
        alone: dict[bool, float] = {}
        for selectors in (False, True):
            title = database.title + (", a selector in common" if selectors else "")
            say(f"{title}: a bare client")
            steps = await _bare(database, size.pods, shares_selector=selectors)
            alone[selectors] = sum(step.seconds_per_entry * BATCH for step in steps)
            whole.figures.append(_bare_figure(title, size.pods, steps, alone[selectors]))
            points = [(float(s.present), s.cpu_seconds_per_entry * 1000) for s in steps]
            whole.creates.append(Curve(title, points))
        ends: dict[Subject, Ends] = {}
        for subject in subjects:
            say(f"{database.title}: {subject.title}")
            async with open_world(database, manager=subject.manager) as world:
                burst = Burst(world, subject, database, size)
                ends[subject] = await burst.run(subject)
            whole.figures += burst.measured.figures
            whole.bursts += burst.measured.bursts
        whole.figures += _compared(database, ends, alone)
    return whole


async def _bare(database: Database, entries: int, *, shares_selector: bool) -> list[Step]:
    with tempfile.TemporaryDirectory() as folder:
        return await bare_run(database, entries, Path(folder), shares_selector=shares_selector)


def _bare_figure(title: str, entries: int, steps: list[Step], seconds: float) -> Figure:
    """What SPIRE needs alone: in all, and for one entry at the beginning and at the end."""
    few = max(1, len(steps) // 10)

    def of_one(some: list[Step]) -> float:
        return round(sum(step.cpu_seconds_per_entry for step in some) / len(some) * 1000, 2)

    values = {
        "all, s": round(seconds, 1),
        "CPU of SPIRE, s": round(sum(step.cpu_seconds_per_entry * BATCH for step in steps), 1),
        "CPU of one at first, ms": of_one(steps[:few]),
        f"CPU of one at {entries:,}, ms": of_one(steps[-few:]),
        "load average": load_average(),
    }
    return Figure(f"SPIRE's own time; {title}", "", entries, values)


def _compared(
    database: Database, ends: Mapping[Subject, Ends], alone: Mapping[bool, float]
) -> list[Figure]:
    """Our times as shares of SPIRE's own and of the peers'.

    ``alone`` is what a bare client needs for as many entries, without and with a selector in
    common, which the entries of the layered mode have.
    """
    figures: list[Figure] = []
    for own in ends:
        if own.against:
            continue
        share = ends[own].after_first / alone[not own.manager]
        whose = "last entry after first Pod, as a share of SPIRE's own time"
        figures.append(_share(f"{own.title}, {whose}; {database.title}", _SPIRE_SHARE, share))
        for other in ends:
            if other.against and ends[other].after_last > 0:
                share = ends[own].after_last / ends[other].after_last
                whose = f"last entry after last Pod, as a share of {other.title}'s"
                title = f"{own.title}, {whose}; {database.title}"
                figures.append(_share(title, _PEER_SHARE, share))
    return figures


def _share(title: str, target: float, share: float) -> Figure:
    return Figure(title, f"≤ {target:g}", 1, {"share": round(share, 2)})
