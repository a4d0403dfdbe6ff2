"""What is remembered of volumes over a restart: a JSON file for each. Every call here blocks.

With it the driver needs neither the API server nor the kubelet to take its
volumes up again. There are no secrets in it.
"""

import hashlib
import logging
import os
from pathlib import Path

import msgspec

from api.codec import DecodeError, decode
from registrar.csi.volume import Volume
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

_SUFFIX = ".json"


class Records:
    """The files of one folder. Names are hashes: volume IDs are not to be trusted with paths."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, volume: Volume) -> None:
        """Remember a volume; a crash leaves the old file or the new one. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(volume.id)
        beside = path.with_suffix(".tmp")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
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
            left.unlink(missing_ok=True)
        found = []
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                volume = decode(path.read_bytes(), Volume)
            except (OSError, DecodeError) as error:
                log.warning("metadata cannot be read", extra=kv(file=str(path), error=str(error)))
                continue
            found.append(volume)
        return found

    def _path(self, volume_id: str) -> Path:
        digest = hashlib.sha256(volume_id.encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / f"{digest}{_SUFFIX}"
