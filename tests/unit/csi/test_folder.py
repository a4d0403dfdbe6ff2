"""Files that change together, read by threads and by watchers."""

import ctypes
import itertools
import os
import select
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from registrar.csi.folder import DATA, AtomicFolder, Rights
from registrar.csi.layout import File

MINE = Rights(uid=os.getuid(), gid=os.getgid(), file_mode=0o444, key_mode=0o400)
_MODIFY, _ATTRIB, _MOVED_TO, _DELETE_SELF = 0x2, 0x4, 0x80, 0x400


def version(number: int) -> dict[str, File]:
    return {
        "svid.pem": File(f"certificate {number}".encode()),
        "svid_key.pem": File(f"key {number}".encode(), is_secret=True),
        "federated/other.test.pem": File(f"bundle {number}".encode()),
    }


@pytest.fixture
def folder(tmp_path: Path) -> AtomicFolder:
    return AtomicFolder(tmp_path, MINE)


def test_files_have_their_modes_and_are_told_from_others(
    folder: AtomicFolder, tmp_path: Path
) -> None:
    assert not folder.holds(version(1))
    folder.write(version(1))
    assert folder.holds(version(1))
    assert not folder.holds(version(2))
    assert folder.holds({**version(1), "svid.pem": File(b"x")}, but={"svid.pem"})
    assert (tmp_path / "svid_key.pem").stat().st_mode & 0o777 == 0o400
    assert (tmp_path / "svid.pem").stat().st_mode & 0o777 == 0o444
    stricter = AtomicFolder(tmp_path, Rights(MINE.uid, MINE.gid, 0o440, 0o400))
    assert not stricter.holds(version(1))


def test_what_is_shown_no_more_goes(folder: AtomicFolder, tmp_path: Path) -> None:
    folder.write(version(1))
    folder.write({"other.pem": File(b"x")})
    assert [f.name for f in tmp_path.iterdir() if f.name[:2] != ".."] == ["other.pem"]
    assert len(list(tmp_path.glob("..v*"))) == 2
    folder.sweep()
    assert [f.name for f in tmp_path.glob("..v*")] == ["..v2"]
    assert (tmp_path / "other.pem").read_bytes() == b"x"


def test_where_nothing_is_shown_nothing_is_removed(folder: AtomicFolder, tmp_path: Path) -> None:
    """Somebody may have mounted something over it, and taken that off again meanwhile."""
    folder.write(version(1))
    (tmp_path / "..data").unlink()
    folder.sweep()
    assert [f.name for f in tmp_path.glob("..v*")] == ["..v1"]


@pytest.mark.parametrize("name", ["..v²", "..v٣", "..v7²", "..v-1", "..v"])
def test_a_name_that_only_looks_like_a_versions_number_holds_up_nothing(
    folder: AtomicFolder, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).mkdir()
    folder.write(version(1))
    folder.write(version(2))
    assert folder.holds(version(2))
    assert (tmp_path / "..data").readlink().name == "..v2"


def test_a_write_that_fails_leaves_what_was_there(folder: AtomicFolder, tmp_path: Path) -> None:
    folder.write(version(1))
    with pytest.raises(OSError, match="Not a directory"):
        folder.write({**version(2), "svid.pem/below": File(b"x")})
    assert folder.holds(version(1))
    assert [f.name for f in tmp_path.glob("..v*")] == ["..v1"]


@pytest.mark.slow
def test_no_reader_ever_sees_a_certificate_with_anothers_key(
    folder: AtomicFolder, tmp_path: Path
) -> None:
    """Thousands of rotations, and readers that loop: by the folder, and file by file."""
    folder.write(version(0))
    done = threading.Event()
    mixed: list[tuple[str, str]] = []
    pairs = 0

    def read() -> None:
        nonlocal pairs
        while not done.is_set():
            # The folder of one version, opened once: what documentation asks of careful readers.
            try:
                descriptor = os.open(tmp_path / DATA, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:
                continue
            try:
                texts = [_read_at(descriptor, name) for name in ("svid.pem", "svid_key.pem")]
            except FileNotFoundError:
                continue  # two rotations later: start over
            finally:
                os.close(descriptor)
            pairs += 1
            numbers = [text.split()[-1] for text in texts]
            if numbers[0] != numbers[1]:
                mixed.append((texts[0], texts[1]))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 3000):
        folder.write(version(number))
        folder.sweep()
    done.set()
    for reader in readers:
        reader.join()
    assert not mixed
    assert pairs > 100


def _read_at(folder: int, name: str) -> str:
    descriptor = os.open(name, os.O_RDONLY, dir_fd=folder)
    with os.fdopen(descriptor) as file:
        return file.read()


class Watch:
    """inotify on one path, without any library: what the kernel itself tells."""

    def __init__(self, path: Path, mask: int) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._path, self._mask = path, mask
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK)
        self.add()

    def add(self) -> None:
        assert (
            self._libc.inotify_add_watch(self._descriptor, os.fsencode(self._path), self._mask) > 0
        )

    def heard(self, seconds: float = 5.0) -> set[int]:
        """The kinds of the next events, none if none comes in time."""
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        found = set()
        if ready:
            data, at = os.read(self._descriptor, 65536), 0
            while at < len(data):
                _, mask, _, length = struct.unpack_from("iIII", data, at)
                found |= {bit for bit in (_MODIFY, _ATTRIB, _MOVED_TO, _DELETE_SELF) if mask & bit}
                at += 16 + length
        return found

    def close(self) -> None:
        os.close(self._descriptor)


@pytest.fixture
def rotate(folder: AtomicFolder) -> Callable[[], None]:
    numbers = itertools.count(1)

    def rotate() -> None:
        folder.write(version(next(numbers)))
        folder.sweep()

    rotate()
    return rotate


def test_a_watch_on_the_folder_hears_every_rotation(
    tmp_path: Path, rotate: Callable[[], None]
) -> None:
    watch = Watch(tmp_path, _MOVED_TO)
    for _ in range(4):
        rotate()
        assert watch.heard() == {_MOVED_TO}
    watch.close()


def test_a_watch_on_a_file_hears_each_rotation_if_it_is_set_anew(
    tmp_path: Path, rotate: Callable[[], None]
) -> None:
    path = tmp_path / "svid.pem"
    watch = Watch(path, _ATTRIB | _DELETE_SELF | _MODIFY)
    for _ in range(4):
        rotate()
        assert _DELETE_SELF in watch.heard()
        watch.add()
    watch.close()


def test_a_watch_on_a_file_that_is_not_set_anew_falls_silent(
    tmp_path: Path, rotate: Callable[[], None]
) -> None:
    """What documentation warns of: the kernel watches the file, not its name."""
    watch = Watch(tmp_path / "svid.pem", _ATTRIB | _DELETE_SELF | _MODIFY)
    rotate()
    assert watch.heard()
    rotate()
    assert not watch.heard(0.1)
    watch.close()


def test_polling_sees_every_rotation(tmp_path: Path, rotate: Callable[[], None]) -> None:
    path = tmp_path / "svid.pem"
    seen = {(path.stat().st_ino, path.stat().st_mtime_ns)}
    for _ in range(4):
        last = path.stat().st_mtime_ns
        while path.stat().st_mtime_ns == last:
            rotate()  # the clock of a file system ticks rarely
        seen.add((path.stat().st_ino, path.stat().st_mtime_ns))
    assert len(seen) == 5
    assert len({mtime for _, mtime in seen}) == 5
