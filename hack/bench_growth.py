"""What a cluster does to a registrar as it grows, on one server that keeps what came before.

One Pod at a time with ever more of them present, Pods that come and go, and what touches many at
once: a restart of a deployment, an edit of a template, a label of a Namespace, a Node that goes.
All of it in the controller manager's mode, with templates over Pods on many Nodes.
"""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from api.codec import JSONObject
from hack.bench_figures import Figure, percentiles
from hack.bench_relay import relays
from hack.bench_server import cpu_seconds
from hack.bench_world import BYSTANDERS, Registrar, World

_PARALLEL = 32
_BYSTANDER_SECONDS = 0.5
_MOVED = "moved"
_WHO = ("registrar", "SPIRE")
_CALLS = "spire_registrar_"
_TEMPLATE = "template-0"
"""The one of the world's templates that selects the Pods."""


@dataclass(frozen=True)
class Growth:
    """How much is measured."""

    steps: tuple[int, ...] = (0, 10_000, 20_000, 30_000)
    """How many Pods are there when some come one by one."""
    singles: int = 200
    churn: tuple[int, ...] = (20, 100, 300)
    """Pods a second that come, and as many that go."""
    churn_seconds: int = 20
    restarted: int = 1_000
    moved: int = 5_000
    on_a_node: int = 110
    counted: int = 1_000
    """Pods of which the bytes are counted."""


FULL_GROWTH = Growth()
QUICK_GROWTH = Growth((0, 50), 5, (20,), 2, 20, 20, 5, 20)


class Growing:
    """The measurements in their order."""

    def __init__(self, world: World, growth: Growth, say: Callable[[str], None]) -> None:
        self._world = world
        self._growth = growth
        self._say = say
        self._numbers = itertools.count()
        self._present: list[str] = []
        """The Pods that the template selects, the oldest first."""
        self.figures: list[Figure] = []
        self.wrong: list[str] = []

    async def run(self) -> None:
        """Measure everything."""
        growth = self._growth
        await self._bytes()
        async with self._world.registrar() as registrar:
            for step in growth.steps:
                await self._grow(registrar, step)
                await registrar.until_idle()
                await self._singles(f"one Pod, {step:,} present")
            await self._of_each_pod(registrar)
            # From here on records are still being written for what came before.
            for rate in growth.churn:
                await self._churn(registrar, rate)
            await self._replace()
            await self._move()
            await self._lose_node()
            await self._edit()
        await self._start()

    async def _grow(self, registrar: Registrar, number: int) -> None:
        wanted = number - len(self._present)
        if wanted <= 0:
            return
        self._say(f"up to {number:,} Pods")
        with self._used(registrar) as used:
            began = time.monotonic()
            names = await self._create(wanted)
            created = time.monotonic() - began
            await self._until_there(names)
        values = {
            "last Pod, s": created,
            "last entry, s": used["seconds"],
            "CPU of the registrar for one, ms": used["registrar"] / wanted * 1000,
            "CPU of SPIRE for one, ms": used["SPIRE"] / wanted * 1000,
        }
        self._figure(f"{wanted:,} more Pods at once, up to {number:,}", wanted, values)

    async def _singles(self, title: str) -> None:
        waits = []
        for _ in range(self._growth.singles):
            name = self._new_name()
            began, _ = await self._world.create_pod(name, name)
            waits.append(float(await self._world.spire.ask(f"wait /{name}")) - began)
        self._note(percentiles(title, "p99 flat, within 25 %", waits))

    async def _of_each_pod(self, registrar: Registrar) -> None:
        """What a Pod costs, all told, when everything about it is done."""
        await registrar.until_idle()
        most, pods, metrics = registrar.memory()["highest"], len(self._present), dict[str, float]()
        for name, value in (await registrar.metrics()).items():
            series = name.partition("{")[0]
            metrics[series] = metrics.get(series, 0.0) + value
        values = {
            "memory, highest, MB": float(most),
            "memory for each, all told, kB": most * 1000 / pods,
            "CPU for each, ms": registrar.cpu_seconds() / pods * 1000,
            "calls to the API server for each": metrics[f"{_CALLS}kube_call_seconds_count"] / pods,
            "calls to SPIRE for each": metrics[f"{_CALLS}spire_call_seconds_count"] / pods,
        }
        self._figure(f"{pods:,} Pods", 1, values)

    async def _churn(self, registrar: Registrar, rate: int) -> None:
        """Pods come and go at a steady pace, as far as the API server takes them."""
        self._say(f"{rate} Pods a second come, and as many go")
        number = rate * self._growth.churn_seconds
        going, self._present = self._present[:number], self._present[number:]
        coming = [self._new_name() for _ in range(number)]
        entries, start = await self._world.spire.entries(), time.monotonic() + 0.1

        async def at_its_time(index: int) -> None:
            await asyncio.sleep(max(0.0, start + index / rate - time.monotonic()))

        async def come(index: int) -> None:
            await at_its_time(index)
            began[coming[index]], _ = await self._world.create_pod(coming[index], coming[index])

        async def go(index: int) -> None:
            await at_its_time(index)
            await self._world.delete_pod(going[index])

        began: dict[str, float] = {}
        await self._world.spire.ask("exact")
        with self._used(registrar) as used:
            async with asyncio.TaskGroup() as tasks:
                for index in range(number):
                    tasks.create_task(come(index))
                for index in range(len(going)):
                    tasks.create_task(go(index))
        await self._until_there(coming)
        await self._world.spire.ask("sparing")
        # What comes next counts entries: those of Pods that went must be gone.
        await self._world.spire.until(self._world.spire.entries, entries)
        title = f"{rate} Pods a second come and go, {len(self._present):,} present"
        self._note(percentiles(title, "", await self._waits(began)))
        shares = {f"{who}, % of a core": used[who] / used["seconds"] * 100 for who in _WHO}
        values = {"Pods a second": number / used["seconds"], **shares, "machine, %": used["busy"]}
        self._figure("… what it took", number, values)

    async def _replace(self) -> None:
        """Each of some Pods goes and another one comes, as when a deployment is restarted."""
        number = min(self._growth.restarted, len(self._present))
        self._say(f"{number:,} Pods are replaced")
        old, self._present = self._present[:number], self._present[number:]
        entries, start = await self._world.spire.entries(), time.monotonic()
        began: dict[str, float] = {}

        async def replace(name: str) -> None:
            successor = self._new_name()
            began[successor], _ = await self._world.create_pod(successor, successor)
            await self._world.delete_pod(name)

        await self._each(replace, old)
        values = {"all Pods, s": time.monotonic() - start}
        await self._until_there(began)
        values["all new entries, s"] = time.monotonic() - start
        await self._world.spire.until(self._world.spire.entries, entries)
        values["old ones gone, s"] = time.monotonic() - start
        self._figure(f"{number:,} Pods replaced", number, values)
        self._note(percentiles("… each of them", "", await self._waits(began)))

    async def _move(self) -> None:
        """A label of a Namespace makes a template select all of its Pods."""
        number = self._growth.moved
        self._say(f"a Namespace with {number:,} Pods gets a label")
        await self._world.kubectl("create", "namespace", _MOVED)
        template: JSONObject = {
            "apiVersion": "spire.spiffe.io/v1alpha1",
            "kind": "ClusterSPIFFEID",
            "metadata": {"name": _MOVED},
            "spec": {
                "spiffeIDTemplate": f"spiffe://{{{{.TrustDomain}}}}/{_MOVED}/{{{{.PodMeta.Name}}}}",
                "namespaceSelector": {"matchLabels": {_MOVED: "yes"}},
            },
        }
        await self._world.kubectl("apply", "-f", "-", stdin=json.dumps(template))
        names = [f"{_MOVED}-{index}" for index in range(number)]
        await self._each(lambda name: self._world.create_pod(name, namespace=_MOVED), names)
        start = time.monotonic()
        await self._world.kubectl("label", "namespace", _MOVED, f"{_MOVED}=yes")
        others, ended = await self._others_until(f"wait-all {number} /{_MOVED}/")
        values = {"all entries, s": ended - start}
        self._figure(f"a Namespace's label selects {number:,} Pods", number, values)
        self._bystanders(others)

    async def _lose_node(self) -> None:
        """A Node goes, and its Pods with it."""
        number, node = self._growth.on_a_node, "bench-node-lost"
        self._say(f"a Node goes with {number} Pods")
        document = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}
        await self._world.kubectl("apply", "-f", "-", stdin=json.dumps(document))
        entries = await self._world.spire.entries()
        names = [f"lost-{index}" for index in range(number)]
        await self._each(lambda name: self._world.create_pod(name, name, node=node), names)
        await self._world.spire.until(self._world.spire.entries, entries + number)
        start = time.monotonic()
        await self._world.kubectl("delete", "node", node)
        await self._each(self._world.delete_pod, names)
        pods_gone = time.monotonic() - start
        await self._world.spire.until(self._world.spire.entries, entries)
        values = {"all Pods, s": pods_gone, "all entries, s": time.monotonic() - start}
        self._figure(f"a Node goes with {number} Pods", number, values)

    async def _edit(self) -> None:
        """A template's lifetimes are edited, which changes entries in place; then its IDs."""
        number, spire = len(self._present), self._world.spire
        self._say(f"a template over {number:,} Pods is edited")
        writes, entries, start = await spire.writes(), await spire.entries(), time.monotonic()
        await self._patch({"ttl": "30m"})
        others, ended = await self._others_until(f"wait-writes {writes + number}")
        values = {"lifetimes, all entries, s": ended - start}
        start = time.monotonic()
        await self._patch({"spiffeIDTemplate": "spiffe://{{.TrustDomain}}/e/{{.PodMeta.Name}}"})
        await spire.ask(f"wait-all {number} /e/")
        values["IDs, all new entries, s"] = time.monotonic() - start
        await spire.until(spire.entries, entries + len(others))
        values["IDs, old ones gone, s"] = time.monotonic() - start
        self._figure(f"a template over {number:,} Pods edited", number, values)
        self._bystanders(others)

    async def _start(self) -> None:
        """Start with all that is there, and nothing to do."""
        entries = await self._world.spire.entries()
        self._say(f"a start with {entries:,} entries")
        writes, began = await self._world.spire.writes(), time.monotonic()
        async with self._world.registrar() as registrar:
            values = {"ready, s": time.monotonic() - began}
            written = await self._world.spire.writes() - writes
            values |= {"SPIRE writes": float(written), "MB": float(registrar.memory()["highest"])}
        self._figure(f"start with {entries:,} entries", 1, values)
        if written:
            self.wrong.append(f"a start with nothing to do wrote {written} entries")

    async def _bytes(self) -> None:
        """What passes for each Pod that comes, to and from both servers, records included."""
        world, number = self._world, self._growth.counted
        self._say(f"the bytes of {number:,} Pods")
        async with (
            relays(world.api_port, world.spire.socket) as passed,
            world.registrar(through=passed) as registrar,
        ):
            await registrar.until_idle()
            entries = await world.spire.entries()
            api, spire = passed.api.both, passed.spire.both
            await self._until_there(await self._create(number))
            await registrar.until_idle()
            values = {
                "API server, for each, kB": (passed.api.both - api) / number / 1000,
                "SPIRE, for each, kB": (passed.spire.both - spire) / number / 1000,
            }
            await self._each(self._world.delete_pod, self._present)
            self._present.clear()
            await world.spire.until(world.spire.entries, entries)
        self._figure(f"bytes of {number:,} Pods at once", number, values)

    async def _others_until(self, question: str) -> tuple[list[float], float]:
        """How long Pods of another namespace wait until something is so, and when it was."""
        began: dict[str, float] = {}

        async def come() -> None:
            for index in itertools.count():
                name = f"other-{len(question)}-{index}"
                began[name], _ = await self._world.create_pod(name, name, namespace=BYSTANDERS)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_BYSTANDER_SECONDS):
                        await enough.wait()
                        return

        enough = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(come())
            ended = float(await self._world.spire.ask(question))
            enough.set()
        await self._until_there(began)
        return await self._waits(began), ended

    def _bystanders(self, waits: list[float]) -> None:
        title = "… a Pod of another namespace meanwhile"
        self._note(percentiles(title, "p99 ≤ 500 ms", waits))

    async def _patch(self, spec: JSONObject) -> None:
        patch = json.dumps({"spec": spec})
        arguments = (
            "patch",
            "clusterspiffeids.spire.spiffe.io",
            _TEMPLATE,
            "--type=merge",
            "--patch",
            patch,
        )
        await self._world.kubectl(*arguments)

    @contextlib.contextmanager
    def _used(self, registrar: Registrar) -> Iterator[dict[str, float]]:
        """What the block took: seconds, CPU seconds of both, and how busy the machine was."""
        pids = dict(zip(_WHO, (registrar.pid, self._world.spire.pid), strict=True))
        before = {who: cpu_seconds(pid) for who, pid in pids.items()}
        began, (busy, whole) = time.monotonic(), _ticks()
        used: dict[str, float] = {}
        yield used
        used |= {who: cpu_seconds(pid) - before[who] for who, pid in pids.items()}
        used["seconds"] = time.monotonic() - began
        now_busy, now_whole = _ticks()
        used["busy"] = (now_busy - busy) / max(now_whole - whole, 1) * 100

    async def _create(self, number: int) -> list[str]:
        names = [self._new_name() for _ in range(number)]
        await self._each(lambda name: self._world.create_pod(name, name), names)
        return names

    async def _until_there(self, names: Iterable[str]) -> None:
        await self._world.spire.ask("wait-paths " + " ".join(f"/{name}" for name in names))

    async def _waits(self, began: dict[str, float]) -> list[float]:
        times = await self._world.spire.times()
        return [times[f"/{name}"] - when for name, when in began.items()]

    async def _each(self, act: Callable[[str], Awaitable[object]], names: list[str]) -> None:
        limit = asyncio.Semaphore(_PARALLEL)

        async def one(name: str) -> None:
            async with limit:
                await act(name)

        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(one(name))

    def _new_name(self) -> str:
        name = f"pod-{next(self._numbers):06}"
        self._present.append(name)
        return name

    def _figure(self, title: str, samples: int, values: dict[str, float]) -> None:
        rounded = {name: round(value, 2) for name, value in values.items()}
        self._note(Figure(title, "", samples, rounded))

    def _note(self, figure: Figure) -> None:
        """Keep a figure, and show it at once: the whole takes long."""
        self.figures.append(figure)
        self._say(f"  {figure.name}: {figure.values}")


def _ticks() -> tuple[int, int]:
    """For how long the machine's processors were busy so far, and how long there was."""
    line = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    ticks = [int(value) for value in line.split()[1:]]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)
