"""The files of one volume, all changed together. Every call here blocks.

As the kubelet does it for Secrets: the files lie in a folder of their own,
``..data`` is a link to it, the visible names are links through ``..data``, and
renaming a new ``..data`` over the old one changes them all at once. What was
there before goes a little later, for whoever has just opened its folder.
"""

import contextlib
import os
import re
import shutil
import time
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

from registrar.csi.layout import File

GRACE_SECONDS = 1.0
"""How long what was shown before stays, for readers that have just opened its folder."""

DATA = "..data"
_NEXT = "..data_next"
_PREFIX = "..v"
_VERSION = re.compile(re.escape(_PREFIX) + "([0-9]{1,18})")
"""A name that we give. Others may stand there, whose digits ``int`` does not read."""


@dataclass(frozen=True, slots=True)
class Rights:
    """Who may read the files; nobody may write them."""

    uid: int
    gid: int
    file_mode: int
    key_mode: int


class AtomicFolder:
    """The volume at ``path``."""

    def __init__(self, path: Path, rights: Rights) -> None:
        self._path = path
        self._rights = rights
        self._written = ""

    def holds(self, files: Mapping[str, File], *, but: Container[str] = ()) -> bool:
        """Whether the volume has just these files with these contents and modes.

        ``but`` are those that differ each time they are made: their content is not compared.
        """
        data = self._path / DATA
        try:
            # The contents first: after a rotation already the first file is another.
            return all(
                self._is_same(data / name, file, is_compared=name not in but)
                for name, file in files.items()
            ) and files.keys() == {
                str(found.relative_to(data)) for found in data.rglob("*") if not found.is_dir()
            }
        except OSError:
            return False

    def shows_what_was_written(self) -> bool:
        """Whether the volume shows just what this object wrote last; False before it did."""
        return bool(self._written) and self._current() == self._written

    def write(self, files: Mapping[str, File]) -> None:
        """Show these files, and no others, from one moment to the next. Raises OSError."""
        self.sweep(older_than=GRACE_SECONDS)
        version = self._fresh()
        try:
            for name, file in files.items():
                self._put(version, name, file)
            link = self._path / _NEXT
            link.unlink(missing_ok=True)
            link.symlink_to(version.name)
            self._link_visible(files)
            link.replace(self._path / DATA)
            self._written = version.name
        except OSError:
            shutil.rmtree(version, ignore_errors=True)
            raise
        self._unlink_others(files)

    def sweep(self, *, older_than: float = 0.0) -> None:
        """Remove what is shown no more, or what was made so many seconds ago of it.

        Nothing where it is not clear what is shown.
        """
        current, versions = self._current(), self._versions()
        if current in versions:
            limit = time.time() - older_than
            for name in versions:
                version = self._path / name
                if name != current and version.stat().st_mtime <= limit:
                    shutil.rmtree(version, ignore_errors=True)

    def content(self, name: str) -> bytes | None:
        """What a file holds now; None where there is none."""
        try:
            return (self._path / DATA / name).read_bytes()
        except OSError:
            return None

    def _fresh(self) -> Path:
        """A new folder for a version; numbers grow, so that none is taken for an old one."""
        numbers = map(_VERSION.fullmatch, self._versions())
        last = max((int(number[1]) for number in numbers if number), default=0)
        version = self._path / f"{_PREFIX}{last + 1}"
        version.mkdir(mode=0o755)
        os.chown(version, self._rights.uid, self._rights.gid)
        version.chmod(0o755)
        return version

    def _put(self, version: Path, name: str, file: File) -> None:
        *folders, last = name.split("/")
        folder = version
        for part in folders:
            folder /= part
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                os.chown(folder, self._rights.uid, self._rights.gid)
                folder.chmod(0o755)
        path = folder / last
        # Nobody else may read it for a moment: its mode is wide only once it has its owner.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o400)
        with os.fdopen(descriptor, "wb") as out:
            out.write(file.content)
            os.fchown(descriptor, self._rights.uid, self._rights.gid)
            os.fchmod(descriptor, self._mode(file))

    def _mode(self, file: File) -> int:
        return self._rights.key_mode if file.is_secret else self._rights.file_mode

    def _is_same(self, path: Path, file: File, *, is_compared: bool) -> bool:
        found = path.stat(follow_symlinks=False)
        if (found.st_uid, found.st_gid) != (self._rights.uid, self._rights.gid):
            return False
        if found.st_mode & 0o7777 != self._mode(file):
            return False
        return not is_compared or path.read_bytes() == file.content

    def _link_visible(self, files: Mapping[str, File]) -> None:
        """Links of new names dangle until the swap, so that they appear with the others."""
        for name in _roots(files):
            link = self._path / name
            if not link.is_symlink():
                link.symlink_to(f"{DATA}/{name}")

    def _unlink_others(self, files: Mapping[str, File]) -> None:
        visible = _roots(files)
        for found in self._path.iterdir():
            if found.name not in visible and not found.name.startswith(".."):
                with contextlib.suppress(FileNotFoundError):
                    found.unlink()

    def _versions(self) -> list[str]:
        names = (found.name for found in self._path.iterdir())
        return [name for name in names if name.startswith(_PREFIX)]

    def _current(self) -> str:
        try:
            return (self._path / DATA).readlink().name
        except OSError:
            return ""


def _roots(files: Mapping[str, File]) -> set[str]:
    return {name.partition("/")[0] for name in files}
