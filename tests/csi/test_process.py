"""The whole program, as a DaemonSet runs it, with a stand-in for the kubelet."""

import asyncio
import contextlib
import json
import math
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import grpc
import pytest

from api.proto import csi_pb2, csi_pb2_grpc
from devcluster.kubelet import CallError, InlineVolume, Kubelet
from registrar.csi.identity import DRIVER_NAME
from tests.support import leaks
from tests.support.csi import NODE, Node
from tests.support.setup import eventually, until


class Daemon:
    """The program, started and stopped as often as a test likes."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.process: Process | None = None
        self.port = 0
        self.config = node.folder / "csi.conf"
        self.log = node.folder / "driver.log"
        self.config.write_text(f"""
            node_name = "{NODE}"
            agent_admin_socket_path = "{node.agent.admin_socket}"
            csi_socket_path = "{node.folder}/plugin/csi.sock"
            kubelet_socket_path = "{node.folder}/plugin/csi.sock"
            registration_dir = "{node.kubelet_dir}/plugins_registry"
            kubelet_dir = "{node.kubelet_dir}"
            data_dir = "{node.records}"
            first_svid_timeout = "3s"
            events = false
            metrics_addr = "127.0.0.1:0"
            log_format = "json"
            log_level = "debug"
        """)

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "manager", "csi", "--config", str(self.config), stderr=log
            )

    async def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; gives the exit code."""
        assert self.process is not None
        process, self.process = self.process, None
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        return await process.wait()

    async def probe(self, path: str) -> str:
        """What the driver answers there, at its port for metrics and probes."""
        lines = self.log.read_text().splitlines()
        # gRPC's C library writes lines of its own to the same stream when it feels like it.
        said = [json.loads(line) for line in lines if line.startswith("{")]
        port = [line["port"] for line in said if "port" in line][-1]
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://127.0.0.1:{port}/{path}") as reply,
        ):
            return await reply.text()

    async def metrics(self) -> dict[str, float]:
        """The driver's own metrics."""
        found = {}
        for line in (await self.probe("metrics")).splitlines():
            if line.startswith("spire_registrar_csi_") and "_bucket" not in line:
                name, _, value = line.rpartition(" ")
                found[name.removeprefix("spire_registrar_csi_")] = float(value)
        return found

    async def until_metric(self, name: str, value: float) -> None:
        """Wait until the driver tells a metric so: it counts after it has done what it counts."""

        async def is_told() -> bool:
            # The port of a driver that has just started may not be told yet.
            with contextlib.suppress(aiohttp.ClientConnectionError):
                return (await self.metrics())[name] == value
            return False

        await eventually(is_told)


@pytest.fixture
async def daemon(node: Node) -> AsyncIterator[Daemon]:
    daemon = Daemon(node)
    yield daemon
    if daemon.process is not None:
        await daemon.end(signal.SIGKILL)
    leaks.assert_none(daemon.log.read_text() if daemon.log.exists() else "")


@pytest.fixture
async def kubelet(node: Node) -> AsyncIterator[Kubelet]:
    async with Kubelet.start(node.kubelet_dir) as kubelet:
        yield kubelet


async def test_a_pod_gets_files_that_outlive_any_death_of_the_driver(
    node: Node, daemon: Daemon, kubelet: Kubelet
) -> None:
    pod = node.pod()
    node.entry(pod)
    await daemon.start()
    assert await kubelet.registered(DRIVER_NAME) == node.folder / "plugin/csi.sock"
    path = await kubelet.publish(DRIVER_NAME, pod.volume())
    await daemon.until_metric('volumes{state="serving"}', 1)
    for number in (signal.SIGKILL, signal.SIGTERM):
        code = await daemon.end(number)
        assert code == (0 if number is signal.SIGTERM else -signal.SIGKILL)
        before = (path / "svid.pem").read_bytes()
        await until(lambda: node.agent.streams == 0)
        await daemon.start()
        await until(lambda: node.agent.streams == 2)
        assert (path / "svid.pem").read_bytes() == before
        node.agent.rotate()
        await until(lambda before=before: (path / "svid.pem").read_bytes() != before)  # type: ignore[misc]
        assert await node.mounts() == [str(path)]
    await daemon.until_metric("rotations_total", 1)
    metrics = await daemon.metrics()
    assert 3000 < metrics["nearest_expiry_seconds"] <= 3600
    await kubelet.unpublish(DRIVER_NAME, pod.volume())
    assert await node.mounts() == []
    await daemon.until_metric('volumes{state="serving"}', 0)


async def test_a_kubelet_that_starts_anew_finds_the_driver_again(
    node: Node, daemon: Daemon, kubelet: Kubelet
) -> None:
    await daemon.start()
    await kubelet.registered(DRIVER_NAME)
    kubelet.restart()
    await kubelet.registered(DRIVER_NAME)
    pod = node.pod()
    node.entry(pod)
    await kubelet.publish(DRIVER_NAME, pod.volume())


async def test_a_driver_that_ends_late_takes_nothing_from_the_next(
    node: Node, daemon: Daemon, kubelet: Kubelet
) -> None:
    await daemon.start()
    await kubelet.registered(DRIVER_NAME)
    late, daemon.process = daemon.process, None
    assert late is not None
    await daemon.start()
    await until(lambda: daemon.log.read_text().count("the kubelet has registered") == 2)
    late.send_signal(signal.SIGTERM)
    await late.wait()
    pod = node.pod()
    node.entry(pod)

    async def is_published() -> bool:
        with contextlib.suppress(CallError):
            return (await kubelet.publish(DRIVER_NAME, pod.volume()) / "svid.pem").exists()
        return False

    await eventually(is_published)


async def test_a_pod_without_an_entry_is_told_why_and_metrics_count_it(
    node: Node, daemon: Daemon, kubelet: Kubelet
) -> None:
    pod = node.pod()
    await daemon.start()
    await kubelet.registered(DRIVER_NAME)
    with pytest.raises(CallError, match="the agent has no SVID for a workload with") as caught:
        await kubelet.publish(DRIVER_NAME, pod.volume())
    assert caught.value.code == "DEADLINE_EXCEEDED"
    await daemon.until_metric('publishes_total{result="no_svid"}', 1)

    async def is_said() -> bool:
        return "WaitingForEntry" in daemon.log.read_text()

    await eventually(is_said)


async def test_it_says_who_it_is(daemon: Daemon, kubelet: Kubelet) -> None:
    await daemon.start()
    endpoint = await kubelet.registered(DRIVER_NAME)
    async with grpc.aio.insecure_channel(f"unix:{endpoint}") as channel:
        identity = csi_pb2_grpc.IdentityStub(channel)
        info = await identity.GetPluginInfo(csi_pb2.GetPluginInfoRequest(), timeout=60)
        assert info.name == "csi.spire.io"
        assert info.vendor_version
        assert (await identity.Probe(csi_pb2.ProbeRequest(), timeout=60)).ready.value
        found = await csi_pb2_grpc.NodeStub(channel).NodeGetInfo(
            csi_pb2.NodeGetInfoRequest(), timeout=5
        )
        assert found.node_id == NODE
    assert endpoint.stat().st_mode & 0o777 == 0o600


async def test_mistakes_in_the_file_are_told_and_end_it(node: Node, daemon: Daemon) -> None:
    daemon.config.write_text('node_name = "n"\nkubelet_dirr = "/x"')
    await daemon.start()
    assert daemon.process is not None
    assert await daemon.process.wait() == 2
    daemon.process = None
    text = daemon.log.read_text()
    assert "did you mean kubelet_dir?" in text
    assert "agent_admin_socket_path: missing" in text
    assert not (node.folder / "plugin").exists()


async def test_it_is_ready_when_kubelet_and_agent_have_taken_it_and_lives_whatever_they_do(
    node: Node, daemon: Daemon, kubelet: Kubelet
) -> None:
    """Its rolling update waits for that; an agent that is updated too makes no difference."""
    await node.agent.stop()
    await daemon.start()
    await kubelet.registered(DRIVER_NAME)

    async def says(words: str) -> bool:
        with contextlib.suppress(aiohttp.ClientConnectionError, LookupError):
            return words in await daemon.probe("readyz")
        return False

    async def is_registered() -> bool:
        return "registration" not in await daemon.probe("readyz")

    await eventually(lambda: says("[-] agent: the agent at "))
    await eventually(is_registered)
    assert await daemon.probe("healthz") == "ok\n"
    node.agent.is_delegate = False
    await node.agent.start()
    await eventually(lambda: says("[-] agent: the agent refuses us"))
    await daemon.until_metric("agent_up", 0)
    node.agent.is_delegate = True
    await eventually(lambda: says("ok"))
    await daemon.until_metric("agent_up", 1)
    await node.agent.stop()
    await daemon.until_metric("agent_up", 0)
    assert await daemon.probe("readyz") == "ok\n"
    assert await daemon.probe("healthz") == "ok\n"


async def test_metrics_tell_why_volumes_are_not_well(
    node: Node, daemon: Daemon, kubelet: Kubelet
) -> None:
    pod = node.pod()
    entry = node.entry(pod, x509_svid_ttl=6)
    await daemon.start()
    await kubelet.registered(DRIVER_NAME)
    await kubelet.publish(DRIVER_NAME, pod.volume())
    node.spire.state.delete(entry.id)
    for reason in ("SVIDExpiring", "SVIDExpired"):
        await daemon.until_metric(f'abnormal_volumes{{reason="{reason}"}}', 1)
    # Without Events the log tells of it.
    await until(lambda: "a Pod's volume is not well" in daemon.log.read_text())
    node.entry(pod)
    await daemon.until_metric('abnormal_volumes{reason="SVIDExpired"}', 0)
    await daemon.until_metric('volumes{state="serving"}', 1)
    await until(lambda: "a Pod's volume is well again" in daemon.log.read_text())


async def test_a_pod_that_waits_hears_that_the_driver_ends_and_holds_up_no_update(
    node: Node, daemon: Daemon, kubelet: Kubelet
) -> None:
    pod = node.pod()
    daemon.config.write_text(daemon.config.read_text().replace('"3s"', '"60s"'))
    await daemon.start()
    await kubelet.registered(DRIVER_NAME)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(_refusal(kubelet, pod.volume()))
        await until(lambda: node.agent.streams == 2)
        assert await daemon.end(signal.SIGTERM) == 0
    error = waiting.result()
    assert error.code == "ABORTED"
    assert "the node driver ends" in str(error)
    assert await node.mounts() == []


async def _refusal(kubelet: Kubelet, volume: InlineVolume) -> CallError:
    with pytest.raises(CallError) as caught:
        await kubelet.publish(DRIVER_NAME, volume)
    return caught.value


async def _is_ready(daemon: Daemon) -> bool:
    return await daemon.probe("readyz") == "ok\n"


async def test_a_driver_without_the_admin_socket_shows_the_workload_api_and_asks_no_agent(
    node: Node, daemon: Daemon, kubelet: Kubelet
) -> None:
    text = daemon.config.read_text().replace("agent_admin_socket_path", "workload_api_socket_path")
    daemon.config.write_text(text.replace(str(node.agent.admin_socket), str(node.workload_api)))
    view, files = node.pod(), node.pod()
    await daemon.start()
    await kubelet.registered(DRIVER_NAME)
    await kubelet.publish(DRIVER_NAME, replace(view.volume(), attributes={"mode": "workload-api"}))
    error = await _refusal(kubelet, files.volume())
    assert "agent_admin_socket_path" in str(error)
    await eventually(lambda: _is_ready(daemon))
    assert math.isnan((await daemon.metrics())["agent_up"])
    assert (node.agent.subscriptions, node.agent.refusals) == (0, 0)
