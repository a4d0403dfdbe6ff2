"""The node driver's socket, called with any bytes and with any field in every request."""

from pathlib import Path

import grpc
import pytest

from api.proto import csi_pb2, csi_pb2_grpc
from registrar.csi.driver import serve_csi
from registrar.csi.mounts import LinuxMounts
from registrar.csi.node import NodeService
from registrar.csi.records import Records
from registrar.csi.volumes import Limits, Volumes
from tests.fuzz.drawn import drawn
from tests.fuzz.volumes import REQUESTS, TARGET
from tests.support.csi import NODE, Heard

pytestmark = pytest.mark.slow

_SECONDS = 60.0
_NODE = "/csi.v1.Node/"
_REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    # Taken, and then there is no agent whose SVIDs it could hold.
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED,
    # Bytes that are no message.
    grpc.StatusCode.UNKNOWN,
}
_WITH_A_REQUEST = ("NodePublishVolume", "NodeUnpublishVolume", "NodeGetVolumeStats")
_OTHERS = ("NodeStageVolume", "NodeExpandVolume", "NodeGetInfo", "NodeNoSuchThing")


def _tree(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def _volumes(folder: Path, heard: Heard) -> Volumes:
    return Volumes(
        agent=None,
        mounts=LinuxMounts(below=folder / "kubelet/pods"),
        records=Records(folder / "volumes", kubelet_dir=folder / "kubelet"),
        node_name=NODE,
        workload_api=None,
        secrets={},
        limits=Limits(first_svid=0.1, agent_away=1.0),
        observer=heard,
        sayer=heard,
    )


async def test_any_call_is_answered_and_the_next_one_too(tmp_path: Path) -> None:
    kubelet, heard, socket = tmp_path / "kubelet", Heard(), tmp_path / "csi.sock"
    (kubelet / "pods").mkdir(parents=True)
    requests = [b"\xff", *drawn(TARGET.inputs, 20)]
    for request in drawn(REQUESTS, 30):
        request.target_path = request.target_path.replace("/var/lib/kubelet", str(kubelet))
        requests.append(request.SerializeToString())
    volumes = _volumes(tmp_path, heard)
    node = NodeService(volumes, node_name=NODE, kubelet_dir=kubelet, observer=heard)
    async with (
        serve_csi(socket, node=node, version="test"),
        grpc.aio.insecure_channel(f"unix:{socket}") as channel,
    ):
        before = _tree(tmp_path)
        for data in requests:
            for method in (*_WITH_A_REQUEST, *_OTHERS[:1]):
                await _call(channel, method, data)
        for method in _OTHERS:
            await _call(channel, method, requests[-1])
        probe = csi_pb2_grpc.IdentityStub(channel).Probe
        assert (await probe(csi_pb2.ProbeRequest(), timeout=_SECONDS)).ready.value
        assert _tree(tmp_path) == before


async def _call(channel: grpc.aio.Channel, method: str, data: bytes) -> None:
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_NODE + method)
    try:
        await call(data, timeout=_SECONDS)
    except grpc.aio.AioRpcError as error:
        assert error.code() in _REFUSALS, error
        assert error.details(), error
