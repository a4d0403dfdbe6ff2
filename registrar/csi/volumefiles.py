"""The files of one volume, on a tmpfs that is mounted when there is something to put into it.

Every call here blocks.
"""

import time
from pathlib import Path
from typing import Protocol

from registrar.csi.credentials import Credentials
from registrar.csi.folder import AtomicFolder
from registrar.csi.layout import carried_over, files_of, stores_of
from registrar.csi.names import certificate_file
from registrar.csi.volume import Volume
from registrar.identity.certificates import read_pem_certificates


class Mounts(Protocol):
    """What a delivery needs of the kernel; ``registrar.csi.mounts.LinuxMounts`` has it."""

    def is_ours(self, target: Path) -> bool:
        """Whether what one sees there is a tmpfs of ours."""
        ...

    def ensure_tmpfs(self, target: Path) -> None:
        """Exactly one tmpfs there."""
        ...


class VolumeFiles:
    """``is_mounted``: the volume is there already, and is never mounted again."""

    def __init__(self, volume: Volume, mounts: Mounts, *, is_mounted: bool) -> None:
        self._path = volume.path
        self._wish = volume.wish
        self._mounts = mounts
        self._folder = AtomicFolder(volume.path, volume.rights(self._wish))
        self._is_mounted = is_mounted
        self._device: int | None = None
        self.expires_at: float | None = None
        """When the first SVID in the files expires, Unix seconds; None before there is one."""
        self.life_seconds = 0.0
        """How long it had to live when it came. Its own word would not do: servers set the
        beginning back, some by more than a short life."""

    def take_up(self) -> None:
        """Learn what is in them, if anything."""
        path = self._path / certificate_file(self._wish)
        try:
            leaf = read_pem_certificates(path.read_bytes())[0]
            written_at = path.stat().st_mtime
        except (OSError, ValueError):
            return
        self._expires(leaf.not_valid_after_utc.timestamp(), written_at)

    def write(self, credentials: Credentials) -> bool:
        """Make the files those of the credentials; tells whether they were others.

        Raises OSError.
        """
        self._see_to_the_mount()
        files = carried_over(
            files_of(credentials, self._wish), credentials, self._wish, self._folder.content
        )
        is_new = not self._folder.holds(files, but=stores_of(credentials, self._wish))
        if is_new:
            self._folder.write(files)
        if credentials.expires_at != self.expires_at:
            self._expires(credentials.expires_at, time.time())
        return is_new

    def sweep(self) -> None:
        """Remove what was there before."""
        self._folder.sweep()

    def _expires(self, at: float, written_at: float) -> None:
        self.expires_at = at
        self.life_seconds = max(0.0, at - written_at)

    def _see_to_the_mount(self) -> None:
        """Make the tmpfs, once; later see that it is still there. Raises OSError."""
        if not self._is_mounted:
            self._mounts.ensure_tmpfs(self._path)
            self._is_mounted = True
        elif self._path.stat().st_dev == self._device and self._folder.shows_what_was_written():
            # The kernel's list of mounts is long on a full node: no look at it for each rotation.
            return
        elif not self._mounts.is_ours(self._path):
            # Never onto a disk below, nor into what somebody else has mounted there.
            raise FileNotFoundError(f"nothing of ours is mounted at {self._path} any more")
        self._device = self._path.stat().st_dev
