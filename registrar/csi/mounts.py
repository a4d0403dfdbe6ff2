"""Mounts of the kernel, as far as volumes need them (Linux). Every call here blocks.

A mount that is there is never made again: whatever the kubelet, we or the node
went through, ``ensure_*`` leaves exactly one.
"""

import contextlib
import ctypes
import errno
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

SOURCE = "csi.spire.io"
"""What stands as the device of our mounts in ``/proc/self/mountinfo``."""

_RDONLY, _NOSUID, _NODEV, _NOEXEC = 1, 2, 4, 8
_REMOUNT, _BIND = 32, 4096
_DETACH = 2
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
_HARDENED = _NOSUID | _NODEV | _NOEXEC
_WRITTEN_OTHERWISE = re.compile(r"[\s\\]")
_ESCAPE = re.compile(r"\\([0-7]{3})")
_MOUNTINFO = Path("/proc/self/mountinfo")


class Mount(NamedTuple):
    """One line of mountinfo (proc_pid_mountinfo(5))."""

    target: str
    fs_type: str
    source: str


class LinuxMounts:
    """Makes and removes mounts; needs CAP_SYS_ADMIN. ``size_bytes`` bounds each tmpfs.

    No link is followed below the folder ``below``, in which all targets lie; without it, a
    target itself is none.
    """

    def __init__(self, *, below: Path | None = None, size_bytes: int = 32 * 2**20) -> None:
        self._below = below
        self._size = size_bytes
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._no_swap = ",noswap"

    def is_mounted(self, target: Path) -> bool:
        """Whether anything is mounted there."""
        return any(True for _ in self._at(target))

    def is_ours(self, target: Path) -> bool:
        """Whether what one sees there is a tmpfs of ours."""
        found = list(self._at(target))
        return bool(found) and _is_ours(found[-1])

    def settle(self, target: Path) -> bool:
        """Leave our tmpfs there alone, which containers show; tells whether there is one.

        What somebody mounted over it is taken off. Raises OSError.
        """
        found = list(self._at(target))
        if not found or not _is_ours(found[0]):
            return False
        self._unmount(target, len(found) - 1)
        return True

    def ensure_tmpfs(self, target: Path) -> None:
        """Exactly one tmpfs of ours at the target, which is made if need be. Raises OSError."""
        self._make(target)
        if not self.settle(target):
            self.unmount(target)
            self._mount_tmpfs(target)

    def ensure_bind(self, folder: Path, target: Path) -> None:
        """Exactly one read-only view of the folder at the target. Raises OSError."""
        self._make(target)
        self._unmount(target, len(list(self._at(target))) - 1)
        if not any(self._at(target)) or not self._is_same(target, folder):
            self.unmount(target)
            self._mount(str(folder), target, "", _BIND, "")
        try:
            # A bind mount takes its flags only when it is mounted once more; one that is there
            # may be half-way.
            flags = _BIND | _REMOUNT | _RDONLY | _NOSUID | _NODEV | _NOEXEC
            self._mount("none", target, "", flags, "")
        except OSError:
            self.unmount(target)
            raise

    def unmount(self, target: Path) -> None:
        """Nothing mounted there any more. Raises OSError."""
        self._unmount(target, sum(1 for _ in self._at(target)))

    def remove(self, target: Path) -> None:
        """Unmount everything there and remove the folder; nothing where nothing is.

        Raises OSError.
        """
        self.unmount(target)
        try:
            base, parts = self._apart(target)
            with _walked(base, parts[:-1]) as folder:
                os.rmdir(parts[-1], dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError as error:
            # What was never a mount may hold what somebody else put there: not ours to delete.
            if error.errno not in {errno.ENOTEMPTY, errno.ENOTDIR}:
                raise

    def _mount_tmpfs(self, target: Path) -> None:
        options = f"size={self._size},nr_inodes=16k,mode=0755"
        try:
            self._mount(SOURCE, target, "tmpfs", _HARDENED, options + self._no_swap)
        except OSError as error:
            if error.errno != errno.EINVAL or not self._no_swap:
                raise
            # Kernels before 6.4 cannot keep a tmpfs out of the swap: theirs must be off or
            # encrypted.
            self._no_swap = ""
            self._mount(SOURCE, target, "tmpfs", _HARDENED, options)

    def _unmount(self, target: Path, times: int) -> None:
        for _ in range(times):
            with self._opened(target) as found:
                # Pods may still have files open: they keep them, and nobody waits for it.
                result = self._libc.umount2(_path_of(found), _DETACH)
                number = ctypes.get_errno()
            if result and number not in {errno.EINVAL, errno.ENOENT}:
                raise _error("umount", target, number)

    def _mount(self, source: str, target: Path, fs_type: str, flags: int, options: str) -> None:
        with self._opened(target) as found:
            result = self._libc.mount(
                os.fsencode(source),
                _path_of(found),
                fs_type.encode(),
                ctypes.c_ulong(flags),
                options.encode(),
            )
            number = ctypes.get_errno()
        if result:
            raise _error("mount", target, number)

    def _at(self, target: Path) -> Iterator[Mount]:
        base, parts = self._apart(target)
        wanted = str(Path(os.path.realpath(base)).joinpath(*parts))
        return (mount for mount in read_mounts(wanted) if mount.target == wanted)

    def _is_same(self, target: Path, folder: Path) -> bool:
        with self._opened(target) as found:
            return os.path.samestat(os.fstat(found), folder.stat())

    def _make(self, target: Path) -> None:
        """Make the folder, and those above it; none of them is a link. Raises OSError."""
        base, parts = self._apart(target)
        base.mkdir(mode=0o750, parents=True, exist_ok=True)
        for number in range(len(parts)):
            with (
                _walked(base, parts[:number]) as folder,
                contextlib.suppress(FileExistsError),
            ):
                os.mkdir(parts[number], mode=0o750, dir_fd=folder)
        with self._opened(target):
            pass

    def _opened(self, target: Path) -> contextlib.AbstractContextManager[int]:
        """The folder itself, whatever happens to its name. Raises OSError."""
        return _walked(*self._apart(target))

    def _apart(self, target: Path) -> tuple[Path, tuple[str, ...]]:
        """The part of a path that may have links, and the names below it."""
        below = self._below
        if below is not None and target.is_relative_to(below):
            return below, target.relative_to(below).parts
        return target.parent, (target.name,)


@contextlib.contextmanager
def _walked(base: Path, parts: Sequence[str]) -> Iterator[int]:
    """A folder, opened step by step, so that no link leads to another. Raises OSError."""
    found = os.open(base, os.O_PATH | os.O_DIRECTORY)
    try:
        for part in parts:
            try:
                following = os.open(part, _FOLDER, dir_fd=found)
            except OSError as error:
                words = f"{error.strerror}: it must be a folder, and no link"
                raise OSError(error.errno, words, str(base.joinpath(*parts))) from error
            os.close(found)
            found = following
        yield found
    finally:
        os.close(found)


def _path_of(descriptor: int) -> bytes:
    """A path to what is open, whatever has happened to its name."""
    return b"/proc/self/fd/%d" % descriptor


def _is_ours(mount: Mount) -> bool:
    return (mount.fs_type, mount.source) == ("tmpfs", SOURCE)


def read_mounts(about: str = "") -> list[Mount]:
    """All mounts that this process sees, or at least those whose target is ``about``."""
    data = _MOUNTINFO.read_bytes()
    # A node has hundreds: only a name that is written otherwise needs a look at each.
    word = b"\n"
    if about and not _WRITTEN_OTHERWISE.search(about):
        word = b" " + os.fsencode(about) + b" "
    return [parse_mount(line) for line in _lines_with(data, word)]


def _lines_with(data: bytes, word: bytes) -> Iterator[str]:
    """The lines that a word stands in; each ends with a line break."""
    at = data.find(word)
    while at >= 0:
        start, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
        yield os.fsdecode(data[start:end])
        at = data.find(word, end + 1)


def parse_mount(line: str) -> Mount:
    """One line of mountinfo."""
    left, _, right = line.partition(" - ")
    fs_type, source, *_ = right.split(" ")
    return Mount(_plain(left.split(" ")[4]), fs_type, _plain(source))


def _plain(text: str) -> str:
    """Spaces, tabs, newlines and backslashes are written in octal."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)


def _error(call: str, target: Path, number: int) -> OSError:
    return OSError(number, f"{call}: {os.strerror(number)}", str(target))
