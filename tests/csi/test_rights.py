"""Who can read the files: threads with the IDs of other users try it."""

import asyncio
import ctypes
import os
import platform
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from registrar.csi.mounts import LinuxMounts
from tests.support.csi import Node

FILES = ("svid.pem", "svid_key.pem", "bundle.pem")


@pytest.fixture
def view() -> Path:
    """A folder that everybody may reach, as containers have one; mounts there are our own."""
    return Path("/mnt")


def as_user(uid: int, gid: int, groups: tuple[int, ...], call: Callable[[], bool]) -> bool:
    """What a call gives where the kernel lets the thread see files as that user does.

    The IDs for files belong to a thread, as the kernel has it; only libc gives them to all.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    number = {"x86_64": 116, "aarch64": 159}[platform.machine()]
    given: list[bool] = []

    def run() -> None:
        wanted = (ctypes.c_uint32 * len(groups))(*groups)
        assert not libc.syscall(number, len(groups), wanted)
        libc.setfsgid(gid)
        libc.setfsuid(uid)
        given.append(call())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return given[0]


async def readable(path: Path, view: Path, *, uid: int, gid: int, groups: tuple[int, ...]) -> bool:
    """Whether a process with those IDs can read the files of a volume."""

    def read() -> bool:
        try:
            return all((view / name).read_bytes() for name in FILES)
        except PermissionError:
            return False

    mounts = LinuxMounts()
    await asyncio.to_thread(mounts.ensure_bind, path, view)
    try:
        return await asyncio.to_thread(as_user, uid, gid, groups, read)
    finally:
        await asyncio.to_thread(mounts.unmount, view)


async def test_with_an_fs_group_two_users_of_a_pod_can_read_and_nobody_else(
    node: Node, view: Path
) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod, mount_group="4000")
        for uid in (1000, 1_000_680_000):  # the second as OpenShift draws them
            assert await readable(path, view, uid=uid, gid=uid, groups=(4000,))
        assert not await readable(path, view, uid=1000, gid=1000, groups=(4001,))
        key = (path / "svid_key.pem").stat()
        assert (stat.S_IMODE(key.st_mode), key.st_uid, key.st_gid) == (0o440, 0, 4000)
        node.agent.rotate()
        await driver.publish(pod, mount_group="4000")
        assert await readable(path, view, uid=1000, gid=1000, groups=(4000,))


async def test_without_a_group_the_key_is_roots_alone(node: Node, view: Path) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod)
        assert not await readable(path, view, uid=1000, gid=1000, groups=())
        assert await readable(path, view, uid=0, gid=0, groups=())
        modes = {name: stat.S_IMODE((path / name).stat().st_mode) for name in FILES}
        assert modes == {"svid.pem": 0o444, "svid_key.pem": 0o400, "bundle.pem": 0o444}


async def test_owner_group_and_modes_are_as_asked(node: Node, view: Path) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(
            pod, mount_group="4000", uid="1000", gid="3000", keyMode="0400", fileMode="0440"
        )
        assert await readable(path, view, uid=1000, gid=1000, groups=())
        assert not await readable(path, view, uid=1001, gid=1001, groups=(3000, 4000))
        found = {name: (path / name).stat() for name in FILES}
        assert {(f.st_uid, f.st_gid) for f in found.values()} == {(1000, 3000)}
        assert stat.S_IMODE(found["svid.pem"].st_mode) == 0o440
        assert stat.S_IMODE(found["svid_key.pem"].st_mode) == 0o400


async def test_nothing_in_a_volume_can_be_written_run_or_be_a_device(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod)
        flags = os.statvfs(path).f_flag
        assert flags & os.ST_NOEXEC
        assert flags & os.ST_NOSUID
        assert flags & os.ST_NODEV
