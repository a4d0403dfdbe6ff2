"""Measure the figures of docs/performance.md: real API server, real SPIRE server.

    python hack/bench.py [--quick] [--mode MODE] [--spire DATABASE] [--against COMMAND]

Slow figures are printed, not judged: the exit code is 1 only when the result is
wrong (an entry is missing, or something was written where nothing should be).
"""

import argparse
import asyncio
import json
import os
import platform
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from devcluster.mounts import own_mounts  # noqa: E402 - the checkout is measured
from hack import postgresql  # noqa: E402 - the checkout is measured
from hack.bench_burst import OURS, Curve, measure_bursts, peer  # noqa: E402
from hack.bench_commands import Commands  # noqa: E402 - the checkout is measured
from hack.bench_csi import measure_csi  # noqa: E402 - the checkout is measured
from hack.bench_figures import Figure  # noqa: E402
from hack.bench_growth import Growing  # noqa: E402 - the checkout is measured
from hack.bench_modes import FULL, QUICK, Bench, Scale, say  # noqa: E402
from hack.bench_server import EMBEDDED, KINDS, POSTGRESQL, SQLITE, Database  # noqa: E402
from hack.bench_world import open_world  # noqa: E402

_MODES = ("layered", "manager", "burst", "growth", "commands", "csi")
_NODES = 100
"""Nodes over which the Pods of the controller manager's mode are spread."""


class Measured(Protocol):
    """What came of one mode."""

    figures: list[Figure]
    wrong: list[str]


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    memory = Path("/proc/meminfo").read_text(encoding="ascii").split()[1]
    return {
        "CPU": f"{os.cpu_count()} x {model}",
        "memory": f"{int(memory) // 1024**2} GiB",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "grpcio": version("grpcio"),
        "msgspec": version("msgspec"),
    }


def report(figures: Sequence[Figure], *, in_cluster: bool) -> str:
    """The table, as Markdown."""
    lines = [f"- {name}: {value}" for name, value in machine().items()]
    lines.append(f"- configuration as in a Pod: {'yes' if in_cluster else 'no, a kubeconfig'}")
    lines += ["", "| What | Measured | Samples | Target |", "|---|---|---|---|"]
    for figure in figures:
        measured = ", ".join(f"{name} {value:.10g}" for name, value in figure.values.items())
        lines.append(f"| {figure.name} | {measured} | {figure.samples:,} | {figure.target} |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Choice:
    """What the command line asks for."""

    scale: Scale
    modes: Sequence[str]
    spire: Sequence[str]
    against: Sequence[str]

    def databases(self) -> list[Database]:
        """What a burst is measured on: with a planner that knows how entries lie, and without."""
        kinds = self.spire or [SQLITE, *([POSTGRESQL] if postgresql.binaries() else [])]
        return [
            Database(kind, is_analyzed=analyzed)
            for kind in kinds
            for analyzed in ((False,) if kind == EMBEDDED else (False, True))
        ]


@dataclass
class Results:
    """What came of all modes."""

    figures: list[Figure]
    wrong: list[str]
    bursts: list[Curve]
    creates: list[Curve]
    in_cluster: bool = True

    def add(self, measured: Measured) -> None:
        """Take over what one mode gave."""
        self.figures += measured.figures
        self.wrong += measured.wrong


async def measure(choice: Choice) -> Results:
    """Run the benchmark of each mode in a world of its own."""
    results, scale = Results([], [], [], []), choice.scale
    for mode in choice.modes:
        if mode == "csi":
            results.add(await measure_csi(scale.volumes))
            continue
        if mode == "burst":
            subjects = [*OURS, *map(peer, choice.against)]
            bursts = await measure_bursts(scale.at_once, subjects, choice.databases(), say)
            results.add(bursts)
            results.bursts += bursts.bursts
            results.creates += bursts.creates
            continue
        kind = choice.spire[0] if choice.spire else SQLITE
        if mode == "commands":
            async with open_world(Database(kind), manager=True, nodes=_NODES) as world:
                commands = Commands(world, scale.at_once.pods, scale.commands, say)
                await commands.run()
                results.add(commands)
            continue
        if mode == "growth":
            database = Database(kind, is_analyzed=kind == SQLITE)
            async with open_world(database, manager=True, nodes=_NODES) as world:
                growing = Growing(world, scale.growth, say)
                await growing.run()
                results.add(growing)
            continue
        database = Database(kind)
        async with open_world(database, manager=mode == "manager", nodes=_NODES) as world:
            bench = Bench(world, scale)
            await (bench.run_manager() if mode == "manager" else bench.run())
            results.add(bench)
            results.in_cluster = results.in_cluster and world.in_cluster
    return results


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few samples: only see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--pods", type=int, help="how many Pods a burst has (default: 10000)")
    parser.add_argument(
        "--mode",
        action="append",
        choices=_MODES,
        help="measure only this mode; may be given several times (default: all)",
    )
    parser.add_argument(
        "--spire",
        action="append",
        choices=KINDS,
        default=[],
        help="the SPIRE server: SPIRE's own with that database, or the embedded one (default: "
        "sqlite; for a burst postgresql too, where it is installed); may be given several times",
    )
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="COMMAND",
        help="measure another controller in the burst too, with the same load; {config} in the "
        "command is a controller manager's configuration file, KUBECONFIG is set",
    )
    return parser


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = _parser()
    arguments = parser.parse_args()
    for command in arguments.against:
        program = next(iter(shlex.split(command)), "")
        if shutil.which(program) is None:
            parser.error(f"--against: no such program: {program!r}")
    modes: Sequence[str] = arguments.mode or _MODES
    why = own_mounts() if "csi" in modes else ""
    if why:
        print(f"the node driver cannot be measured: {why}", file=sys.stderr)
        return 1
    scale = QUICK if arguments.quick else FULL
    if arguments.pods is not None:
        scale = replace(scale, at_once=replace(scale.at_once, pods=arguments.pods))
    choice = Choice(scale, modes, arguments.spire, arguments.against)
    results = asyncio.run(measure(choice))
    print("\n" + report(results.figures, in_cluster=results.in_cluster))
    if arguments.json:
        document = {"machine": machine(), **asdict(results)}
        arguments.json.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    for text in results.wrong:
        print(f"WRONG: {text}", file=sys.stderr)
    return 1 if results.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
