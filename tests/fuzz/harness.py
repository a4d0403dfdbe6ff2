"""What a target of the fuzzing is, and the bounds that hold for each: steps, memory, errors.

A target is a function of bytes, whoever makes them up: hypothesis, a file of the corpus or
atheris. No bound is one of time: a machine that is busy must not fail a test. Steps are lines
of our own Python that are run, and memory is what Python's allocator gives, so both are the
same each time.
"""

import hashlib
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TypeAlias

from hypothesis import strategies as st

from api.errors import MOST_SHOWN, InvalidField

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).resolve().parent / "corpus"
_OURS = tuple(f"{ROOT / package}/" for package in ("api", "registrar", "manager"))
_LONGEST_MESSAGE = 10 * MOST_SHOWN * 4
"""Characters of an error's line. A value that is shown may have ten for each of its own."""

Trace: TypeAlias = Callable[[FrameType, str, object], "Trace | None"]
Run: TypeAlias = Callable[[bytes], None]


class Unbounded(BaseException):
    """Too many steps. No ``except Exception`` of the code that is tried holds it up."""


@dataclass(frozen=True)
class Target:
    """One reader of what others wrote.

    ``run`` raises ``refused`` for what it may refuse, and AssertionError for a property that does
    not hold. ``steps`` and ``memory`` are the bounds for nothing, and for each byte on top.
    """

    name: str
    run: Run
    inputs: st.SearchStrategy[bytes]
    refused: tuple[type[Exception], ...] = ()
    steps: tuple[int, int] = (100_000, 400)
    memory: tuple[int, int] = (8 * 2**20, 600)
    seeds: tuple[bytes, ...] = field(default=(), repr=False)
    few: int = 60
    """Inputs of a run that is always the same: some seconds at most for all targets together."""


def check(target: Target, data: bytes) -> None:
    """Try one input. Raises AssertionError, Unbounded, or whatever nobody foresaw."""
    base, more = target.steps
    try:
        with _bounded_memory(target, len(data)), _bounded_steps(base + more * len(data)):
            target.run(data)
    except target.refused as error:
        check_error(error)


def check_error(error: Exception) -> None:
    """An error that a person can read: it names the field and what to do, on lines of text."""
    lines = str(error).splitlines()
    assert lines, f"{type(error).__name__} without a word"
    for line in lines:
        assert line.isprintable(), line
        assert len(line) <= _LONGEST_MESSAGE, len(line)
    if isinstance(error, InvalidField):
        assert error.path, f"no field: {error}"
        assert error.remedy, f"no remedy: {error}"


def keep(target: str, data: bytes) -> Path:
    """Put an input into the corpus, where it is tried again from now on; gives its file."""
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"found-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path


def corpus(target: str) -> list[Path]:
    """The files of a target."""
    return sorted(path for path in (CORPUS / target).glob("*") if path.is_file())


@contextmanager
def _bounded_steps(most: int) -> Iterator[None]:
    taken = 0

    def line(_frame: FrameType, event: str, _argument: object) -> Trace:
        nonlocal taken
        if event == "line":
            taken += 1
            if taken > most:
                raise Unbounded(f"more than {most} lines are run")
        return line

    def call(frame: FrameType, _event: str, _argument: object) -> Trace | None:
        return line if frame.f_code.co_filename.startswith(_OURS) else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        yield
    finally:
        sys.settrace(before)


@contextmanager
def _bounded_memory(target: Target, size: int) -> Iterator[None]:
    base, more = target.memory
    is_first = not tracemalloc.is_tracing()
    if is_first:
        tracemalloc.start(1)
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        if is_first:
            tracemalloc.stop()
    assert peak - before <= base + more * size, f"{peak - before} bytes of memory for {size}"
