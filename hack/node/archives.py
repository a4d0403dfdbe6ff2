"""Keeps the images' archives in the user's cache, each named by what decides its contents.

An archive with that name is complete, always: it is written beside and renamed at its end. Some
older ones stay, because another checkout may be about to import them.
"""

import contextlib
import dataclasses
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hack.compilers import Progress

KEPT = 3
"""So many archives of each image stay: those that were asked for last."""


@dataclasses.dataclass(frozen=True, slots=True)
class Recipe:
    """An image that can be made: what its file's name begins with, and how it is written.

    ``digest`` is one of everything that decides the contents.
    """

    title: str
    digest: str
    write: Callable[[Path], None]


def kept(folder: Path, recipe: Recipe, progress: Progress) -> Path:
    """Return the archive of an image, after writing it if need be. The caller holds the lock.

    Raises:
        ToolError: it can't be made.

    """
    path = folder / f"{recipe.title}-{recipe.digest[:16]}.tar"
    if not path.exists():
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as fresh:
            unfinished = Path(fresh, "image.tar")
            recipe.write(unfinished)
            unfinished.rename(path)
        seconds, megabytes = time.monotonic() - started, path.stat().st_size / 1e6
        progress(f"image {recipe.title}: {megabytes:.0f} MB, made in {seconds:.1f} s")
    os.utime(path)  # asked for just now
    _remove_old(folder, recipe.title)
    return path


@contextlib.contextmanager
def locked(folder: Path, progress: Progress) -> Iterator[None]:
    """Let one builder at a time into the folder, and clear away what a killed one left there."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another run is making the images: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        for left in folder.glob(".building-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield  # the lock goes with the file, also when this process is killed


def _remove_old(folder: Path, title: str) -> None:
    name = re.compile(rf"{re.escape(title)}-[0-9a-f]{{16}}\.tar")
    all_of_it = [path for path in folder.iterdir() if name.fullmatch(path.name)]
    for path in sorted(all_of_it, key=lambda path: path.stat().st_mtime)[:-KEPT]:
        path.unlink(missing_ok=True)
