"""The node driver's manners at a real SPIRE agent: how often it asks, and what it makes of a no."""

import asyncio
import logging
import os
from pathlib import Path

import grpc
import pytest

from api.proto import types_pb2, workload_pb2, workload_pb2_grpc
from hack.spire import RealAgent, RealServer
from registrar.csi.volumes import Limits
from tests.csi.test_troubles import logged, publish_all, refuse_all
from tests.support.csi import Heard, Pod, run_driver
from tests.support.setup import until
from tests.support.spire import SharedSpire

pytestmark = [pytest.mark.real("spire"), pytest.mark.slow]

US = f"unix:uid:{os.getuid()}"
DELEGATE = "spiffe://example.org/delegate"
SECONDS = 60.0
"""For what waits for an agent, on a busy machine."""
LIMITS = Limits(first_svid=5.0, agent_away=600.0)
UNKNOWN = "no identity issued"


def _entry(agent: RealAgent, path: str, selector: str, ttl_seconds: int = 0) -> types_pb2.Entry:
    kind, _, value = selector.partition(":")
    return types_pb2.Entry(
        spiffe_id=types_pb2.SPIFFEID(trust_domain="example.org", path=path),
        parent_id=types_pb2.SPIFFEID(trust_domain="example.org", path=agent.id_path),
        selectors=[types_pb2.Selector(type=kind, value=value)],
        x509_svid_ttl=ttl_seconds,
    )


def _pods(folder: Path, number: int) -> list[Pod]:
    pods = [Pod(folder / "kubelet", name=f"web-{index}") for index in range(number)]
    for pod in pods:
        pod.target.parent.mkdir(parents=True)
    return pods


def _refusals(agent: RealAgent) -> int:
    return agent.log.read_text(encoding="utf-8").lower().count(UNKNOWN)


async def test_a_driver_without_an_entry_does_not_fill_the_agents_log_and_is_quick_when_it_has_one(
    node_folder: Path, real_spire_server: RealServer
) -> None:
    """As on a fresh install: ten Pods wait, and the driver's entry comes last."""
    server = real_spire_server
    with SharedSpire.use(server) as spire, RealAgent(server, authorized_delegates=(DELEGATE,)) as a:
        pods = _pods(node_folder, 10)
        for pod in pods:
            spire.put(_entry(a, f"/{pod.name}", f"k8s:pod-uid:{pod.uid}"))
        heard = Heard()
        before = _refusals(a)
        async with run_driver(node_folder, a.admin_socket, heard=heard, limits=LIMITS) as driver:
            assert await refuse_all(driver, pods) == {"DEADLINE_EXCEEDED"}
            # Half a second, a second, two, four: within five seconds one caller asks no oftener.
            assert 1 <= _refusals(a) - before <= 8
            spire.put(_entry(a, "/delegate", US))
            await publish_all(driver, pods)
            assert {reason for _, reason, _ in heard.events} == {"NotAuthorizedDelegate"}
            await until(lambda: len(heard.ends) == len(pods))


async def test_a_pod_that_waits_has_its_svid_in_the_same_call_when_its_entry_comes(
    node_folder: Path, real_spire_server: RealServer
) -> None:
    server = real_spire_server
    with SharedSpire.use(server) as spire, RealAgent(server, authorized_delegates=(DELEGATE,)) as a:
        (pod,) = _pods(node_folder, 1)
        spire.put(_entry(a, "/delegate", US))
        await asyncio.to_thread(a.wait_for_identity, DELEGATE)
        heard, limits = Heard(), Limits(first_svid=SECONDS)
        async with (
            run_driver(node_folder, a.admin_socket, heard=heard, limits=limits) as driver,
            asyncio.TaskGroup() as tasks,
        ):
            waiting = tasks.create_task(driver.publish(pod))
            # Its last words about nothing: the agent has answered that it has none.
            await until(lambda: '"Subscribing to cache changes"' in a.log.read_text("utf-8"))
            assert not waiting.done()
            spire.put(_entry(a, "/web", f"k8s:pod-uid:{pod.uid}"))
            assert ((await waiting) / "svid.pem").exists()
        assert heard.events == []


async def test_the_workload_api_holds_no_stream_for_somebody_without_an_identity(
    real_spire_server: RealServer,
) -> None:
    """So there is nothing to wait at that would cost the agent less than asking now and then."""
    with RealAgent(real_spire_server) as agent:
        before = _refusals(agent)
        options = [("grpc.default_authority", "localhost")]
        address = f"unix:{agent.workload_api}"
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            stub = workload_pb2_grpc.SpiffeWorkloadAPIStub(channel)
            stream = stub.FetchX509SVID(
                workload_pb2.X509SVIDRequest(), metadata=(("workload.spiffe.io", "true"),)
            )
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                async with asyncio.timeout(SECONDS):
                    await anext(aiter(stream))
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        await until(lambda: _refusals(agent) == before + 1)


async def test_an_agent_that_is_killed_is_told_in_two_lines(
    node_folder: Path, real_spire_server: RealServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = real_spire_server
    with SharedSpire.use(server) as spire, RealAgent(server, authorized_delegates=(DELEGATE,)) as a:
        pods = _pods(node_folder, 5)
        spire.put(_entry(a, "/delegate", US))
        for pod in pods:
            spire.put(_entry(a, f"/{pod.name}", f"k8s:pod-uid:{pod.uid}"))
        await asyncio.to_thread(a.wait_for_identity, DELEGATE)
        limits = Limits(first_svid=SECONDS)
        async with run_driver(node_folder, a.admin_socket, heard=Heard(), limits=limits) as driver:
            await publish_all(driver, pods)
            await asyncio.to_thread(a.kill)
            await until(lambda: bool(logged(caplog, "no news from the agent")), SECONDS)
            await asyncio.to_thread(a.start)
            await until(lambda: bool(logged(caplog, "no trouble with the agent any more")), SECONDS)
            (begun,) = logged(caplog, "no news from the agent")
            assert (begun["reason"], begun["volumes"]) == ("AgentUnreachable", len(pods))
            assert driver.volumes.states()["serving"] == len(pods)


async def test_an_entry_of_the_driver_that_is_taken_away_is_no_storm_and_is_found_again(
    node_folder: Path, real_spire_server: RealServer
) -> None:
    server = real_spire_server
    with SharedSpire.use(server) as spire, RealAgent(server, authorized_delegates=(DELEGATE,)) as a:
        (pod,) = _pods(node_folder, 1)
        delegate = spire.put(_entry(a, "/delegate", US))
        spire.put(_entry(a, "/web", f"k8s:pod-uid:{pod.uid}", ttl_seconds=8))
        await asyncio.to_thread(a.wait_for_identity, DELEGATE)
        limits = Limits(first_svid=SECONDS, agent_away=0.1)
        heard = Heard()
        async with run_driver(node_folder, a.admin_socket, heard=heard, limits=limits) as driver:
            svid = await driver.publish(pod) / "svid.pem"
            spire.delete(delegate.id)
            await until(lambda: "NotAuthorizedDelegate" in [e[1] for e in heard.events], SECONDS)
            refused = _refusals(a)
            held = await asyncio.to_thread(svid.read_bytes)
            spire.put(_entry(a, "/delegate", US))
            await until(lambda: svid.read_bytes() != held, SECONDS)
            await until(lambda: bool(heard.ends), SECONDS)
            assert _refusals(a) - refused < 20


async def test_a_token_that_has_no_entry_any_more_is_not_the_drivers_missing_right(
    node_folder: Path, real_spire_server: RealServer
) -> None:
    """The agent says the same in both cases."""
    server = real_spire_server
    with SharedSpire.use(server) as spire, RealAgent(server, authorized_delegates=(DELEGATE,)) as a:
        (pod,) = _pods(node_folder, 1)
        spire.put(_entry(a, "/delegate", US))
        entry = _entry(a, "/web", f"k8s:pod-uid:{pod.uid}")
        entry.jwt_svid_ttl = 4
        entry = spire.put(entry)
        await asyncio.to_thread(a.wait_for_identity, DELEGATE)
        limits = Limits(first_svid=SECONDS)
        async with run_driver(node_folder, a.admin_socket, heard=Heard(), limits=limits) as driver:
            await driver.publish(pod, jwtAudiences="db")
            spire.delete(entry.id)
            await until(lambda: UNKNOWN in (driver.volumes.abnormal(pod.volume_id) or ""), SECONDS)
            assert "authorized_delegates" not in (driver.volumes.abnormal(pod.volume_id) or "")
