"""What is wrong is said once, where a person looks, and so is its end."""

import asyncio
import logging
from collections.abc import Sequence

import grpc
import pytest

from api.proto import csi_pb2
from registrar.csi.ailments import REASONS
from registrar.spire.gate import Trouble
from registrar.telemetry.csimetrics import ABNORMAL_REASONS
from tests.support.csi import IMPATIENT_SECONDS, Driver, Node, Pod
from tests.support.setup import until

MANY = 20


def logged(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, object]]:
    """The key-values of the lines with a message."""
    return [vars(record)["kv"] for record in caplog.records if record.getMessage() == message]


async def publish_all(driver: Driver, pods: Sequence[Pod]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for pod in pods:
            tasks.create_task(driver.publish(pod))


async def refuse_all(driver: Driver, pods: Sequence[Pod]) -> set[str]:
    """Let all be refused; gives the codes."""
    async with asyncio.TaskGroup() as tasks:
        refused = [tasks.create_task(driver.refused(pod.request())) for pod in pods]
    return {task.result()[0] for task in refused}


async def test_a_pod_that_waits_is_told_once_over_all_calls_of_the_kubelet_and_of_the_end(
    node: Node,
) -> None:
    pod = node.pod()
    async with node.driver(first_svid=IMPATIENT_SECONDS) as driver:
        await driver.refused_saying(pod.request(), "no SVID for a workload")
        for _ in range(2):
            assert (await driver.refused(pod.request()))[0] == "DEADLINE_EXCEEDED"
        waiting = [event for event in node.heard.events if event[1] == "WaitingForEntry"]
        assert len(waiting) == 1
        assert waiting[0][2].startswith("volume svid: the agent has no SVID")
        assert node.heard.ends == []
        node.entry(pod)
        await driver.publish(pod)
        assert [(name, reason) for name, reason, _ in node.heard.ends] == [
            ("web-1", "VolumeUpToDate")
        ]


async def test_a_pod_that_has_its_svid_soon_is_told_nothing(node: Node) -> None:
    pod = node.pod()
    async with node.driver() as driver, asyncio.TaskGroup() as tasks:
        tasks.create_task(driver.publish(pod))
        await until(lambda: node.agent.subscriptions == 2)
        node.entry(pod)
    assert (node.heard.events, node.heard.ends) == ([], [])


async def test_the_kubelet_hears_why_before_its_own_deadline(node: Node) -> None:
    pod = node.pod()
    async with node.driver(first_svid=25.0) as driver:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await driver.stub.NodePublishVolume(pod.request(), timeout=12.0)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "the agent " in (caught.value.details() or "")
        assert await node.mounts() == []


async def test_an_agent_that_refuses_us_is_asked_by_one_for_all(node: Node) -> None:
    """A real one logs an error for each call; a hundred waiting volumes are one caller."""
    pods = [node.pod(name=f"web-{number}") for number in range(MANY)]
    node.agent.is_delegate = False
    async with node.driver(first_svid=2 * IMPATIENT_SECONDS) as driver:
        assert await refuse_all(driver, pods) == {"DEADLINE_EXCEEDED"}
        # The waits double, from half a second on.
        assert node.agent.refusals < MANY / 2
        reasons = {(name, reason) for name, reason, _ in node.heard.events}
        assert reasons == {(pod.name, "NotAuthorizedDelegate") for pod in pods}
        node.agent.is_delegate = True
        for pod in pods:
            node.entry(pod)
        await publish_all(driver, pods)


async def test_a_right_that_is_lost_is_found_again_without_a_storm(node: Node) -> None:
    """The streams of volumes are refused at their next message; that of the bundles is still."""
    pods = [node.pod(name=f"web-{number}") for number in range(MANY)]
    for pod in pods:
        node.entry(pod)
    async with node.driver() as driver:
        await publish_all(driver, pods)
        node.agent.is_delegate = False
        node.agent.rotate()
        await until(lambda: node.agent.streams == 0)
        before = [(pod.target / "svid.pem").read_bytes() for pod in pods]
        node.agent.is_delegate = True
        # Streams that were open are refused once each, and then only one asks.
        assert node.agent.refusals <= MANY + 10
        await until(
            lambda: all(
                (pod.target / "svid.pem").read_bytes() != old
                for pod, old in zip(pods, before, strict=True)
            )
        )


async def test_an_agent_that_goes_and_comes_back_is_two_lines_for_all_volumes(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pods = [node.pod(name=f"web-{number}") for number in range(MANY)]
    for pod in pods:
        node.entry(pod)
    async with node.driver() as driver:
        await publish_all(driver, pods)
        await node.agent.stop()
        await until(lambda: bool(logged(caplog, "no news from the agent")))
        (line,) = logged(caplog, "no news from the agent")
        assert (line["reason"], line["volumes"]) == ("AgentUnreachable", MANY)
        await node.agent.start()
        await until(lambda: bool(logged(caplog, "no trouble with the agent any more")))
        (line,) = logged(caplog, "no trouble with the agent any more")
        assert line["volumes"] == MANY
    assert len(logged(caplog, "no news from the agent")) == 1


async def test_tokens_that_cannot_be_had_are_two_lines_for_all_volumes(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pods = [node.pod(name=f"web-{number}") for number in range(5)]
    for pod in pods:
        node.entry(pod)
    node.agent.jwt_ttl_seconds = 2
    async with node.driver() as driver:
        async with asyncio.TaskGroup() as tasks:
            for pod in pods:
                tasks.create_task(driver.publish(pod, jwtAudiences="db"))
        node.agent.jwt_fails = True
        await until(lambda: bool(logged(caplog, "no JWT-SVIDs from the agent")))
        node.agent.jwt_fails = False
        await until(lambda: bool(logged(caplog, "all JWT-SVIDs are there again")))
        (begun,) = logged(caplog, "no JWT-SVIDs from the agent")
        assert begun["reason"] == "AgentFailed"
        assert "the server is out of order" in str(begun["why"])
        (over,) = logged(caplog, "all JWT-SVIDs are there again")
        assert over["files"] == len(pods)


async def test_a_token_without_an_entry_is_no_missing_right_of_the_driver(node: Node) -> None:
    """An agent answers both with the same code and the same words."""
    pod = node.pod()
    entry = node.entry(pod)
    node.agent.jwt_ttl_seconds = 2
    async with node.driver() as driver:
        await driver.publish(pod, jwtAudiences="db")
        node.spire.state.delete(entry.id)

        await until(lambda: "gives no JWT-SVID: no identity issued" in _abnormal(driver, pod))
        assert "authorized_delegates" not in _abnormal(driver, pod)
        assert node.agent.streams == 2


def _abnormal(driver: Driver, pod: Pod) -> str:
    return driver.volumes.abnormal(pod.volume_id) or ""


async def test_an_svid_that_runs_out_is_told_beforehand_and_at_its_end_and_when_it_is_renewed(
    node: Node,
) -> None:
    pod, other = node.pod(), node.pod(name="other")
    entry = node.entry(pod, x509_svid_ttl=12)
    node.entry(other)
    async with node.driver() as driver:
        for each in (pod, other):
            await driver.publish(each)
        node.spire.state.delete(entry.id)
        await until(lambda: _reasons(node) == ["SVIDExpiring"])
        assert driver.volumes.ailments() == {"SVIDExpiring": 1}
        await until(lambda: _reasons(node) == ["SVIDExpiring", "SVIDExpired"])
        assert "has no SVID for it any more" in node.heard.events[-1][2]
        assert driver.volumes.ailments() == {"SVIDExpired": 1}
        assert node.heard.ends == []
        node.entry(pod)
        await until(lambda: [end[:2] for end in node.heard.ends] == [("web-1", "VolumeUpToDate")])
        assert driver.volumes.ailments() == {}
    assert {name for name, *_ in node.heard.events} == {"web-1"}


def _reasons(node: Node) -> list[str]:
    return [reason for _, reason, _ in node.heard.events]


async def test_an_agent_that_is_away_for_long_is_told_to_pods_once_and_that_it_is_back(
    node: Node,
) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver(agent_away=0.1) as driver:
        await driver.publish(pod)
        await node.agent.stop()
        await until(lambda: _reasons(node) == ["AgentUnreachable"])
        await node.agent.start()
        await until(lambda: [end[1] for end in node.heard.ends] == ["VolumeUpToDate"])
    assert _reasons(node) == ["AgentUnreachable"]


async def test_files_that_cannot_be_written_are_told_and_that_they_can_again(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pod = node.pod()
    node.entry(pod)
    async with node.driver(agent_away=0.1) as driver:
        path = await driver.publish(pod)
        await node.mount_over(path)
        node.agent.rotate()
        await until(lambda: _reasons(node) == ["FilesNotWritten"])
        await node.unmount_top(path)
        await until(lambda: [end[1] for end in node.heard.ends] == ["VolumeUpToDate"])
        assert len(logged(caplog, "files cannot be written")) == 1
        assert len(logged(caplog, "files can be written again")) == 1


async def test_a_broken_svid_is_told_and_that_it_is_right_again(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pod = node.pod()
    entry = node.entry(pod)
    async with node.driver() as driver:
        await driver.publish(pod)
        node.agent.mix_up(entry.id)
        await until(lambda: len(logged(caplog, "an SVID is not delivered")) == 1)
        node.agent.rotate()
        await until(lambda: len(logged(caplog, "an SVID is delivered again")) == 1)


async def test_a_view_says_that_it_is_refused_once_and_that_it_is_shown_again(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pod, link = node.pod(), node.workload_api.parent / "also"
    link.symlink_to(node.agent.admin_socket)
    async with node.driver() as driver:
        for _ in range(3):
            await driver.refused(pod.request(mode="workload-api"))
        assert _reasons(node) == ["WorkloadAPINotShown"]
        assert len(logged(caplog, "a volume cannot show the Workload API")) == 1
        link.unlink()
        await driver.publish(pod, mode="workload-api")
        assert [end[1] for end in node.heard.ends] == ["VolumeUpToDate"]
        assert len(logged(caplog, "a volume shows the Workload API again")) == 1


async def test_a_view_of_the_workload_api_takes_nothing_of_the_disk_that_is_below(
    node: Node,
) -> None:
    view, files = node.pod(), node.pod()
    node.entry(files)
    async with node.driver() as driver:
        await driver.publish(view, mode="workload-api")
        await driver.publish(files)
        shown = await _usage(driver, view)
        # A kubelet takes an answer without any usage for a failure.
        assert [usage.unit for usage in shown] == [1, 2]
        assert {(usage.total, usage.used, usage.available) for usage in shown} == {(0, 0, 0)}
        held = await _usage(driver, files)
        assert all(0 < usage.used < usage.total for usage in held)
        assert held[0].total <= 64 * 2**20


async def _usage(driver: Driver, pod: Pod) -> Sequence[csi_pb2.VolumeUsage]:
    request = csi_pb2.NodeGetVolumeStatsRequest(
        volume_id=pod.volume_id, volume_path=str(pod.target)
    )
    return (await driver.stub.NodeGetVolumeStats(request, timeout=60.0)).usage


def test_every_reason_is_one_of_the_metric() -> None:
    assert sorted(ABNORMAL_REASONS) == sorted(REASONS)
    assert {trouble.value for trouble in Trouble} <= set(REASONS)
