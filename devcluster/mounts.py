"""Mounts of this process's own: a driver can be tried without touching the machine's (Linux)."""

import ctypes
import os
from functools import cache
from pathlib import Path

_NEWNS, _NEWUSER = 0x00020000, 0x10000000
_REC, _PRIVATE = 16384, 1 << 18


@cache
def own_mounts() -> str:
    """Give this process mounts of its own; gives why that cannot be, or the empty text.

    Threads and processes made from now on share them, threads from before keep the
    machine's. Whoever is not root becomes root of a user namespace, where the kernel
    allows that, which works only before there are threads.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(_NEWNS if uid == 0 else _NEWNS | _NEWUSER):
        return f"no mount namespace of our own: {os.strerror(ctypes.get_errno())}"
    if uid:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="ascii")
    if libc.mount(b"none", b"/", None, ctypes.c_ulong(_REC | _PRIVATE), None):
        return f"mounts cannot be made private: {os.strerror(ctypes.get_errno())}"
    return ""


def mounts_below(folder: Path) -> list[str]:
    """Where something is mounted below a folder, once for each mount; read as the kernel says."""
    lines = Path("/proc/thread-self/mountinfo").read_text(encoding="utf-8").splitlines()
    targets = [line.split(" ")[4] for line in lines]
    return [target for target in targets if target.startswith(f"{folder}/")]


def unmount_below(folder: Path) -> None:
    """Take everything off that is mounted below a folder, as a reboot does."""
    libc = ctypes.CDLL(None, use_errno=True)
    for target in reversed(mounts_below(folder)):
        libc.umount2(os.fsencode(target), 2)
