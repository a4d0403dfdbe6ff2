"""A stand-in for a kubelet, as far as a CSI driver meets one.

It finds plugins in its registry folder, asks them who they are, and calls them
to publish and unpublish the inline volumes of Pods that it is told of. What it
calls when, and what it leaves on the disk, is a real kubelet's, which the tests
of a real node compare it with.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from api.proto import (
    csi_pb2,
    csi_pb2_grpc,
    pluginregistration_pb2,
    pluginregistration_pb2_grpc,
)

_LOOK_SECONDS = 0.05
_REGISTERED_SECONDS = 90.0
_CALL_SECONDS = 120.0
"""A kubelet's own deadline: a driver may wait for most of it before it says why it cannot."""
_GET_INFO_SECONDS = 1.0
_TOLD_SECONDS = 5.0
_UNFINISHED = {"CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED"}
"""After these the driver may still be at work: what is there of a volume stays."""
_ABOUT = "vol_data.json"
_OPTIONS = [("grpc.default_authority", "localhost")]


_CONFIGURATION = """\
node_name               = "{node_name}"
agent_admin_socket_path = "{folder}/admin.sock"
csi_socket_path         = "{folder}/csi.sock"
kubelet_socket_path     = "{folder}/csi.sock"
registration_dir        = "{folder}/kubelet/plugins_registry"
kubelet_dir             = "{folder}/kubelet"
data_dir                = "{folder}/volumes"
metrics_addr            = "127.0.0.1:0"
events                  = false
"""


def driver_configuration(folder: Path, node_name: str) -> str:
    """The node driver's file where everything lies in one folder: ``admin.sock``, ``kubelet``."""
    return _CONFIGURATION.format(folder=folder, node_name=node_name)


class CallError(Exception):
    """A driver has refused a call; the message is what ends up in an Event on the Pod."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        super().__init__(error.details() or "")
        self.code = error.code().name


@dataclass(frozen=True, slots=True)
class InlineVolume:
    """The volume of a Pod below ``kubelet_dir``, by the names that a kubelet gives."""

    kubelet_dir: Path
    pod: str
    namespace: str = "default"
    service_account: str = "default"
    name: str = "svid"
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    attributes: Mapping[str, str] = field(default_factory=dict)
    fs_group: int | None = None
    read_only: bool = True

    @property
    def id(self) -> str:
        """The volume's ID."""
        return f"csi-{hashlib.sha256((self.uid + self.name).encode()).hexdigest()}"

    @property
    def target(self) -> Path:
        """Where the volume is to be mounted."""
        return (
            self.kubelet_dir / "pods" / self.uid / "volumes/kubernetes.io~csi" / self.name / "mount"
        )

    def request(self) -> csi_pb2.NodePublishVolumeRequest:
        """The call that publishes it; what the kubelet knows wins over the attributes."""
        group = "" if self.fs_group is None else str(self.fs_group)
        return csi_pb2.NodePublishVolumeRequest(
            volume_id=self.id,
            target_path=str(self.target),
            readonly=self.read_only,
            volume_capability=csi_pb2.VolumeCapability(
                mount=csi_pb2.VolumeCapability.MountVolume(volume_mount_group=group),
                access_mode=csi_pb2.VolumeCapability.AccessMode(
                    mode=csi_pb2.VolumeCapability.AccessMode.SINGLE_NODE_WRITER
                ),
            ),
            volume_context={
                **self.attributes,
                "csi.storage.k8s.io/ephemeral": "true",
                "csi.storage.k8s.io/pod.name": self.pod,
                "csi.storage.k8s.io/pod.namespace": self.namespace,
                "csi.storage.k8s.io/pod.uid": self.uid,
                "csi.storage.k8s.io/serviceAccount.name": self.service_account,
            },
        )


class Kubelet:
    """One node's. Make it with ``start``; ``plugins`` are the endpoints that it knows, by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = folder / "plugins_registry"
        self.plugins: dict[str, Path] = {}
        self._seen: dict[Path, tuple[int, int]] = {}
        self._names: dict[Path, str] = {}
        self._channels: dict[Path, grpc.aio.Channel] = {}
        self._published: dict[str, tuple[str, InlineVolume]] = {}
        self._again: set[str] = set()

    @classmethod
    @asynccontextmanager
    async def start(cls, folder: Path) -> AsyncIterator["Kubelet"]:
        """Look for plugins until the block is left."""
        kubelet = cls(folder)
        await asyncio.to_thread(kubelet.registry.mkdir, parents=True, exist_ok=True)
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(kubelet._look())
            try:
                yield kubelet
            finally:
                looking.cancel()
                for channel in kubelet._channels.values():
                    await channel.close()

    async def registered(self, name: str) -> Path:
        """Wait for a plugin; gives its endpoint. Raises TimeoutError."""
        async with asyncio.timeout(_REGISTERED_SECONDS):
            while name not in self.plugins:  # noqa: ASYNC110 - a folder tells nobody
                await asyncio.sleep(_LOOK_SECONDS)
        return self.plugins[name]

    def restart(self) -> None:
        """Forget every plugin; what is found in the registry is asked anew.

        Every volume of a Pod that is there is then published once more.
        """
        self.plugins.clear()
        self._names.clear()
        self._seen.clear()
        self._again = {*self._published}

    async def publish(self, driver: str, volume: InlineVolume) -> Path:
        """Have a volume published; gives its path. Raises CallError, TimeoutError.

        Without the driver it waits, as Pods do.
        """
        stub = csi_pb2_grpc.NodeStub(self._channel(await self.registered(driver)))
        await asyncio.to_thread(_prepare, driver, volume)
        request = volume.request()
        try:
            if not await _takes_mount_group(stub):
                request.volume_capability.mount.ClearField("volume_mount_group")
            await stub.NodePublishVolume(request, timeout=_CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code().name not in _UNFINISHED:
                await asyncio.to_thread(_clean_up, volume)
            raise CallError(error) from error
        self._published[volume.id] = driver, volume
        return volume.target

    async def unpublish(self, driver: str, volume: InlineVolume) -> None:
        """Have a volume unpublished, and remove its folder. Raises CallError, TimeoutError."""
        stub = csi_pb2_grpc.NodeStub(self._channel(await self.registered(driver)))
        request = csi_pb2.NodeUnpublishVolumeRequest(
            volume_id=volume.id, target_path=str(volume.target)
        )
        try:
            await stub.NodeUnpublishVolume(request, timeout=_CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise CallError(error) from error
        self._published.pop(volume.id, None)
        await asyncio.to_thread(_clean_up, volume)

    def _channel(self, endpoint: Path) -> grpc.aio.Channel:
        if endpoint not in self._channels:
            self._channels[endpoint] = grpc.aio.insecure_channel(
                f"unix:{endpoint}", options=_OPTIONS
            )
        return self._channels[endpoint]

    async def _look(self) -> None:
        while True:
            found = await asyncio.to_thread(_sockets, self.registry)
            for socket, made in list(self._seen.items()):
                if found.get(socket) != made:
                    # First it forgets the plugin; one of the same name is another.
                    del self._seen[socket]
                    self.plugins.pop(self._names.pop(socket, ""), None)
                    found.pop(socket, None)
            for socket, made in found.items():
                if socket not in self._seen:
                    with contextlib.suppress(grpc.aio.AioRpcError):
                        await self._ask(socket)
                        self._seen[socket] = made
            await self._publish_again()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _publish_again(self) -> None:
        for volume_id in [*self._again]:
            driver, volume = self._published.get(volume_id, ("", None))
            if volume is None:
                self._again.discard(volume_id)
            elif driver in self.plugins:
                with contextlib.suppress(CallError):
                    await self.publish(driver, volume)
                    self._again.discard(volume_id)

    async def _ask(self, socket: Path) -> None:
        """Ask a plugin who it is, and tell it that it is registered, or why not."""
        async with grpc.aio.insecure_channel(f"unix:{socket}", options=_OPTIONS) as channel:
            stub = pluginregistration_pb2_grpc.RegistrationStub(channel)
            info = await stub.GetInfo(
                pluginregistration_pb2.InfoRequest(), timeout=_GET_INFO_SECONDS
            )
            problem = await self._problem_of(info)
            await stub.NotifyRegistrationStatus(
                pluginregistration_pb2.RegistrationStatus(
                    plugin_registered=not problem, error=problem
                ),
                timeout=_TOLD_SECONDS,
            )
            if not problem:
                self.plugins[info.name] = Path(info.endpoint)
                self._names[socket] = info.name

    async def _problem_of(self, info: pluginregistration_pb2.PluginInfo) -> str:
        if info.type != "CSIPlugin":
            return f"no handler for the type {info.type!r}"
        if "1.0.0" not in info.supported_versions:
            return f"no version that is supported: {list(info.supported_versions)}"
        async with grpc.aio.insecure_channel(f"unix:{info.endpoint}", options=_OPTIONS) as channel:
            try:
                node = await csi_pb2_grpc.NodeStub(channel).NodeGetInfo(
                    csi_pb2.NodeGetInfoRequest(), timeout=_CALL_SECONDS
                )
            except grpc.aio.AioRpcError as error:
                return f"NodeGetInfo: {error.details()}"
        return "" if node.node_id else "the driver knows no name of its node"


async def _takes_mount_group(stub: "csi_pb2_grpc.NodeAsyncStub") -> bool:
    """Whether a driver is told a Pod's group. Raises AioRpcError."""
    found = await stub.NodeGetCapabilities(
        csi_pb2.NodeGetCapabilitiesRequest(), timeout=_CALL_SECONDS
    )
    wanted = csi_pb2.NodeServiceCapability.RPC.VOLUME_MOUNT_GROUP
    return any(capability.rpc.type == wanted for capability in found.capabilities)


def _prepare(driver: str, volume: InlineVolume) -> None:
    """The volume's folder, with what a kubelet that is started anew must know; not the target."""
    folder = volume.target.parent
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "driverName": driver,
        "specVolID": volume.name,
        "volumeHandle": volume.id,
        "volumeLifecycleMode": "Ephemeral",
    }
    (folder / _ABOUT).write_text(json.dumps(about), encoding="utf-8")


def _clean_up(volume: InlineVolume) -> None:
    """Nothing left of a volume, unless something is still mounted there."""
    if os.path.ismount(volume.target):
        return
    with contextlib.suppress(FileNotFoundError):
        volume.target.rmdir()
    with contextlib.suppress(FileNotFoundError):
        (volume.target.parent / _ABOUT).unlink()
        volume.target.parent.rmdir()


def _sockets(folder: Path) -> dict[Path, tuple[int, int]]:
    """The sockets of a folder, with what tells one from a later one of its name."""
    found = {}
    for path in folder.glob("*.sock"):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            found[path] = (status.st_ino, status.st_ctime_ns)
    return found
