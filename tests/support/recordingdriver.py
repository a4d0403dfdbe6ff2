"""A CSI driver that writes down how it is called, and does no more than it must."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
from google.protobuf.message import Message

from api.proto import csi_pb2
from api.proto import pluginregistration_pb2 as registration

NAME = "recorder.example.org"
_RPC = csi_pb2.NodeServiceCapability.RPC


class Recorder(grpc.GenericRpcHandler):
    """What was called: the call's name, its request, and what the volume's folder held then.

    ``as_we_see_it`` turns the kubelet's paths into ours. With ``refusal`` no volume is published.
    """

    def __init__(self, endpoint: str, as_we_see_it: Callable[[str], Path]) -> None:
        self.calls: list[tuple[str, Message, tuple[str, ...]]] = []
        self.refusal: grpc.StatusCode | None = None
        self._as_we_see_it = as_we_see_it
        capability = csi_pb2.NodeServiceCapability(rpc=_RPC(type=_RPC.VOLUME_MOUNT_GROUP))
        self._answers: dict[str, tuple[type[Message], Message]] = {
            "GetInfo": (
                registration.InfoRequest,
                registration.PluginInfo(
                    type="CSIPlugin", name=NAME, endpoint=endpoint, supported_versions=["1.0.0"]
                ),
            ),
            "NotifyRegistrationStatus": (
                registration.RegistrationStatus,
                registration.RegistrationStatusResponse(),
            ),
            "NodeGetInfo": (
                csi_pb2.NodeGetInfoRequest,
                csi_pb2.NodeGetInfoResponse(node_id="node1"),
            ),
            "NodeGetCapabilities": (
                csi_pb2.NodeGetCapabilitiesRequest,
                csi_pb2.NodeGetCapabilitiesResponse(capabilities=[capability]),
            ),
            "NodePublishVolume": (
                csi_pb2.NodePublishVolumeRequest,
                csi_pb2.NodePublishVolumeResponse(),
            ),
            "NodeUnpublishVolume": (
                csi_pb2.NodeUnpublishVolumeRequest,
                csi_pb2.NodeUnpublishVolumeResponse(),
            ),
        }

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[Message, Message] | None":
        """As gRPC asks it; calls that nobody expects are refused, and so are not written down."""
        name = str(handler_call_details.method).rpartition("/")[2]
        if name not in self._answers:
            return None
        request, answer = self._answers[name]

        def called(found: Message, context: grpc.ServicerContext) -> Message:
            self.calls.append((name, found, self._files(found)))
            if name == "NodePublishVolume":
                if self.refusal is not None:
                    context.abort(self.refusal, "as the test wants it")
                self._target(found).mkdir(exist_ok=True)
            if name == "NodeUnpublishVolume":
                self._target(found).rmdir()
            return answer

        return grpc.unary_unary_rpc_method_handler(
            called, request.FromString, lambda message: message.SerializeToString()
        )

    def told(self, name: str) -> list[tuple[Message, tuple[str, ...]]]:
        """The requests of one call, each with what the volume's folder held then."""
        return [(request, files) for called, request, files in self.calls if called == name]

    def order(self) -> list[str]:
        """What was called, without repetitions one after the other."""
        names = [name for name, _, _ in self.calls]
        return [name for name, before in zip(names, ["", *names], strict=False) if name != before]

    def _files(self, request: Message) -> tuple[str, ...]:
        if not getattr(request, "target_path", ""):
            return ()
        return tuple(sorted(found.name for found in self._target(request).parent.iterdir()))

    def _target(self, request: Message) -> Path:
        return self._as_we_see_it(str(getattr(request, "target_path", "")))


@contextmanager
def recording(kubelet_dir: Path, endpoint: str) -> Iterator[Recorder]:
    """Register with the kubelet of a folder; ``endpoint`` is the CSI socket as the kubelet sees it.

    ``kubelet_dir`` is the folder as we see it.
    """
    socket = kubelet_dir / "plugins" / NAME / "csi.sock"
    socket.parent.mkdir(parents=True, exist_ok=True)
    seen = Path(endpoint).parents[2]
    recorder = Recorder(endpoint, lambda path: kubelet_dir / Path(path).relative_to(seen))
    with ThreadPoolExecutor(4) as threads:
        server = grpc.server(threads, handlers=[recorder])
        server.add_insecure_port(f"unix:{socket}")
        server.add_insecure_port(f"unix:{kubelet_dir / 'plugins_registry' / f'{NAME}.sock'}")
        server.start()
        try:
            yield recorder
        finally:
            server.stop(0).wait()
