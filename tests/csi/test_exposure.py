"""What Pods must not see or reach, whatever links and mounts there are on the node."""

import asyncio
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from api.proto import csi_pb2
from registrar.csi.mounts import LinuxMounts
from tests.csi.test_publish import bind, shown
from tests.support.csi import Node
from tests.support.setup import until


def _link(node: Node) -> None:
    (node.workload_api.parent / "also").symlink_to(node.agent.admin_socket)


def _link_to_its_folder(node: Node) -> None:
    (node.workload_api.parent / "deep").mkdir()
    (node.workload_api.parent / "deep/admin").symlink_to("../../admin")


def _hard_link(node: Node) -> None:
    os.link(node.agent.admin_socket, node.workload_api.parent / "also")


def _mount_of_its_folder(node: Node) -> None:
    there = node.workload_api.parent / "there"
    there.mkdir()
    bind(node.agent.admin_socket.parent, there)


def _the_folder_is_a_link(node: Node) -> None:
    node.workload_api.parent.rmdir()
    node.workload_api.parent.symlink_to("admin")


WAYS = [_link, _link_to_its_folder, _hard_link, _mount_of_its_folder, _the_folder_is_a_link]


@pytest.mark.parametrize("way", WAYS)
async def test_a_pod_never_sees_the_admin_socket_by_whatever_name(
    node: Node, way: Callable[[Node], None]
) -> None:
    """Also when it comes into the folder while the driver runs."""
    pod, before = node.pod(), node.pod()
    async with node.driver() as driver:
        await driver.publish(before, mode="workload-api")
        await asyncio.to_thread(way, node)
        code, message = await driver.refused(pod.request(mode="workload-api"))
        assert code == "FAILED_PRECONDITION"
        assert "agent_admin_socket_path" in message
        assert not pod.target.exists()
        # The kubelet calls again for what is there already: nobody else is to see it.
        code, _ = await driver.refused(before.request(mode="workload-api"))
        assert code == "FAILED_PRECONDITION"
        assert shown(before.target) == []
        abnormal, why = await driver.condition(before)
        assert abnormal
        assert "agent_admin_socket_path" in why
        assert ("web-1", "WorkloadAPINotShown") in [event[:2] for event in node.heard.events]


async def test_an_admin_socket_that_is_only_to_come_is_seen_beforehand(node: Node) -> None:
    """The agent is away, and has its folder elsewhere by a link."""
    await node.agent.stop()
    admin = node.agent.admin_socket
    admin.unlink(missing_ok=True)
    admin.symlink_to(node.workload_api.parent / "admin.sock")
    async with node.driver() as driver:
        code, _ = await driver.refused(node.pod().request(mode="workload-api"))
        assert code == "FAILED_PRECONDITION"
    admin.unlink()


async def test_a_view_is_given_again_once_it_may_be_seen(node: Node) -> None:
    pod = node.pod()
    async with node.driver() as driver:
        await driver.publish(pod, mode="workload-api")
        _link(node)
        await driver.refused(pod.request(mode="workload-api"))
        (node.workload_api.parent / "also").unlink()
        (node.workload_api).write_text("in the place of a socket")
        await driver.publish(pod, mode="workload-api")
        assert shown(pod.target) == ["api.sock"]
        assert (await driver.condition(pod))[0] is False


async def test_after_a_restart_a_view_that_shows_too_much_is_taken_away_and_nothing_else(
    node: Node,
) -> None:
    pod, files = node.pod(), node.pod()
    node.entry(files)
    async with node.driver() as driver:
        await driver.publish(pod, mode="workload-api")
        path = await driver.publish(files)
    _link(node)
    async with node.driver() as driver:
        assert shown(pod.target) == []
        assert driver.volumes.states() == {"waiting": 0, "serving": 1, "abnormal": 1}
        node.agent.rotate()
        before = (path / "svid.pem").read_bytes()
        await until(lambda: (path / "svid.pem").read_bytes() != before)


async def test_an_agent_folder_that_is_away_at_a_restart_costs_nothing_else(node: Node) -> None:
    pod, files = node.pod(), node.pod()
    node.entry(files)
    async with node.driver() as driver:
        await driver.publish(pod, mode="workload-api")
        await driver.publish(files)
    node.workload_api.parent.rename(node.folder / "agent/away")
    async with node.driver() as driver:
        assert driver.volumes.states() == {"waiting": 0, "serving": 1, "abnormal": 1}


async def test_no_link_is_followed_on_the_way_to_a_target(node: Node) -> None:
    """Not to another Pod's volume, nor out of the kubelet's folder; not when it ends either."""
    pod, victim = node.pod(), node.pod()
    for each in (pod, victim):
        node.entry(each)
    folder = pod.target.parent
    async with node.driver() as driver:
        theirs = await driver.publish(victim)
        for place in (theirs.parent, node.folder / "agent"):
            folder.rmdir() if not folder.is_symlink() else folder.unlink()
            folder.symlink_to(place)
            code, message = await driver.refused(pod.request())
            assert code == "INVALID_ARGUMENT"
            assert "target_path" in message
            assert "a link leads to" in message
            with pytest.raises(Exception, match="a link leads to"):
                await driver.unpublish(pod)
        assert await node.mounts() == [str(theirs)]
        assert (theirs / "svid.pem").exists()


async def test_the_kubelets_own_folder_may_be_a_link(node: Node) -> None:
    """As some distributions have it, and administrators who moved it to another disk."""
    real = node.folder / "elsewhere"
    real.mkdir()
    node.kubelet_dir.symlink_to(real)
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod)
        assert (path / "svid.pem").exists()
        assert len(await node.mounts()) == 1
        await driver.publish(pod)
        assert len(await node.mounts()) == 1
        await driver.unpublish(pod)
        assert await node.mounts() == []


def test_mounts_follow_no_link_that_comes_after_the_check(node: Node) -> None:
    mounts = LinuxMounts(below=node.kubelet_dir)
    (node.kubelet_dir / "pods").mkdir(parents=True)
    victim = node.folder / "victim"
    victim.mkdir()
    (node.kubelet_dir / "pods/link").symlink_to(victim)
    for target in (node.kubelet_dir / "pods/link", node.kubelet_dir / "pods/link/mount"):
        with pytest.raises(OSError, match="no link"):
            mounts.ensure_tmpfs(target)
        with pytest.raises(OSError, match="no link"):
            mounts.ensure_bind(victim, target)
        mounts.remove(target)
    assert victim.is_dir()
    assert list(victim.iterdir()) == []


async def test_one_volume_never_touches_the_target_of_another(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod)
        other = pod.request()
        other.volume_id = "csi-of-somebody-else"
        code, _ = await driver.refused(other)
        assert code == "ALREADY_EXISTS"
        with pytest.raises(Exception, match="is published at"):
            await driver.stub.NodeUnpublishVolume(_leaving(other.volume_id, path))
        assert (path / "svid.pem").exists()


def _leaving(volume_id: str, target: Path) -> csi_pb2.NodeUnpublishVolumeRequest:
    return csi_pb2.NodeUnpublishVolumeRequest(volume_id=volume_id, target_path=str(target))


async def test_records_that_somebody_changed_give_nobody_anothers_files(node: Node) -> None:
    """What is remembered is checked as the kubelet's calls are; the rest is taken up."""
    pod, victim, good = node.pod(), node.pod(), node.pod()
    for each, path in ((pod, "/mine"), (victim, "/theirs"), (good, "/good")):
        node.entry(each, path)
    async with node.driver() as driver:
        for each in (pod, victim, good):
            await driver.publish(each)
    before = (victim.target / "svid.pem").stat().st_ino
    record = node.records / f"{hashlib.sha256(pod.volume_id.encode()).hexdigest()}.json"
    changed = json.loads(record.read_text())
    changed["target"] = str(victim.target)
    record.write_text(json.dumps(changed))
    os.mkfifo(node.records / "pipe.json")
    (node.records / "link.json").symlink_to(record)
    (node.records / "deep.json").write_text("[" * 100_000)
    (node.records / "folder.json").mkdir()
    (node.records / "folder.tmp").mkdir()
    async with node.driver() as driver:
        assert driver.volumes.states()["serving"] == 2
        assert (victim.target / "svid.pem").stat().st_ino == before


async def test_a_record_is_never_written_through_a_link(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    victim = node.folder / "victim"
    victim.write_text("kept")
    async with node.driver() as driver:
        node.records.mkdir(exist_ok=True)
        name = hashlib.sha256(pod.volume_id.encode()).hexdigest()
        (node.records / f"{name}.tmp").symlink_to(victim)
        await driver.publish(pod)
    assert victim.read_text() == "kept"
