"""Fuzzing for as long as wanted: ``make fuzz ARGS="--minutes 30 template yaml"``.

Round after round of other inputs, each with a seed of its own that is printed. An input that
fails is shortened, kept in tests/fuzz/corpus, where every run of the tests tries it from then
on, and ends the run with exit code 1. With ``--atheris`` the inputs are made by libFuzzer, which
looks at what the code does with them, for one target.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = "tests/fuzz/test_targets.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz; gives the exit code."""
    chosen = _parser().parse_args(arguments)
    if chosen.atheris:
        return _coverage_guided(chosen.targets, minutes=chosen.minutes)
    return _rounds(chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make fuzz", description="Try hostile inputs on all that reads what others wrote."
    )
    parser.add_argument("targets", nargs="*", help="by default all: see tests/fuzz/targets.py")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (%(default)g)")
    parser.add_argument("--examples", type=int, default=300, help="of a target in a round (300)")
    parser.add_argument("--seed", type=int, help="one round with this seed, to see it again")
    parser.add_argument(
        "--atheris", action="store_true", help="one target, led by coverage; needs atheris"
    )
    return parser


def _rounds(chosen: argparse.Namespace) -> int:
    """Rounds until the time is over; one alone where a seed is given."""
    end = time.monotonic() + chosen.minutes * 60
    picked = " or ".join(f"any_input and {name}" for name in chosen.targets) or "any_input"
    rounds = 0
    while rounds == 0 or (chosen.seed is None and time.monotonic() < end):
        rounds += 1
        seed = chosen.seed if chosen.seed is not None else random.randrange(2**32)  # noqa: S311 - no secret
        print(f"round {rounds}, seed {seed}", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "--timeout", "0"]
        done = subprocess.run(
            [*command, "-k", picked, f"--hypothesis-seed={seed}", TESTS],
            cwd=ROOT,
            env={**os.environ, "FUZZ_EXAMPLES": str(chosen.examples)},
            check=False,
        )
        if done.returncode:
            again = f'make fuzz ARGS="--seed {seed} --examples {chosen.examples}"'
            print(f"failed; the input is in tests/fuzz/corpus. The same again: {again}")
            return 1
    print(f"{rounds} rounds, nothing found")
    return 0


def _coverage_guided(targets: Sequence[str], *, minutes: float) -> int:
    """Fuzz one target by libFuzzer, from its corpus and its seeds."""
    sys.path.insert(0, str(ROOT))
    from tests.fuzz.guided import run  # noqa: PLC0415 - it needs what is not always installed

    if len(targets) != 1:
        print("name one target for --atheris", file=sys.stderr)
        return 2
    return run(targets[0], seconds=round(minutes * 60))


if __name__ == "__main__":
    sys.exit(main())
