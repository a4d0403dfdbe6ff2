"""The driver with just its manifests' rights: it tells a Pod why it waits, on a real API server."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.codec import convert
from api.core import Event, EventSource
from devcluster.kubelet import CallError, Kubelet
from hack import auditlog
from hack.control_plane import ControlPlane, service_account
from manager.csiprocess import CSIProcess
from registrar.csi.identity import DRIVER_NAME
from registrar.settings.csi import CSISettings, load_csi
from registrar.spire.background import background
from tests.support import rights
from tests.support.csi import Node
from tests.support.manifests import render
from tests.support.setup import eventually

pytestmark = [pytest.mark.real, pytest.mark.slow]

CONFIG = Path(__file__).resolve().parents[2] / "config"
NODE = "node-1"
DRIVER = service_account("spire", "csi-spire")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of our own: what is applied here is cluster-wide and stays."""
    folder = tmp_path_factory.mktemp("csi")
    recorded = auditlog.arguments(folder)
    with ControlPlane((DRIVER,), folder / "plane", api_server_arguments=recorded) as made:
        for name in ("manager", "csi"):
            made.run_kubectl("apply", "-k", str(CONFIG / name))
        yield made


async def events_of(plane: ControlPlane, uid: str) -> list[Event]:
    """The Events about a Pod, the earliest first."""
    told = await asyncio.to_thread(
        plane.run_kubectl, "get", "events", "-n", "default", "-ojson", "--sort-by=.firstTimestamp"
    )
    found = [convert(item, Event) for item in json.loads(told)["items"]]
    return [event for event in found if event.involved_object.uid == uid]


async def settings_of(node: Node, plane: ControlPlane) -> CSISettings:
    """The shipped file, in the node's folder, with the rights of the shipped manifests."""
    folder = node.folder
    return replace(
        await asyncio.to_thread(load_csi, CONFIG / "csi/csi.conf", environment={"NODE_NAME": NODE}),
        agent_admin_socket=node.agent.admin_socket,
        csi_socket=folder / "csi.sock",
        endpoint=folder / "csi.sock",
        registration_dir=node.kubelet_dir / "plugins_registry",
        kubelet_dir=node.kubelet_dir,
        data_dir=node.records,
        first_svid_timeout=3.0,
        metrics_addr="127.0.0.1:0",
        kubeconfig=await asyncio.to_thread(plane.kubeconfig_for, DRIVER.user, DRIVER.groups),
    )


async def test_a_pod_that_waits_has_one_event_over_all_calls_and_drivers_and_one_of_the_end(
    node: Node, plane: ControlPlane
) -> None:
    settings = await settings_of(node, plane)
    pod = node.pod(namespace="default")

    async def has(number: int, reason: str) -> bool:
        found = await events_of(plane, pod.uid)
        return [event.reason for event in found].count(reason) == number

    async with Kubelet.start(node.kubelet_dir) as kubelet:
        for _ in range(2):
            async with background() as tasks:
                tasks.create_task(CSIProcess(settings).run())
                await kubelet.registered(DRIVER_NAME)
                for _ in range(2):
                    with pytest.raises(CallError, match="the agent has no SVID"):
                        await kubelet.publish(DRIVER_NAME, pod.volume())
                await eventually(lambda: has(1, "WaitingForEntry"))
            kubelet.restart()
        async with background() as tasks:
            tasks.create_task(CSIProcess(settings).run())
            await kubelet.registered(DRIVER_NAME)
            with pytest.raises(CallError):
                await kubelet.publish(DRIVER_NAME, pod.volume())
            node.entry(pod)
            assert (await kubelet.publish(DRIVER_NAME, pod.volume()) / "svid.pem").exists()
            await eventually(lambda: has(1, "VolumeUpToDate"))
        waiting, well = await events_of(plane, pod.uid)
    assert (waiting.type, waiting.reason) == ("Warning", "WaitingForEntry")
    assert (well.type, well.reason) == ("Normal", "VolumeUpToDate")
    for event in (waiting, well):
        assert event.source == EventSource(component=DRIVER_NAME, host=NODE)
        assert event.reporting_component == DRIVER_NAME
    assert pod.uid in waiting.message
    # With its role alone, and all of that.
    given = rights.grants(render("csi").objects, "spire", "csi-spire")
    calls = rights.Recording(plane.folder.parent).calls(DRIVER.user)
    assert given
    assert rights.refused(calls) == []
    assert rights.unused(given, calls) == []
