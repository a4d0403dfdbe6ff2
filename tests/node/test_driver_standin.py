"""The stand-in for a kubelet calls a driver as the real one does, and leaves as little behind."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from devcluster.kubelet import CallError, InlineVolume, Kubelet
from hack.node.cluster import Cluster
from tests.support.node import apply, objects, wait_for
from tests.support.recordingdriver import NAME, Recorder, recording
from tests.support.waiting import until

pytestmark = [
    pytest.mark.real("control plane", "node"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

_KUBELET_DIR = Path("/var/lib/kubelet")
_ENDPOINT = f"plugins/{NAME}/csi.sock"
_CONTAINER = {
    "name": "main",
    "image": "busybox:1.37",
    "command": ["sleep", "infinity"],
    "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}],
}
_CSI = {"driver": NAME, "readOnly": True, "volumeAttributes": {"jwtAudiences": "db.example.org"}}
_DRIVER: dict[str, object] = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "CSIDriver",
    "metadata": {"name": NAME},
    "spec": {
        "podInfoOnMount": True,
        "volumeLifecycleModes": ["Ephemeral"],
        "attachRequired": False,
        "fsGroupPolicy": "None",
    },
}


def _pod(name: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "securityContext": {"fsGroup": 4000},
            "containers": [_CONTAINER],
            "volumes": [{"name": "data", "csi": _CSI}],
        },
    }


class _Story:
    """What a driver lived through: the order of calls, each call's words, and what was left."""

    def __init__(self, recorder: Recorder, kubelet_dir: Path, left: list[str]) -> None:
        self.order = recorder.order()
        self.left = left
        self.words: list[tuple[str, tuple[str, ...]]] = []
        for name in ("NodePublishVolume", "NodeUnpublishVolume"):
            for request, files in recorder.told(name):
                text = json.dumps(MessageToDict(request), sort_keys=True)
                said = (text.replace(str(kubelet_dir), str(_KUBELET_DIR)), files)
                if said not in self.words:
                    self.words.append(said)


@pytest.fixture(scope="module")
def uids() -> dict[str, str]:
    """The uids of the Pods, by their names, for both kubelets."""
    return {}


@pytest.fixture(scope="module")
def real(node: Cluster, uids: dict[str, str]) -> _Story:
    def delete(name: str) -> None:
        (pod,) = objects(node, "pod", name)
        metadata = pod["metadata"]
        assert isinstance(metadata, dict)
        uids[name] = str(metadata["uid"])
        node.run_kubectl("delete", "pod", name)

    folder = node.sandbox.path(str(_KUBELET_DIR))
    with recording(folder, str(_KUBELET_DIR / _ENDPOINT)) as recorder:
        wait_for("registered", lambda: "NotifyRegistrationStatus" in recorder.order())
        apply(node, _DRIVER, _pod("taken"))
        node.run_kubectl("wait", "--for=condition=Ready", "pod/taken", "--timeout=110s")
        node.restart_server("kubelet")
        wait_for("published again", lambda: len(recorder.told("NodePublishVolume")) > 1)
        delete("taken")
        recorder.refusal = grpc.StatusCode.INVALID_ARGUMENT
        apply(node, _pod("refused"))
        wait_for("asked and asked again", lambda: len(recorder.told("NodePublishVolume")) > 3)
        delete("refused")
        pods = folder / "pods"
        wait_for("nothing is left", lambda: not list(pods.iterdir()))
        return _Story(recorder, _KUBELET_DIR, [])


@pytest.fixture(scope="module")
def played(real: _Story, uids: dict[str, str]) -> Iterator[_Story]:
    assert real.order
    with tempfile.TemporaryDirectory(prefix="k-") as made:
        folder = Path(made)
        (folder / "plugins_registry").mkdir()
        with recording(folder, str(folder / _ENDPOINT)) as recorder:
            asyncio.run(_play(folder, recorder, uids))
            volumes = folder.glob("pods/*/volumes/*/*")
            yield _Story(recorder, folder, [str(path) for path in volumes])


async def _play(folder: Path, recorder: Recorder, uids: dict[str, str]) -> None:
    taken, refused = (
        InlineVolume(
            folder,
            name,
            name="data",
            uid=uids[name],
            attributes={"jwtAudiences": "db.example.org"},
            fs_group=4000,
        )
        for name in ("taken", "refused")
    )
    async with Kubelet.start(folder) as kubelet:
        await kubelet.publish(NAME, taken)
        kubelet.restart()
        await until(lambda: len(recorder.told("NodePublishVolume")) > 1)
        await kubelet.unpublish(NAME, taken)
        recorder.refusal = grpc.StatusCode.INVALID_ARGUMENT
        for _ in range(2):
            with contextlib.suppress(CallError):
                await kubelet.publish(NAME, refused)


def test_it_calls_the_driver_in_the_same_order(real: _Story, played: _Story) -> None:
    # A real one asks again and again.
    assert real.order[: len(played.order)] == played.order


def test_it_says_the_same(real: _Story, played: _Story) -> None:
    assert played.words == real.words


def test_it_leaves_as_little_behind(real: _Story, played: _Story) -> None:
    assert played.left == real.left
