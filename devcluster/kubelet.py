"""A stand-in for a kubelet, as far as a CSI driver meets one.

It finds plugins in its registry folder, asks them who they are, and calls them
to publish and unpublish the inline volumes of Pods that it is told of.
"""

import asyncio
import contextlib
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
_REGISTERED_SECONDS = 30.0
_CALL_SECONDS = 120.0
"""A kubelet's own deadline: a driver may wait for most of it before it says why it cannot."""
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
        return f"csi-{uuid.uuid5(uuid.NAMESPACE_OID, self.uid + self.name).hex}"

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
        self._channels: dict[Path, grpc.aio.Channel] = {}

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

    async def restart(self) -> None:
        """Forget every plugin and empty the registry, as a kubelet does that starts."""
        self.plugins.clear()
        self._seen.clear()
        for socket in await asyncio.to_thread(lambda: list(self.registry.glob("*.sock"))):
            await asyncio.to_thread(socket.unlink)

    async def publish(self, driver: str, volume: InlineVolume) -> Path:
        """Have a volume published; gives its path. Raises CallError."""
        await asyncio.to_thread(volume.target.parent.mkdir, parents=True, exist_ok=True)
        stub = csi_pb2_grpc.NodeStub(self._channel(driver))
        try:
            await stub.NodePublishVolume(volume.request(), timeout=_CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise CallError(error) from error
        return volume.target

    async def unpublish(self, driver: str, volume: InlineVolume) -> None:
        """Have a volume unpublished, and remove its folder. Raises CallError."""
        stub = csi_pb2_grpc.NodeStub(self._channel(driver))
        request = csi_pb2.NodeUnpublishVolumeRequest(
            volume_id=volume.id, target_path=str(volume.target)
        )
        try:
            await stub.NodeUnpublishVolume(request, timeout=_CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise CallError(error) from error
        with contextlib.suppress(FileNotFoundError):
            await asyncio.to_thread(volume.target.parent.rmdir)

    def _channel(self, driver: str) -> grpc.aio.Channel:
        endpoint = self.plugins[driver]
        if endpoint not in self._channels:
            self._channels[endpoint] = grpc.aio.insecure_channel(
                f"unix:{endpoint}", options=_OPTIONS
            )
        return self._channels[endpoint]

    async def _look(self) -> None:
        while True:
            found = await asyncio.to_thread(_sockets, self.registry)
            for socket, made in found.items():
                if self._seen.get(socket) != made:
                    with contextlib.suppress(grpc.aio.AioRpcError):
                        await self._ask(socket)
                        self._seen[socket] = made
            self._seen = {socket: self._seen[socket] for socket in found if socket in self._seen}
            await asyncio.sleep(_LOOK_SECONDS)

    async def _ask(self, socket: Path) -> None:
        """Ask a plugin who it is, and tell it that it is registered, or why not."""
        async with grpc.aio.insecure_channel(f"unix:{socket}", options=_OPTIONS) as channel:
            stub = pluginregistration_pb2_grpc.RegistrationStub(channel)
            info = await stub.GetInfo(pluginregistration_pb2.InfoRequest(), timeout=5.0)
            problem = await self._problem_of(info)
            await stub.NotifyRegistrationStatus(
                pluginregistration_pb2.RegistrationStatus(
                    plugin_registered=not problem, error=problem
                ),
                timeout=5.0,
            )
            if not problem:
                self.plugins[info.name] = Path(info.endpoint)

    async def _problem_of(self, info: pluginregistration_pb2.PluginInfo) -> str:
        if info.type != "CSIPlugin":
            return f"no handler for the type {info.type!r}"
        if "1.0.0" not in info.supported_versions:
            return f"no version that is supported: {list(info.supported_versions)}"
        async with grpc.aio.insecure_channel(f"unix:{info.endpoint}", options=_OPTIONS) as channel:
            try:
                node = await csi_pb2_grpc.NodeStub(channel).NodeGetInfo(
                    csi_pb2.NodeGetInfoRequest(), timeout=5.0
                )
            except grpc.aio.AioRpcError as error:
                return f"NodeGetInfo: {error.details()}"
        return "" if node.node_id else "the driver knows no name of its node"


def _sockets(folder: Path) -> dict[Path, tuple[int, int]]:
    """The sockets of a folder, with what tells one from a later one of its name."""
    found = {}
    for path in folder.glob("*.sock"):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            found[path] = (status.st_ino, status.st_ctime_ns)
    return found
