"""The node driver in tests: an agent, the driver on real sockets and mounts, a kubelet's calls."""

import asyncio
import contextlib
import ctypes
import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import grpc
import pytest

from api.proto import csi_pb2, csi_pb2_grpc, types_pb2
from devcluster.kubelet import InlineVolume
from devcluster.mounts import mounts_below, own_mounts, unmount_below
from devcluster.spire.agent import Agent
from devcluster.spire.server import SpireServer
from registrar.csi.driver import serve_csi
from registrar.csi.mounts import LinuxMounts
from registrar.csi.node import NodeService
from registrar.csi.records import Records
from registrar.csi.volume import PodInfo
from registrar.csi.volumes import Limits, Volumes
from registrar.spire.background import background
from registrar.spire.delegated import connect
from tests.support.waiting import eventually

NODE = "node-1"
IMPATIENT_SECONDS = 2.0
"""For a publish that shall fail: long enough for a busy machine to ask the agent."""

# The stubs know this type only while types are checked.
NodeStub: TypeAlias = "csi_pb2_grpc.NodeAsyncStub"


def written(path: Path) -> tuple[int, int]:
    """Which file it is and when it was written; reading it changes neither."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def need_mounts() -> None:
    """Skip the test where nothing may be mounted; in CI that is a failure."""
    why = own_mounts()
    if why and os.environ.get("CI") == "true":
        pytest.fail(why)
    if why:
        pytest.skip(why)


@dataclass
class Heard:
    """What the driver tells its observers."""

    published_: list[str] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    rotations: list[float] = field(default_factory=list)
    events: list[tuple[str, str, str]] = field(default_factory=list)
    ends: list[tuple[str, str, str]] = field(default_factory=list)

    def published(self, result: str) -> None:
        self.published_.append(result)

    def first_svid(self, seconds: float) -> None:
        self.first.append(seconds)

    def rotated(self, seconds: float) -> None:
        self.rotations.append(seconds)

    def warn(self, pod: PodInfo, reason: str, message: str) -> None:
        self.events.append((pod.name, reason, message))

    def inform(self, pod: PodInfo, reason: str, message: str) -> None:
        self.ends.append((pod.name, reason, message))


@dataclass(frozen=True)
class Pod:
    """A Pod on the node, and its one volume."""

    kubelet_dir: Path
    name: str = "web-1"
    namespace: str = "shop"
    service_account: str = "web"
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))

    def volume(self, mount_group: str = "", **attributes: str) -> InlineVolume:
        """The volume as its spec has it."""
        return InlineVolume(
            self.kubelet_dir,
            self.name,
            namespace=self.namespace,
            service_account=self.service_account,
            uid=self.uid,
            attributes=attributes,
            fs_group=int(mount_group) if mount_group else None,
        )

    @property
    def target(self) -> Path:
        return self.volume().target

    @property
    def volume_id(self) -> str:
        return self.volume().id

    def request(
        self, *, mount_group: str = "", **attributes: str
    ) -> csi_pb2.NodePublishVolumeRequest:
        """The kubelet's call, with the volume's attributes."""
        return self.volume(mount_group, **attributes).request()


@dataclass
class Node:
    """One node: what is on it, and what a test does to it."""

    folder: Path
    spire: SpireServer
    agent: Agent
    heard: Heard = field(default_factory=Heard)

    @property
    def kubelet_dir(self) -> Path:
        return self.folder / "kubelet"

    @property
    def records(self) -> Path:
        return self.folder / "volumes"

    @property
    def workload_api(self) -> Path:
        return self.folder / "agent/public/api.sock"

    def pod(self, **fields: str) -> Pod:
        """A Pod whose volume folder the kubelet has made."""
        pod = Pod(self.kubelet_dir, **fields)
        pod.target.parent.mkdir(parents=True)
        return pod

    def entry(
        self, pod: Pod, path: str = "/web", *, selector: str = "", **fields: object
    ) -> types_pb2.Entry:
        """An entry for a Pod, by its uid or another selector."""
        return self.spire.state.put(
            types_pb2.Entry(
                spiffe_id=types_pb2.SPIFFEID(trust_domain="example.org", path=path),
                parent_id=types_pb2.SPIFFEID(trust_domain="example.org", path="/spire/agent/a"),
                selectors=[types_pb2.Selector(type="k8s", value=selector or f"pod-uid:{pod.uid}")],
                **fields,  # type: ignore[arg-type]
            )
        )

    async def mounts(self) -> list[str]:
        """Where something is mounted on the node, once for each mount."""
        return await asyncio.to_thread(mounts_below, self.folder)

    async def unmount(self, path: Path) -> None:
        """Take all mounts off a folder, as a reboot does."""
        await asyncio.to_thread(unmount_below, path.parent)

    async def unmount_top(self, path: Path) -> None:
        """Take away what was mounted there last."""
        await asyncio.to_thread(_unmount, path)

    async def mount_over(self, path: Path) -> None:
        """Mount something over whatever is there."""
        await asyncio.to_thread(_mount_tmpfs, path)

    def driver(
        self, *, first_svid: float = 25.0, agent_away: float = 600.0
    ) -> "contextlib.AbstractAsyncContextManager[Driver]":
        """Run the driver until the block ends."""
        limits = Limits(first_svid=first_svid, agent_away=agent_away)
        return run_driver(self.folder, self.agent.admin_socket, heard=self.heard, limits=limits)


@dataclass
class Driver:
    """The driver that runs, as the kubelet sees it."""

    stub: NodeStub
    volumes: Volumes
    channel: grpc.aio.Channel

    async def publish(self, pod: Pod, *, mount_group: str = "", **attributes: str) -> Path:
        """Publish a Pod's volume; gives its path."""
        request = pod.request(mount_group=mount_group, **attributes)
        await self.stub.NodePublishVolume(request, timeout=60.0)
        return pod.target

    async def refused(self, request: csi_pb2.NodePublishVolumeRequest) -> tuple[str, str]:
        """Code and message with which a call is refused."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.stub.NodePublishVolume(request, timeout=60.0)
        return caught.value.code().name, caught.value.details() or ""

    async def refused_saying(
        self, request: csi_pb2.NodePublishVolumeRequest, text: str
    ) -> tuple[str, str]:
        """Code and message of a refusal that says the text, asked for as often as a kubelet would.

        On a busy machine the first may come before the agent has said all that it has to say.
        """
        found: list[tuple[str, str]] = []

        async def is_said() -> bool:
            found[:] = [await self.refused(request)]
            return text in found[0][1]

        try:
            await eventually(is_said)
        except TimeoutError:
            raise AssertionError(f"{found}, not {text!r}") from None
        return found[0]

    async def unpublish(self, pod: Pod) -> None:
        """Unpublish a Pod's volume."""
        request = csi_pb2.NodeUnpublishVolumeRequest(
            volume_id=pod.volume_id, target_path=str(pod.target)
        )
        await self.stub.NodeUnpublishVolume(request, timeout=60.0)

    async def condition(self, pod: Pod) -> tuple[bool, str]:
        """Whether a volume is abnormal, and why."""
        request = csi_pb2.NodeGetVolumeStatsRequest(
            volume_id=pod.volume_id, volume_path=str(pod.target)
        )
        found = await self.stub.NodeGetVolumeStats(request, timeout=60.0)
        return found.volume_condition.abnormal, found.volume_condition.message


@contextlib.asynccontextmanager
async def run_driver(
    folder: Path, admin_socket: Path, *, heard: Heard, limits: Limits
) -> AsyncIterator[Driver]:
    """The driver of a node whose folder that is, on an agent's admin socket."""
    socket = folder / "csi.sock"
    async with connect(admin_socket) as delegated, background() as tasks:
        volumes = Volumes(
            agent=delegated,
            mounts=LinuxMounts(below=folder / "kubelet/pods"),
            records=Records(folder / "volumes", kubelet_dir=folder / "kubelet"),
            node_name=NODE,
            workload_api=folder / "agent/public/api.sock",
            secrets={"agent_admin_socket_path": admin_socket},
            limits=limits,
            observer=heard,
            sayer=heard,
        )
        tasks.create_task(volumes.run())
        await volumes.taken_up.wait()
        node = NodeService(volumes, node_name=NODE, kubelet_dir=folder / "kubelet", observer=heard)
        async with (
            serve_csi(socket, node=node, version="test"),
            grpc.aio.insecure_channel(f"unix:{socket}") as channel,
        ):
            yield Driver(csi_pb2_grpc.NodeStub(channel), volumes, channel)


@contextlib.asynccontextmanager
async def serve_node(folder: Path, *, ttl_seconds: float = 3600.0) -> AsyncIterator[Node]:
    """An agent with its server; unmounts what is left at the end."""
    (folder / "agent/public").mkdir(parents=True)
    (folder / "agent/admin").mkdir()
    async with (
        SpireServer.serve(socket_path=folder / "server.sock") as spire,
        Agent.serve(
            spire.state,
            spire.authority,
            admin_socket=folder / "agent/admin/admin.sock",
            ttl_seconds=ttl_seconds,
        ) as agent,
    ):
        node = Node(folder, spire, agent)
        try:
            yield node
        finally:
            await asyncio.to_thread(unmount_below, folder)


def _mount_tmpfs(path: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert not libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", ctypes.c_ulong(0), None)


def _unmount(path: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert not libc.umount2(os.fsencode(path), 2)
