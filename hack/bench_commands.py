"""How long the commands for people take on a big cluster, and what memory they need.

Each run is a process of its own, from its start to its last line, as somebody waits for it.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hack.bench_figures import Figure
from hack.bench_world import NAMESPACE, ROOT, World

_PARALLEL = 32


@dataclass(frozen=True)
class Cost:
    """What one run came to."""

    code: int
    seconds: float
    cpu_seconds: float
    memory_mb: float
    """The most at a time, MB (10^6 bytes)."""


class Commands:
    """The measurements in their order."""

    def __init__(self, world: World, pods: int, runs: int, say: Callable[[str], None]) -> None:
        self._world = world
        self._pods = pods
        self._runs = runs
        self._say = say
        self.figures: list[Figure] = []
        self.wrong: list[str] = []

    async def run(self) -> None:
        """Measure everything."""
        names = [f"p{number}" for number in range(self._pods)]
        self._say(f"{self._pods:,} Pods")
        limit = asyncio.Semaphore(_PARALLEL)

        async def create(name: str) -> None:
            async with limit:
                await self._world.create_pod(name, name)

        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(create(name))
        self._world.configure(self._world.spire.socket)
        all_new = f"{self._pods:,} entries to make"
        await self._measure(f"plan, {all_new}", "≤ 10 s", "plan")
        await self._measure(f"plan -o yaml, {all_new}", "", "plan", "--output=yaml")
        async with self._world.registrar() as registrar:
            await self._world.spire.ask(f"wait-count {self._pods}")
            await registrar.until_idle()
            beside = f"{self._pods:,} Pods, a registrar beside it"
            await self._measure(f"plan, {beside}", "≤ 10 s", "plan", "--fail-on-change")
            pod = ("explain", f"pod/{names[-1]}", f"--namespace={NAMESPACE}")
            # No agent has attested here, so both find something that is wrong.
            await self._measure(f"explain pod, {beside}", "", *pod, may_fail=True)
            await self._measure(f"doctor, {beside}", "", "doctor", may_fail=True)

    async def _measure(self, name: str, target: str, *words: str, may_fail: bool = False) -> None:
        self._say(name)
        costs = [await asyncio.to_thread(self._cost, *words) for _ in range(self._runs)]
        if not may_fail and any(cost.code != 0 for cost in costs):
            self.wrong.append(f"{name}: exit codes {[cost.code for cost in costs]}")
        values = {
            "s, median": round(statistics.median(cost.seconds for cost in costs), 2),
            "s, longest": round(max(cost.seconds for cost in costs), 2),
            "CPU, s": round(statistics.median(cost.cpu_seconds for cost in costs), 2),
            "memory, highest, MB": round(max(cost.memory_mb for cost in costs)),
        }
        self.figures.append(Figure(name, target, len(costs), values))

    def _cost(self, *words: str) -> Cost:
        """Run one of our commands to its end."""
        where = ("--config", str(self._world.plane.folder / "controller.conf"))
        cluster = f"--kubeconfig={self._world.plane.kubeconfig}"
        command = [sys.executable, "-m", "manager", words[0], *where, cluster, *words[1:]]
        said = Path(self._world.plane.folder / f"{words[0]}.log")
        with said.open("wb") as log:
            began = time.monotonic()
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
            # It also says what the process has used.
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        return Cost(
            process.returncode,
            seconds,
            used.ru_utime + used.ru_stime,
            used.ru_maxrss * 1024 / 10**6,
        )
