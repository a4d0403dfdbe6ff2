"""Any object of any kind, found by what the API server says of its kinds."""

from pathlib import Path

from api.codec import JSONObject
from devcluster.cluster import Cluster as DevCluster
from registrar.kube.session import connect
from topology.discovery import Cluster
from topology.manifests import ObjectID

LABEL = "topology.spire.io/module"
MAP = ObjectID("v1", "ConfigMap", "default", "a")
IDENTITY = ObjectID("spire.spiffe.io/v1alpha1", "ClusterSPIFFEID", "", "b")


def documents() -> list[JSONObject]:
    labels: JSONObject = {LABEL: "nested"}
    return [
        {
            "apiVersion": MAP.api_version,
            "kind": MAP.kind,
            "metadata": {"name": MAP.name, "namespace": MAP.namespace, "labels": labels},
        },
        {
            "apiVersion": IDENTITY.api_version,
            "kind": IDENTITY.kind,
            "metadata": {"name": IDENTITY.name, "labels": labels},
            "spec": {"spiffeIDTemplate": "/a"},
        },
    ]


async def test_objects_of_all_kinds_are_read_found_by_label_and_deleted(tmp_path: Path) -> None:
    async with (
        DevCluster.serve(tmp_path) as dev,
        connect(dev.kubeconfig, user_agent="test") as session,
    ):
        cluster = Cluster(session)
        await dev.apply(documents())
        unknown = ObjectID("none.example/v1", "None", "", "c")
        missing = ObjectID("v1", "ConfigMap", "default", "missing")
        found = await cluster.read([MAP, IDENTITY, unknown, missing])
        assert list(found) == [MAP, IDENTITY]
        assert set(await cluster.labelled(f"{LABEL}=nested")) == {MAP, IDENTITY}
        assert await cluster.labelled(f"{LABEL}=oidc") == []
        assert [await cluster.delete(each) for each in (MAP, IDENTITY, missing, unknown)] == [
            True,
            True,
            False,
            False,
        ]
        assert await cluster.read([MAP, IDENTITY]) == {}
