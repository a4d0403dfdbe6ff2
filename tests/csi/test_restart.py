"""Whatever the driver, the kubelet and the node go through: one mount, and files that stay."""

import asyncio
import contextlib
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registrar.csi.mounts import LinuxMounts
from tests.support.csi import Driver, Node, Pod, need_mounts, serve_node, written
from tests.support.setup import eventually, until


async def test_files_stay_untouched_until_there_is_something_newer(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod)
    before = {found.name: written(found) for found in (path / "..data").iterdir()}
    async with node.driver() as driver:
        await until(lambda: node.agent.streams == 2)
        await driver.publish(pod)

        async def is_well() -> bool:
            return await driver.condition(pod) == (False, "the files are up to date")

        await eventually(is_well)
        assert {found.name: written(found) for found in (path / "..data").iterdir()} == before
        assert await node.mounts() == [str(path)]
        node.agent.rotate()
        await until(lambda: written(path / "svid.pem") != before["svid.pem"])


async def test_it_goes_on_without_the_agent(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod)
    await node.agent.stop()
    async with node.driver() as driver:
        # The kubelet calls again; what is there is enough.
        await driver.publish(pod)
        assert driver.volumes.nearest_expiry() > 3000
        before = (path / "svid.pem").read_bytes()
        await node.agent.start()
        await until(lambda: (path / "svid.pem").read_bytes() != before)


async def test_metadata_of_a_pod_that_is_gone_is_removed(node: Node) -> None:
    """After a reboot nothing is mounted; the kubelet publishes again what is still wanted."""
    pod, gone = node.pod(), node.pod(name="gone")
    for each in (pod, gone):
        node.entry(each)
    async with node.driver() as driver:
        path = await driver.publish(pod)
        await node.unmount(await driver.publish(gone))
    (node.records / "half.tmp").write_text("{")
    (node.records / "broken.json").write_text("{")
    async with node.driver() as driver:
        assert driver.volumes.states()["serving"] == 1
        names = [json.loads(f.read_text())["pod"]["name"] for f in _records(node)]
        assert names == ["web-1"]
        assert await node.mounts() == [str(path)]
        await driver.publish(gone)


async def test_a_driver_killed_between_mount_and_files_finishes(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod)
    await node.unmount(path)
    await asyncio.to_thread(LinuxMounts().ensure_tmpfs, path)
    async with node.driver():
        await until((path / "svid_key.pem").exists)
        assert await node.mounts() == [str(path)]


async def test_a_driver_killed_in_the_middle_of_a_write_starts_over(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod)
    # Half of a version that nobody ever saw, and a link that was not renamed.
    (path / "..v9").mkdir()
    (path / "..v9/svid.pem").write_text("half")
    (path / "..data_next").symlink_to("..v9")
    async with node.driver() as driver:
        await driver.publish(pod)
        before = (path / "..data").readlink()
        node.agent.rotate()
        await until(lambda: (path / "..data").readlink() != before)
        await until(
            lambda: [f.name for f in path.glob("..v*")] == [str((path / "..data").readlink())]
        )
        assert "END CERTIFICATE" in (path / "svid.pem").read_text()
        assert not (path / "..data_next").is_symlink()


class Story:
    """A node and what happens to one volume on it, in any order."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.pod: Pod = node.pod()
        node.entry(self.pod)
        self.stack = contextlib.AsyncExitStack()
        self.driver: Driver | None = None

    async def start(self) -> None:
        await self.stack.aclose()
        self.stack = contextlib.AsyncExitStack()
        self.driver = await self.stack.enter_async_context(self.node.driver())

    async def do(self, step: str) -> None:
        assert self.driver is not None
        match step:
            case "publish":
                await self.driver.publish(self.pod)
                assert await self.node.mounts() == [str(self.pod.target)]
                assert (self.pod.target / "svid.pem").exists()
            case "kubelet restarts":
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(4):
                        tasks.create_task(self.driver.publish(self.pod))
                assert await self.node.mounts() == [str(self.pod.target)]
            case "driver restarts":
                await self.start()
            case "unpublish":
                await self.driver.unpublish(self.pod)
                assert await self.node.mounts() == []
            case "mounted twice":
                # What a driver before us, or another bug, left.
                if self.pod.target.exists():
                    await self.node.mount_over(self.pod.target)
            case "reboot":
                await self.stack.aclose()
                await self.node.unmount(self.pod.target)
                await self.start()
            case "rotation":
                self.node.agent.rotate()


STEPS = (
    "publish",
    "kubelet restarts",
    "driver restarts",
    "unpublish",
    "mounted twice",
    "reboot",
    "rotation",
)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(steps=st.lists(st.sampled_from(STEPS), min_size=3, max_size=12))
def test_any_number_of_publishes_and_restarts_leaves_one_mount(steps: list[str]) -> None:
    need_mounts()

    async def tell() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with serve_node(Path(folder)) as node:
                story = Story(node)
                await story.start()
                try:
                    for step in steps:
                        await story.do(step)
                    await story.do("publish")
                    await story.do("unpublish")
                    assert not _records(node)
                finally:
                    await story.stack.aclose()

    asyncio.run(tell())


def _records(node: Node) -> list[Path]:
    return [path for path in node.records.glob("*.json") if path.name != "broken.json"]
