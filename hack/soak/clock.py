"""Clock jumps for one process, by a small library that is loaded before the C library."""

import shutil
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock.c")


def built(folder: Path) -> Path | None:
    """Return the library; None where there is no C compiler that makes it."""
    compiler, library = shutil.which("cc"), folder / "clock.so"
    if compiler is None:
        return None
    if not library.exists():
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return None
    return library


def environment(library: Path, clock: Path) -> dict[str, str]:
    """Return what makes a process follow the clock file."""
    return {"LD_PRELOAD": str(library), "SOAK_CLOCK": str(clock)}


def jump(clock: Path, seconds: int) -> None:
    """Let the wall clock of whoever follows this file be off by so much."""
    beside = clock.with_suffix(".new")
    beside.write_text(f"{seconds}\n", encoding="ascii")
    beside.rename(clock)
