"""A disk that can be full: a small tmpfs, in a mount namespace of our own.

Where nobody may mount, it is a folder like any other, and `is_real` says so.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_MEGABYTES = 64
_MARK = "SOAK_HAS_OWN_MOUNTS"
_PIECE = 4096
_FILLER = ".filler"


def have_own_mounts() -> None:
    """Start this program anew in a mount namespace of its own, where that is permitted.

    What is mounted then is seen by nobody else, and goes with the last process.
    """
    unshare = shutil.which("unshare")
    if _MARK in os.environ or os.geteuid() != 0 or unshare is None:
        return
    if subprocess.run([unshare, "--mount", "true"], capture_output=True, check=False).returncode:
        return
    command = [unshare, "--mount", "--", sys.executable, "-m", "hack.soak", *sys.argv[1:]]
    os.execve(unshare, command, {**os.environ, _MARK: "yes"})  # noqa: S606 - no shell is meant


class Disk:
    """The disk of one world, at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_real = False
        folder.mkdir()

    @contextlib.contextmanager
    def mounted(self) -> Iterator[None]:
        """Have it be a file system of its own in the block; what lies on it stays afterwards."""
        if _MARK not in os.environ:
            yield
            return
        options = f"size={_MEGABYTES}m,mode=0700"
        mount = ["mount", "-t", "tmpfs", "-o", options, "soak", str(self.folder)]
        done = subprocess.run(mount, capture_output=True, check=False)
        self.is_real = done.returncode == 0
        try:
            yield
        finally:
            if self.is_real:
                self._unmount()

    def fill(self) -> None:
        """Leave no room on it."""
        if not self.is_real:
            raise RuntimeError(f"{self.folder} is on the machine's own disk")
        with (self.folder / _FILLER).open("ab", buffering=0) as filler:
            free = shutil.disk_usage(self.folder).free
            with contextlib.suppress(OSError):
                os.posix_fallocate(filler.fileno(), 0, free)
            with contextlib.suppress(OSError):
                while filler.write(b"\0" * _PIECE):
                    pass

    def empty(self) -> None:
        """Have room again."""
        (self.folder / _FILLER).unlink(missing_ok=True)

    def _unmount(self) -> None:
        self.empty()
        beside = self.folder.with_name(f"{self.folder.name}-kept")
        shutil.copytree(self.folder, beside)
        # Somebody may look into it still: it goes when nobody does any more.
        subprocess.run(["umount", "--lazy", str(self.folder)], capture_output=True, check=False)
        self.is_real = False
        shutil.copytree(beside, self.folder, dirs_exist_ok=True)
        shutil.rmtree(beside)
