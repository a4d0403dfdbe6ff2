"""What is remembered of volumes over a restart: a JSON file for each. Every call here blocks.

With it the driver needs neither the API server nor the kubelet to take its
volumes up again. There are no secrets in it.
"""

import contextlib
import hashlib
import logging
import os
import stat
from pathlib import Path

import msgspec

from api.codec import DecodeError, decode
from registrar.csi.volume import Volume, check_record
from registrar.errors import InvalidField
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

_SUFFIX = ".json"
_MOST_BYTES = 2**20
"""More than any Pod's volume can need: an object of Kubernetes is not larger."""


class Records:
    """The files of one folder. Names are hashes: volume IDs are not to be trusted with paths.

    Nor are the files themselves: what they say is checked as the kubelet's calls are.
    """

    def __init__(self, folder: Path, *, kubelet_dir: Path) -> None:
        self._folder = folder
        self._kubelet_dir = kubelet_dir

    def save(self, volume: Volume) -> None:
        """Remember a volume; a crash leaves the old file or the new one. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(volume.id)
        beside = path.with_suffix(".tmp")
        # Never through a link, nor into a file that somebody else can read.
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(volume), indent=2))
        # No fsync: what a power failure loses names mounts that it has undone too.
        beside.replace(path)

    def remove(self, volume_id: str) -> None:
        """Forget a volume; nothing if it is not known. Raises OSError."""
        self._path(volume_id).unlink(missing_ok=True)

    def load(self) -> list[Volume]:
        """Everything that is remembered; what cannot be read is said and left alone.

        Raises OSError when the folder itself cannot be read.
        """
        if not self._folder.is_dir():
            return []
        for left in self._folder.glob("*.tmp"):
            with contextlib.suppress(OSError):
                left.unlink()
        found = []
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                volume = self._read(path)
            except (OSError, DecodeError, InvalidField) as error:
                log.warning("metadata cannot be read", extra=kv(file=str(path), error=str(error)))
                continue
            found.append(volume)
        return found

    def _read(self, path: Path) -> Volume:
        """One volume. Raises OSError, DecodeError, InvalidField."""
        # A link, or a pipe that nobody writes into, is none of ours.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise InvalidField("file", path.name, "not a regular file")
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise InvalidField("file", path.name, f"larger than {_MOST_BYTES} bytes")
        volume = decode(data, Volume)
        check_record(volume, self._kubelet_dir)
        if self._path(volume.id) != path:
            raise InvalidField("id", volume.id, "another volume's file")
        return volume

    def _path(self, volume_id: str) -> Path:
        digest = hashlib.sha256(volume_id.encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / f"{digest}{_SUFFIX}"
