"""The command line of the soak."""

import argparse
import dataclasses
import itertools
import math
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hack import tool_build
from hack.compilers import ToolError
from hack.processes import ServerError
from hack.soak import csilife
from hack.soak.modes import MODES
from hack.soak.outcome import Outcome
from hack.soak.plan import MOST_AT_ONCE, Step
from hack.soak.report import kept, replayed, summary, told
from hack.soak.rolling import rolled
from hack.soak.shrink import shrunk
from hack.soak.subjects import SUBJECTS, Subject, told_faults
from hack.soak.sweep import SIDES, Part, Side, swept


class Chosen(argparse.Namespace):
    """What the command line says."""

    mode: list[str] | None
    minutes: float
    seed: int | None
    fault: list[str]
    at_once: int | None
    shrink_minutes: float | None
    folder: Path | None
    sweep: bool
    side: Side | None
    first: int
    rolling: int
    replay: Path | None
    list_faults: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; gives 0 where nothing was found, 1 where something was, 2 where it could not run."""
    parser = _parser()
    chosen = parser.parse_args(arguments, namespace=Chosen())
    if csilife.NAME in (chosen.mode or ()) and (chosen.sweep or chosen.rolling):
        parser.error(f"--mode {csilife.NAME} has faults of its own: no --sweep, no --rolling")
    if chosen.at_once is not None and not 1 <= chosen.at_once <= MOST_AT_ONCE:
        parser.error(f"--at-once {chosen.at_once}: give a number from 1 to {MOST_AT_ONCE}")
    if chosen.list_faults:
        for line in told_faults():
            _say(line)
        return 0
    try:
        for tools in (tool_build.CONTROL_PLANE, tool_build.SPIRE):
            tool_build.build(_say, tools)
        return _roll(chosen) if chosen.rolling else _soak(chosen)
    except (ToolError, ServerError) as error:
        _say(str(error))
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make soak",
        description="Random work in every mode while faults come, on real servers, judged.",
    )
    parser.add_argument(
        "--mode", choices=["all", *SUBJECTS], action="append", help="all: all but csi"
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="for all modes together")
    parser.add_argument("--seed", type=int, help="default: a random one, which is printed")
    parser.add_argument("--fault", action="append", default=[], help="only this one; repeatable")
    parser.add_argument(
        "--at-once", type=int, metavar="N", help=f"N faults at a time: 1 to {MOST_AT_ONCE}"
    )
    parser.add_argument("--shrink-minutes", type=float, help="default: 10; 0, not at all, for csi")
    parser.add_argument("--folder", type=Path, help="where logs of failures go")
    parser.add_argument("--sweep", action="store_true", help="kill at every write, one by one")
    parser.add_argument("--side", choices=SIDES, help="sweep writes to this side only")
    parser.add_argument("--first", type=int, default=0, help="sweep from this write of a side on")
    parser.add_argument(
        "--rolling", type=int, default=0, metavar="N", help="N rolling updates under load"
    )
    parser.add_argument("--replay", type=Path, help="do the steps of this file (steps.txt)")
    parser.add_argument("--list-faults", action="store_true", help="say what can go wrong")
    return parser


def _chosen_modes(chosen: Chosen, default: str) -> list[str]:
    named = chosen.mode or [default]
    return [*MODES] if "all" in named else named


def _roll(chosen: Chosen) -> int:
    """Measure rolling updates, by default in the layered mode."""
    seed = chosen.seed if chosen.seed is not None else random.randrange(10**6)  # noqa: S311
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    found = 0
    for name in _chosen_modes(chosen, "layered"):
        _say(f"rolling updates of {name} with the seed {seed}, logs in {folder}")
        where = _fresh(folder / f"rolling-{name}-{seed}")
        outcome = rolled(MODES[name], chosen.rolling, seed=seed, say=_say, folder=where)
        for finding in outcome.findings:
            _say(f"  FOUND {finding}")
        _say(outcome.told())
        found += len(outcome.findings)
    return 1 if found else 0


def _soak(chosen: Chosen) -> int:
    modes = [SUBJECTS[name] for name in _chosen_modes(chosen, "all")]
    steps: list[Step] = []
    if chosen.replay is not None:
        name, steps = replayed(chosen.replay)
        modes = [SUBJECTS[name]]
    seed = chosen.seed if chosen.seed is not None else random.randrange(10**6)  # noqa: S311
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    share = chosen.minutes * 60 / len(modes)
    _say(f"soak of {', '.join(mode.name for mode in modes)} with the seed {seed}, logs in {folder}")
    total = Total(more=f" --at-once {chosen.at_once}" if chosen.at_once else "")
    for mode in modes:
        until, number = time.monotonic() + share, seed
        while not total.has(mode) or time.monotonic() < until:
            outcome = _life(mode, number, until, chosen, folder, steps)
            total.add(mode, number, outcome)
            if outcome.findings or chosen.sweep or steps:
                break
            number += 1
    _say(summary(total.outcome, total.lives))
    for words in total.failed:
        _say(f'FAILED: make soak ARGS="{words}"')
    return 1 if total.failed else 0


@dataclasses.dataclass(slots=True)
class Total:
    """All lives together; ``more`` is what besides mode and seed a life needs to come again."""

    more: str = ""
    outcome: Outcome = dataclasses.field(default_factory=Outcome)
    lives: int = 0
    failed: list[str] = dataclasses.field(default_factory=list)
    modes: set[str] = dataclasses.field(default_factory=set)

    def has(self, mode: Subject) -> bool:
        """Whether a mode has had a life."""
        return mode.name in self.modes

    def add(self, mode: Subject, seed: int, one: Outcome) -> None:
        """Add a life."""
        self.lives += 1
        self.modes.add(mode.name)
        if one.findings:
            self.failed.append(f"--mode {mode.name} --seed {seed}{self.more}")
        self.outcome.rounds += one.rounds
        self.outcome.actions += one.actions
        self.outcome.looks += one.looks
        self.outcome.restarts += one.restarts
        self.outcome.faults += one.faults
        self.outcome.slowest_seconds = max(self.outcome.slowest_seconds, one.slowest_seconds)


def _life(
    mode: Subject, seed: int, until: float, chosen: Chosen, folder: Path, replay: list[Step]
) -> Outcome:
    _say(f"{mode.name}, seed {seed}")
    where = _fresh(folder / f"{mode.name}-{seed}")
    if chosen.sweep:
        part = Part((chosen.side,) if chosen.side else SIDES, chosen.first)
        outcome = swept(MODES[mode.name], seed, part, say=_say, until=until, folder=where)
        for finding in outcome.findings:
            _say(f"  FOUND {finding}")
        return outcome
    steps = replay or mode.plan(seed, chosen.fault, chosen.at_once)
    outcome = mode.live(steps, say=_say, until=until, folder=where)
    if not outcome.findings:
        return outcome
    for finding in outcome.findings:
        _say(f"  FOUND {finding}")
    failing = steps[: outcome.failed_at]
    if failing[-1].kind != "judge":
        failing = [*failing, Step("judge")]
    kept(where, mode.name, seed, failing, outcome.findings)
    minutes = chosen.shrink_minutes
    if minutes is None:
        minutes = 10.0 if mode.name in MODES else 0.0
    if minutes:
        failing = shrunk(
            failing,
            lambda some: _fails(mode, some, folder),
            seconds=minutes * 60,
            say=_say,
        )
        kept(where, mode.name, seed, failing, outcome.findings)
    _say(f"  steps and logs: {where}; again: --replay {where / 'steps.txt'}, which says")
    # Where CI ran it, the folder is gone and this is all that is left.
    for line in told(mode.name, seed, failing):
        _say(f"    {line}")
    return outcome


def _fresh(folder: Path) -> Path:
    """Return a folder beside those of earlier runs."""
    again = (folder.with_name(f"{folder.name}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain([folder], again) if not each.exists())


def _fails(mode: Subject, steps: list[Step], folder: Path) -> bool:
    where = Path(tempfile.mkdtemp(prefix="shrink-", dir=folder))
    try:
        outcome = mode.live(steps, say=lambda _: None, until=math.inf, folder=where)
    except ServerError:
        return False
    finally:
        shutil.rmtree(where, ignore_errors=True)
    return bool(outcome.findings)


def _say(line: str) -> None:
    print(line, flush=True)
