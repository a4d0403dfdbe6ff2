"""What holds of every module, and what is found where it does not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from api.codec import JSONObject
from api.crd import CUSTOM_KINDS, crd
from api.documents import dump_yaml
from devcluster.client import Client
from devcluster.kubeapi.server import KubeAPI
from registrar.kube.session import connect
from topology.checks.check import Check, Untrue
from topology.checks.health import Health
from topology.reader import Reader

NAMESPACE = "spire-nested"
LABELS: JSONObject = {
    "topology.spire.io/module": "nested",
    "app.kubernetes.io/name": "spire-agent",
    "topology.spire.io/server": "root",
}
READY_SINCE = "2026-01-01T00:00:10Z"


class World:
    """A module of one Pod, which is well until the test says otherwise."""

    def __init__(self, client: Client, checks: list[Check]) -> None:
        self.client = client
        self._checks = checks

    async def pod(self, name: str = "root-agent", *, ready: str = "True", restarts: int = 0) -> str:
        """Have a Pod; gives its uid."""
        path = f"/api/v1/namespaces/{NAMESPACE}/pods"
        container: JSONObject = {"name": "main", "image": "a"}
        made = await self.client.create(
            path,
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "labels": {**LABELS}},
                "spec": {"containers": [container]},
            },
        )
        condition: JSONObject = {
            "type": "Ready",
            "status": ready,
            "lastTransitionTime": READY_SINCE,
        }
        status: JSONObject = {
            "phase": "Running",
            "conditions": [condition],
            "containerStatuses": [{"name": "main", "restartCount": restarts}],
        }
        await self.client.merge(f"{path}/{name}/status", {"status": status})
        metadata = made["metadata"]
        assert isinstance(metadata, dict)
        return str(metadata["uid"])

    async def warning(self, uid: str, when: str) -> None:
        """Have a Warning about something with this uid."""
        await self.client.create(
            f"/api/v1/namespaces/{NAMESPACE}/events",
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"e-{when[-3:-1]}-{uid[:4]}"},
                "involvedObject": {"kind": "Pod", "name": "p", "namespace": NAMESPACE, "uid": uid},
                "type": "Warning",
                "reason": "Unhealthy",
                "message": "probe failed",
                "lastTimestamp": when,
            },
        )

    async def identity(self, ready: str) -> None:
        """Have a ClusterSPIFFEID of the module."""
        document: JSONObject = {
            "apiVersion": "spire.spiffe.io/v1alpha1",
            "kind": "ClusterSPIFFEID",
            "metadata": {"name": "a", "labels": {"topology.spire.io/module": "nested"}},
            "spec": {"spiffeIDTemplate": "/a"},
        }
        await self.client.apply(document)
        condition: JSONObject = {
            "type": "Ready",
            "status": ready,
            "reason": "EntriesSet",
            "message": "no such agent",
            "lastTransitionTime": READY_SINCE,
        }
        path = "/apis/spire.spiffe.io/v1alpha1/clusterspiffeids/a/status"
        await self.client.merge(path, {"status": {"conditions": [condition]}})

    async def failures(self) -> list[str]:
        """What does not hold now."""
        found = []
        for check in self._checks:
            try:
                await check.look()
            except Untrue as error:
                found.append(f"{check.sentence}: {error}")
        return found


@asynccontextmanager
async def a_world(folder: Path) -> AsyncIterator[World]:
    """An API server without a kubelet, which would have a word on Pods too."""
    kubeconfig = folder / "kubeconfig"
    async with KubeAPI.serve() as kube, aiohttp.ClientSession() as http:
        kubeconfig.write_text(dump_yaml(kube.kubeconfig()))
        client = Client(http, kube.url)
        for kind in CUSTOM_KINDS:
            await client.apply(crd(kind))
        await client.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        )
        async with connect(kubeconfig, user_agent="test") as session:
            health = Health(Reader(session), module="nested", namespace=NAMESPACE, servers=[])
            yield World(client, health.checks(ready_seconds=0))


async def test_a_module_that_is_well_passes(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        uid = await world.pod()
        await world.identity("True")
        # Before it was ready, and about a Pod that is gone.
        await world.warning(uid, "2026-01-01T00:00:05Z")
        await world.warning("gone", "2026-01-01T00:00:20Z")
        assert await world.failures() == []


async def test_a_module_that_is_not_there_is_not_ready(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        assert await world.failures() == ["all Pods of nested are ready: there are no Pods yet"]


async def test_what_is_wrong_is_found_and_named(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        uid = await world.pod(restarts=2)
        await world.pod("late", ready="False")
        await world.identity("False")
        await world.warning(uid, "2026-01-01T00:00:20Z")
        assert await world.failures() == [
            "all Pods of nested are ready: not ready: late",
            "no container of nested was restarted: restarts: root-agent 2",
            "every object of nested is Ready: a: no such agent",
            "no Warning in nested since its Pods are ready: p: Unhealthy: probe failed",
        ]
