"""NodePublishVolume and NodeUnpublishVolume on real mounts."""

import asyncio
import contextlib
import ctypes
import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from api.proto import csi_pb2
from registrar.csi.mounts import LinuxMounts
from registrar.csi.volume import Volume, volume_of
from registrar.spire.delegated import JWTSVID, X509SVID
from tests.support.csi import IMPATIENT_SECONDS, Node, Pod
from tests.support.setup import until


def shown(path: Path) -> list[str]:
    """What a Pod sees in its volume."""
    return sorted(found.name for found in path.iterdir() if found.name[:2] != "..")


def _secrets_in_memory() -> int:
    return sum(isinstance(found, X509SVID | JWTSVID) for found in gc.get_objects())


@contextlib.contextmanager
def _collector_off() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def test_a_volume_holds_the_files_of_its_pod_when_the_call_returns(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod)
        assert shown(path) == ["bundle.pem", "svid.pem", "svid_key.pem"]
        leaf = x509.load_pem_x509_certificate((path / "svid.pem").read_bytes())
        key = load_pem_private_key((path / "svid_key.pem").read_bytes(), password=None)
        assert key.public_key() == leaf.public_key()
        assert (path / "bundle.pem").read_bytes() == node.spire.authority.certificate_pem
        assert await node.mounts() == [str(path)]
        await driver.unpublish(pod)
        assert await node.mounts() == []
        assert not path.exists()
        assert not list(node.records.iterdir())


async def test_what_is_secret_leaves_the_memory_with_its_volume(node: Node) -> None:
    """Not when the collector of cycles comes along, which may take hours."""
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        await driver.publish(pod, jwtAudiences="db")
        # What tests before left in cycles is none of ours.
        gc.collect()
        await until(lambda: _secrets_in_memory() == 2)
        with _collector_off():
            await driver.unpublish(pod)
            await until(lambda: _secrets_in_memory() == 0)


async def test_the_selectors_are_the_pods_own(node: Node) -> None:
    """Entries may select by each of them; another Pod's entry gives nothing."""
    pod, other = node.pod(), node.pod(name="db-1", service_account="db", namespace="data")
    for number, selector in enumerate(
        (
            "ns:shop",
            "sa:web",
            "pod-name:web-1",
            f"pod-uid:{pod.uid}",
            "node-name:node-1",
        )
    ):
        node.entry(other, f"/{number}", selector=selector)
    node.entry(other, "/other")
    async with node.driver() as driver:
        path = await driver.publish(pod, svids="all")
        assert shown(path) == ["0", "1", "2", "3", "4", "bundle.pem"]
        ids = {_spiffe_id(path / folder / "svid.pem") for folder in "01234"}
        assert ids == {f"spiffe://example.org/{number}" for number in range(5)}


async def test_it_waits_for_an_entry_that_comes_later(node: Node) -> None:
    pod = node.pod()
    async with node.driver() as driver, asyncio.TaskGroup() as tasks:
        publishing = tasks.create_task(driver.publish(pod))
        await until(lambda: node.agent.subscriptions == 2)
        assert not publishing.done()
        node.entry(pod)
        assert shown(await publishing) == ["bundle.pem", "svid.pem", "svid_key.pem"]


async def test_without_an_entry_the_call_says_which_selectors_matched_nothing(node: Node) -> None:
    pod = node.pod()
    # Long enough for all that the agent has to say: the first refusal is looked at.
    async with node.driver(first_svid=3 * IMPATIENT_SECONDS) as driver:
        code, message = await driver.refused(pod.request())
        assert code == "DEADLINE_EXCEEDED"
        assert f"k8s:ns:shop, k8s:sa:web, k8s:pod-name:web-1, k8s:pod-uid:{pod.uid}" in message
        assert await node.mounts() == []
        assert not list(node.records.iterdir())
        assert [(name, reason) for name, reason, _ in node.heard.events] == [
            ("web-1", "WaitingForEntry")
        ]
        # What failed left nothing that stands in the way.
        node.entry(pod)
        await driver.publish(pod)
    assert node.heard.published_ == ["no_svid", "ok"]


async def test_a_driver_that_is_no_delegate_says_so(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    node.agent.is_delegate = False
    async with node.driver(first_svid=IMPATIENT_SECONDS) as driver:
        code, _ = await driver.refused_saying(pod.request(), "authorized_delegates")
        assert code == "DEADLINE_EXCEEDED"
        assert "NotAuthorizedDelegate" in [reason for _, reason, _ in node.heard.events]


async def test_an_agent_that_is_away_is_waited_for(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    await node.agent.stop()
    async with node.driver(first_svid=IMPATIENT_SECONDS) as driver:
        code, _ = await driver.refused_saying(pod.request(), "is this its admin_socket_path?")
        assert code == "DEADLINE_EXCEEDED"
        assert "AgentUnreachable" in [reason for _, reason, _ in node.heard.events]
    async with node.driver() as driver, asyncio.TaskGroup() as tasks:
        tasks.create_task(driver.publish(pod))
        await asyncio.sleep(0)
        await node.agent.start()


async def test_unpublish_ends_the_wait_of_a_publish(node: Node) -> None:
    pod = node.pod()
    async with node.driver() as driver, asyncio.TaskGroup() as tasks:
        publishing = tasks.create_task(driver.refused(pod.request()))
        await until(lambda: node.agent.subscriptions == 2)
        await driver.unpublish(pod)
        code, _ = await publishing
        assert code == "ABORTED"
        await until(lambda: node.agent.streams == 1)
        assert await node.mounts() == []


async def test_unpublish_succeeds_on_anything_that_is_gone(node: Node) -> None:
    pod, never = node.pod(), node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        await driver.unpublish(never)
        path = await driver.publish(pod)
        # Somebody, or a reboot, was there before us.
        await asyncio.to_thread(LinuxMounts().remove, path)
        path.parent.rmdir()
        await driver.unpublish(pod)
        await driver.unpublish(pod)
    assert not list(node.records.iterdir())


async def test_another_volume_of_that_id_is_refused_and_harms_nothing(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        path = await driver.publish(pod)
        code, _ = await driver.refused(pod.request(layout="spiffe-files"))
        assert code == "ALREADY_EXISTS"
        assert shown(path) == ["bundle.pem", "svid.pem", "svid_key.pem"]


def _changed(pod: Pod, **fields: object) -> csi_pb2.NodePublishVolumeRequest:
    request = pod.request()
    for name, value in fields.items():
        setattr(request, name, value)
    return request


async def test_what_no_kubelet_would_ask_for_is_refused(node: Node) -> None:
    pod, other = node.pod(), node.pod()
    outside = node.folder / "elsewhere"
    without = pod.request()
    del without.volume_context["csi.storage.k8s.io/pod.uid"]
    persistent = pod.request()
    persistent.volume_context["csi.storage.k8s.io/ephemeral"] = "false"
    block = pod.request()
    block.volume_capability.block.SetInParent()
    wheel = pod.request()
    wheel.volume_capability.mount.volume_mount_group = "wheel"
    bare = pod.request()
    bare.ClearField("volume_capability")
    cases = [
        (_changed(pod, readonly=False), "write readOnly: true"),
        (_changed(pod, volume_id=""), "volume_id"),
        (_changed(pod, target_path=""), "target_path"),
        (_changed(pod, target_path=str(outside)), "not below"),
        (_changed(pod, target_path=str(other.target)), "not below"),
        (_changed(pod, target_path=f"{pod.target}/../../../../../../etc"), "not below"),
        (without, "podInfoOnMount: true"),
        (persistent, "inline ephemeral"),
        (block, "only volumes that are mounted"),
        (bare, "volume_capability"),
        (pod.request(keyFile="../../escape"), "volumeAttributes.keyFile"),
        (pod.request(uid="0" * 5000), "volumeAttributes.uid"),
        (pod.request(gid="00000000004294967295"), "volumeAttributes.gid"),
        (pod.request(layuot="classic"), "did you mean layout?"),
        (wheel, "volume_mount_group"),
    ]
    async with node.driver() as driver:
        for request, words in cases:
            code, message = await driver.refused(request)
            assert code == "INVALID_ARGUMENT", message
            assert words in message
    assert await node.mounts() == []
    assert not outside.exists()


async def test_two_files_of_one_name_are_refused_in_words(node: Node) -> None:
    pod = node.pod()
    async with node.driver() as driver:
        for attributes in ({"keyFile": "bundle.pem"}, {"jwtTokens": "bundle.pem: db"}):
            code, message = await driver.refused(pod.request(**attributes))
            assert code == "INVALID_ARGUMENT"
            assert "another file has this name" in message


async def test_the_workload_api_is_shown_read_only(node: Node) -> None:
    public = node.folder / "agent/public"
    (public / "api.sock").write_text("in the place of a socket")
    pod = node.pod()
    async with node.driver() as driver:
        path = await driver.publish(pod, mode="workload-api")
        await driver.publish(pod, mode="workload-api")
        assert shown(path) == ["api.sock"]
        with pytest.raises(OSError, match="Read-only file system"):
            (path / "other").write_text("")
        assert await node.mounts() == [str(path)]
        assert (await driver.condition(pod))[0] is False
    async with node.driver() as driver:
        await driver.publish(pod, mode="workload-api")
        assert await node.mounts() == [str(path)]
        await driver.unpublish(pod)
    assert await node.mounts() == []
    assert (public / "api.sock").exists()


async def test_a_view_of_the_workload_api_that_is_half_way_or_stale_is_put_right(
    node: Node,
) -> None:
    public = node.folder / "agent/public"
    pod = node.pod()
    async with node.driver() as driver:
        path = await driver.publish(pod, mode="workload-api")
    await node.unmount(path)
    # Killed between the two calls that a read-only view takes.
    await asyncio.to_thread(bind, public, path)
    (path / "writable").write_text("")
    async with node.driver() as driver:
        with pytest.raises(OSError, match="Read-only file system"):
            (path / "other").write_text("")
        public.rename(node.folder / "agent/old")
        public.mkdir()
        (public / "api.sock").write_text("of an agent that started anew")
        await driver.publish(pod, mode="workload-api")
        assert shown(path) == ["api.sock"]


async def test_what_somebody_else_has_mounted_is_not_written_into(node: Node) -> None:
    pod = node.pod()
    node.entry(pod)
    elsewhere = node.folder / "elsewhere"
    elsewhere.mkdir()
    async with node.driver() as driver:
        path = await driver.publish(pod)
    await node.unmount(path)
    await asyncio.to_thread(bind, elsewhere, path)
    async with node.driver() as driver:
        node.agent.rotate()
        await driver.publish(pod)
        assert shown(path) == ["bundle.pem", "svid.pem", "svid_key.pem"]
        assert list(elsewhere.iterdir()) == []


async def test_a_publish_that_is_cancelled_at_any_time_leaves_nothing(node: Node) -> None:
    """A kubelet that ends closes its calls; each cancellation meets another step."""
    pod = node.pod()
    node.entry(pod)
    async with node.driver() as driver:
        for steps in range(0, 60, 3):
            async with asyncio.TaskGroup() as tasks:
                publishing = tasks.create_task(driver.volumes.publish(volume(pod)))
                for _ in range(steps):
                    await asyncio.sleep(0)
                publishing.cancel()
                publishing.cancel()
            if not publishing.cancelled():
                await driver.unpublish(pod)
            assert await node.mounts() == []
            assert not list(node.records.glob("*.json"))
            assert driver.volumes.states() == {"waiting": 0, "serving": 0, "abnormal": 0}


def volume(pod: Pod) -> Volume:
    request = pod.request()
    return volume_of(
        volume_id=request.volume_id,
        target_path=request.target_path,
        context=request.volume_context,
        mount_group="",
        kubelet_dir=pod.kubelet_dir,
    )


def bind(folder: Path, target: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert not libc.mount(
        os.fsencode(folder), os.fsencode(target), None, ctypes.c_ulong(4096), None
    )


async def test_an_svid_whose_key_is_anothers_is_never_written(node: Node) -> None:
    pod, other = node.pod(), node.pod()
    mine = node.entry(pod)
    node.entry(other, "/other")
    node.agent.mix_up(mine.id)
    async with node.driver(first_svid=IMPATIENT_SECONDS) as driver:
        await driver.refused_saying(pod.request(), "is not that of its certificate")
        await driver.publish(other)


def _spiffe_id(path: Path) -> str:
    leaf = x509.load_pem_x509_certificate(path.read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    return uri
