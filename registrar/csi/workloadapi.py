"""The folder of the agent's Workload API socket, as volumes of the mode ``workload-api`` show it.

Every call here blocks.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from registrar.settings.exposure import shown_by


class Exposed(Exception):  # noqa: N818 - named by what happened
    """Pods would see what none may see; the message says why."""


class Mounts(Protocol):
    """What the folder needs of the kernel; ``registrar.csi.mounts.LinuxMounts`` has it."""

    def ensure_bind(self, folder: Path, target: Path) -> None:
        """Exactly one read-only view of the folder at the target."""
        ...

    def unmount(self, target: Path) -> None:
        """Nothing mounted there any more."""
        ...


class WorkloadAPIFolder:
    """``secrets`` are paths that no Pod may see, by the key that names them."""

    def __init__(self, folder: Path, *, secrets: Mapping[str, Path], mounts: Mounts) -> None:
        self._folder = folder
        self._secrets = secrets
        self._mounts = mounts

    def why_exposed(self) -> str:
        """Why Pods must not see the folder as it is now; empty where they may."""
        why = shown_by(self._folder, self._secrets)
        return why and (
            f"{why}, which Pods would see: give the Workload API's socket a folder of its own"
        )

    def show(self, target: Path) -> None:
        """Have one view of the folder at the target. Raises Exposed, with none there; OSError."""
        # What is shown is what was checked, whatever its path leads to a moment later.
        folder = os.open(self._folder, os.O_PATH | os.O_DIRECTORY)
        try:
            self._check(target, self.why_exposed())
            self._mounts.ensure_bind(Path(f"/proc/self/fd/{folder}"), target)
            self._check(target, shown_by(target, self._secrets))
        finally:
            os.close(folder)

    def _check(self, target: Path, why: str) -> None:
        if why:
            self._mounts.unmount(target)
            raise Exposed(f"the volume is not shown: {why}")
