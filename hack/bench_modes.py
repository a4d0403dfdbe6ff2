"""The modes of the registrar, one Pod at a time and many at once, and what it needs meanwhile."""

import asyncio
import time
from dataclasses import dataclass

from hack.bench_burst import Size
from hack.bench_figures import Figure, percentiles, rates
from hack.bench_growth import FULL_GROWTH, QUICK_GROWTH, Growth
from hack.bench_render import rendering_rates, whole_rates
from hack.bench_world import TEMPLATES, Registrar, World

_IDLE_SECONDS = 35.0
_RENEW_SECONDS = 2.0
_PARALLEL = 32


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    singles: int
    burst: int
    total: int
    idle_seconds: float
    paced: int
    most: int
    volumes: int
    at_once: Size
    growth: Growth
    commands: int
    """How often each command is run."""


FULL = Scale(
    singles=300,
    burst=5000,
    total=10_000,
    idle_seconds=_IDLE_SECONDS,
    paced=1200,
    most=30_000,
    volumes=110,
    at_once=Size(pods=10_000, singles=50),
    growth=FULL_GROWTH,
    commands=5,
)
QUICK = Scale(
    singles=10,
    burst=100,
    total=150,
    idle_seconds=1.0,
    paced=20,
    most=200,
    volumes=5,
    at_once=Size(pods=100, singles=5),
    growth=QUICK_GROWTH,
    commands=1,
)
_PACE_SECONDS = 1 / 20


class Bench:
    """Runs the measurements in their order."""

    def __init__(self, world: World, scale: Scale) -> None:
        self._world = world
        self._scale = scale
        self._made = 0
        self.figures: list[Figure] = []
        self.wrong: list[str] = []

    async def run(self) -> None:
        """Measure everything."""
        scale = self._scale
        await self._floor()
        async with self._world.registrar() as registrar:
            self._say("one Pod at a time, no entries")
            await self._singles("empty", "p50 ≤ 15 ms, p99 ≤ 60 ms")
            await registrar.until_idle()
            self._say(f"{scale.burst} Pods as fast as the API server takes them")
            await self._burst(scale.burst, registrar, "")
            await self._burst(scale.total - self._made, registrar)
            self._say("one Pod at a time, the rest present")
            await self._singles("full", "as with none, within 20 %")
            await registrar.until_idle()
            await self._idle(registrar)
            await self._check_entries()
        await self._restart()

    async def run_manager(self) -> None:
        """Measure the controller manager's mode: templates over Pods, none of them owned."""
        scale, templates = self._scale, f"{TEMPLATES} templates"
        self._say("rendering alone")
        self.figures += [
            rates(
                "renders a second, typical ID template, 1,000 Pods a round",
                "≥ 50,000",
                rendering_rates(),
            ),
            rates("… with reading each Pod's fields", "", whole_rates()),
        ]
        async with self._world.registrar() as registrar:
            self._say(f"{templates}: one Pod at a time, no entries")
            await self._singles("empty", "p50 ≤ 15 ms, p99 ≤ 60 ms", templates)
            await registrar.until_idle()
            self._say(f"{scale.burst} Pods as fast as the API server takes them")
            await self._burst(scale.burst, registrar, f", {templates}")
            await self._burst(scale.total - self._made, registrar)
            self._say("one Pod at a time, the rest present")
            await self._singles("full", "as with none, within 20 %", templates)
            self._say("20 Pods a second")
            await self._paced()
            await registrar.until_idle()
            self._say(f"up to {scale.most} Pods")
            await self._burst(scale.most - self._made, registrar)
            await registrar.until_idle()
            await self._singles("most", "flat", templates)
            await registrar.until_idle()
            await self._idle(registrar, memory="≤ 300 MB", writes="1", templates=templates)
            await self._check_entries()
        await self._restart(templates)

    async def _paced(self) -> None:
        """Pods at a steady pace, each measured while others are under way."""
        waits: list[float] = []

        async def one(number: int, start: float) -> None:
            await asyncio.sleep(max(0.0, start - time.monotonic()))
            name = f"paced-{number}"
            began, _ = await self._world.create_pod(name, name)
            created[name] = began

        created: dict[str, float] = {}
        begun = time.monotonic() + 0.5
        async with asyncio.TaskGroup() as tasks:
            for number in range(self._scale.paced):
                tasks.create_task(one(number, begun + number * _PACE_SECONDS))
        for name, began in created.items():
            waits.append(float(await self._world.spire.ask(f"wait /{name}")) - began)
        self._made += self._scale.paced
        name = f"Pod created → SPIRE entry, 20 a second, {self._scale.total:,} entries present"
        self.figures.append(percentiles(f"{name}, {TEMPLATES} templates", "p99 ≤ 100 ms", waits))

    async def _floor(self) -> None:
        """How soon any client's watch sees a Pod."""
        self._say("the floor: a plain watch")
        seen: dict[str, float] = {}

        async def follow() -> None:
            async for name, when in self._world.watch_names():
                seen.setdefault(name, when)

        waits = []
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(follow())
            await asyncio.sleep(0.5)
            for number in range(self._scale.singles):
                began, _ = await self._world.create_pod(f"floor-{number}")
                while f"floor-{number}" not in seen:  # noqa: ASYNC110 - the resolution
                    await asyncio.sleep(0.0002)
                waits.append(seen[f"floor-{number}"] - began)
            following.cancel()
        self.figures.append(percentiles("Pod created → plain watch sees it (floor)", "", waits))

    async def _singles(self, tag: str, target: str, mode: str = "") -> None:
        whole, after = [], []
        for number in range(self._scale.singles):
            name = f"{tag}-{number}"
            began, answered = await self._world.create_pod(name, name)
            appeared = float(await self._world.spire.ask(f"wait /{name}"))
            whole.append(appeared - began)
            after.append(appeared - answered)
            self._made += 1
        most = self._scale.most if tag == "most" else self._scale.total
        present = "no" if tag == "empty" else f"{most:,}"
        present += f" entries, {mode}" if mode else " entries"
        self.figures += [
            percentiles(f"Pod created → SPIRE entry, {present} present", target, whole),
            percentiles(f"… counted from the API server's answer, {present} present", "", after),
        ]

    async def _burst(
        self, number: int, registrar: Registrar, counted_as: str | None = None
    ) -> None:
        began, before = time.monotonic(), self._made
        limit = asyncio.Semaphore(_PARALLEL)

        async def one(index: int) -> float:
            async with limit:
                name = f"burst-{index}"
                return (await self._world.create_pod(name, name))[1]

        async with asyncio.TaskGroup() as tasks:
            made = [tasks.create_task(one(before + index)) for index in range(number)]
        last = max(task.result() for task in made)
        self._made += number
        expected = self._made + self._world.extra_entries
        appeared = float(await self._world.spire.ask(f"wait-count {expected}"))
        await registrar.until_idle()
        recorded = time.monotonic()
        if counted_as is not None:
            values = {
                "last entry after last Pod, s": round(max(0.0, appeared - last), 2),
                "Pods a second": round(number / (last - began)),
                "all recorded after last Pod, s": round(recorded - last, 1),
            }
            self.figures.append(
                Figure(f"{number:,} Pods at once{counted_as}", "≤ 3 s", number, values)
            )

    async def _idle(
        self,
        registrar: Registrar,
        *,
        memory: str = "≤ 150 MB",
        writes: str = "3",
        templates: str = "",
    ) -> None:
        seconds = self._scale.idle_seconds
        self._say(f"idle for {seconds:g} s")
        resident = registrar.memory()
        used, began = registrar.cpu_seconds(), time.monotonic()
        await asyncio.sleep(seconds)
        share = (registrar.cpu_seconds() - used) / (time.monotonic() - began)
        pods = self._made
        written = await registrar.api_writes()
        mode = f", {templates}" if templates else ""
        self.figures += [
            Figure(
                f"memory at {pods:,} Pods, MB{mode}",
                memory,
                1,
                {name: float(value) for name, value in resident.items()},
            ),
            Figure(f"idle CPU, % of one core{mode}", "< 1 %", 1, {"share": round(share * 100, 2)}),
            Figure(f"API writes per Pod{mode}", writes, pods, {"writes": round(written / pods, 2)}),
        ]

    async def _check_entries(self) -> None:
        entries = int(await self._world.spire.ask("entries"))
        if entries != self._made + self._world.extra_entries:
            self.wrong.append(f"{entries} entries for {self._made} Pods")

    async def _restart(self, mode: str = "") -> None:
        self._say("a restart with nothing to do")
        before = await self._world.spire.ask("writes")
        began = time.monotonic()
        async with self._world.registrar() as registrar:
            ready = time.monotonic() - began
            await registrar.until_idle()
            spire_writes = int(await self._world.spire.ask("writes")) - int(before)
            api_writes = await registrar.api_writes()
            # It takes the Lease of its prefix, and renews that.
            of_the_lease = 1 + int((time.monotonic() - began) / _RENEW_SECONDS)
            memory = registrar.memory()
        values = {
            "ready, s": round(ready, 2),
            "SPIRE writes": float(spire_writes),
            "API writes": float(api_writes),
            "resident, MB": float(memory["resident"]),
        }
        name = f"start with {self._made:,} entries, nothing to do{mode and ', '}{mode}"
        # The limit is one for 10,000 entries; the other mode starts with three times as many.
        target = "0 SPIRE writes" if mode else "≤ 6 s, 0 SPIRE writes"
        self.figures.append(Figure(name, target, 1, values))
        if spire_writes or api_writes > of_the_lease:
            self.wrong.append(f"a start with nothing to do wrote {spire_writes} and {api_writes}")

    @staticmethod
    def _say(text: str) -> None:
        say(text)


def say(text: str) -> None:
    """Tell what is being measured."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)
