"""The driver with just its manifests' rights: it tells a Pod why it waits, on a real API server."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devcluster.kubelet import CallError, Kubelet
from hack.control_plane import ControlPlane, service_account
from manager.csiprocess import CSIProcess
from registrar.csi.identity import DRIVER_NAME
from registrar.settings.csi import load_csi
from registrar.spire.background import background
from tests.support.csi import Node, need_mounts, serve_node
from tests.support.setup import eventually

pytestmark = [pytest.mark.real, pytest.mark.slow]

CONFIG = Path(__file__).resolve().parents[2] / "config"
DRIVER = service_account("spire", "csi-spire")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of our own: what is applied here is cluster-wide and stays."""
    with ControlPlane((DRIVER,), tmp_path_factory.mktemp("csi")) as made:
        for folder in ("manager", "csi"):
            made.run_kubectl("apply", "-k", str(CONFIG / folder))
        yield made


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    need_mounts()
    with tempfile.TemporaryDirectory(prefix="csi-") as folder:
        async with serve_node(Path(folder)) as node:
            yield node


async def test_a_pod_that_waits_has_an_event(node: Node, plane: ControlPlane) -> None:
    folder = node.folder
    kubeconfig = await asyncio.to_thread(plane.kubeconfig_for, DRIVER.user)
    settings = replace(
        await asyncio.to_thread(load_csi, CONFIG / "csi/csi.conf", environment={"NODE_NAME": "n"}),
        agent_admin_socket=node.agent.admin_socket,
        csi_socket=folder / "csi.sock",
        endpoint=folder / "csi.sock",
        registration_dir=node.kubelet_dir / "plugins_registry",
        kubelet_dir=node.kubelet_dir,
        data_dir=node.records,
        first_svid_timeout=3.0,
        metrics_addr="127.0.0.1:0",
        kubeconfig=kubeconfig,
    )
    pod = node.pod(namespace="default")
    async with Kubelet.start(node.kubelet_dir) as kubelet, background() as tasks:
        tasks.create_task(CSIProcess(settings).run())
        await kubelet.registered(DRIVER_NAME)
        with pytest.raises(CallError, match="the agent has no SVID"):
            await kubelet.publish(DRIVER_NAME, pod.volume())

        async def is_told() -> bool:
            told = await asyncio.to_thread(
                plane.run_kubectl, "get", "events", "-n", "default", "-owide"
            )
            return "WaitingForEntry" in told and "pod/web-1" in told and pod.uid in told

        await eventually(is_told)
        node.entry(pod)
        assert (await kubelet.publish(DRIVER_NAME, pod.volume()) / "svid.pem").exists()
