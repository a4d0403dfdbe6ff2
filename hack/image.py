"""Builds the container image with the first engine here that works, not the first that is there.

A machine may have the command of an engine whose daemon does not run, or that this user may not
reach. So each one is asked about itself before it is taken; the one that is passed over is named
with its reason. Called by ``make image``.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# Run as a script, Python looks beside the script only.
sys.path[:0] = [] if __package__ else [str(Path(__file__).resolve().parents[1])]

from hack.dist import source_date_epoch  # noqa: E402 - needs the line above

ENGINES = ("podman", "docker", "buildah")
ANSWER_SECONDS = 15.0
"""A daemon that hangs is as good as none; one that starts on demand needs a few seconds."""
_MOST_SAID = 300


class NoEngine(Exception):  # noqa: N818 - named by what happened
    """None of the engines works; the message has a line for each."""


def why_not(engine: str, answer_seconds: float = ANSWER_SECONDS) -> str:
    """Why an engine can't be taken; empty where it works."""
    if shutil.which(engine) is None:
        return "not installed"
    try:
        finished = subprocess.run(
            [engine, "info"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=answer_seconds,
        )
    except subprocess.TimeoutExpired:
        return f"`{engine} info` does not answer within {answer_seconds:g} s"
    except OSError as error:
        return f"cannot be run: {error.strerror}"
    if finished.returncode == 0:
        return ""
    said = " ".join(finished.stderr.split())[:_MOST_SAID]
    return f"`{engine} info` fails: {said or f'exit code {finished.returncode}'}"


def working_engine(engines: Sequence[str] = ENGINES, answer_seconds: float = ANSWER_SECONDS) -> str:
    """The first engine that works. Says which it passes over. Raises NoEngine."""
    refused: list[str] = []
    for engine in engines:
        why = why_not(engine, answer_seconds)
        if not why:
            for line in refused:
                print(f"passing over {line}", file=sys.stderr)
            return engine
        refused.append(f"{engine}: {why}")
    raise NoEngine("\n".join(refused))


def main(arguments: Sequence[str] | None = None) -> int:
    """Build; return the exit code of the engine, or 1 where there is none."""
    parser = argparse.ArgumentParser(
        prog="hack/image.py",
        description="Build the container image. What follows -- goes to the engine's build.",
    )
    parser.add_argument("tag", help="the image's name and tag")
    parser.add_argument("--engine", help="this one only, instead of the first that works")
    parser.add_argument("options", nargs="*", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    try:
        engine = working_engine((chosen.engine,) if chosen.engine else ENGINES)
    except NoEngine as error:
        print(
            f"no engine here can build the image:\n{error}\nStart the daemon of one of them, let "
            "this user reach it, or install podman or buildah, which need no daemon.",
            file=sys.stderr,
        )
        return 1
    epoch = str(source_date_epoch())
    dated = ["--build-arg", f"SOURCE_DATE_EPOCH={epoch}"]
    # Docker's BuildKit takes the image's time from the argument; the files' is for its exporter.
    dated += [] if engine == "docker" else ["--timestamp", epoch]
    command = [engine, "build", "--tag", chosen.tag, *dated, *chosen.options, "."]
    print(" ".join(command), flush=True)
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
