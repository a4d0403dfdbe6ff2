"""The table of all servers, from what Kubernetes has of them."""

from pathlib import Path

from api.codec import JSONObject
from devcluster.cluster import Cluster
from registrar.kube.session import connect
from topology.modules import MODULES
from topology.table import rows, table

NESTED = MODULES["nested"]


def a_workload(kind: str, name: str, server: str) -> JSONObject:
    labels: JSONObject = {
        "app.kubernetes.io/name": name,
        "topology.spire.io/module": "nested",
        "topology.spire.io/server": server,
    }
    selector: JSONObject = {"matchLabels": {"a": "b"}}
    template: JSONObject = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": f"{server}-{name}", "namespace": NESTED.namespace, "labels": labels},
        "spec": {"selector": selector, "template": template}
        | ({} if kind == "DaemonSet" else {"replicas": 1}),
    }


def path_of(plural: str, name: str) -> str:
    return f"/apis/apps/v1/namespaces/{NESTED.namespace}/{plural}/{name}/status"


def an_entry(name: str, instance: str, ready: str) -> JSONObject:
    return {
        "apiVersion": "spiffeid.spiffe.io/v1beta1",
        "kind": "SpireEntry",
        "metadata": {"name": name, "labels": {"spiffeid.spiffe.io/instance": instance}},
        "spec": {
            "spiffeId": f"spiffe://example.org/{name}",
            "parentId": "spiffe://example.org/agent",
            "selectors": ["k8s:ns:a"],
        },
        "status": {"conditions": [{"type": "Ready", "status": ready, "reason": "EntrySet"}]},
    }


async def test_every_server_has_a_row_whether_it_is_there_or_not(tmp_path: Path) -> None:
    root, b = ("spire-registrar.controller-manager." + name for name in ("root-0a", "nested-b-1b"))
    async with (
        Cluster.serve(tmp_path) as cluster,
        connect(cluster.kubeconfig, user_agent="test") as session,
    ):
        await cluster.apply(
            [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NESTED.namespace}},
                a_workload("StatefulSet", "spire-server", "root"),
                a_workload("StatefulSet", "spire-server", "nested-b"),
                a_workload("Deployment", "spire-registrar", "nested-b"),
                a_workload("DaemonSet", "spire-agent", "root"),
                an_entry("one", root, "True"),
                an_entry("two", root, "False"),
                an_entry("three", b, "True"),
            ]
        )
        statuses: list[tuple[str, str, JSONObject]] = [
            ("statefulsets", "root-spire-server", {"readyReplicas": 1}),
            ("deployments", "nested-b-spire-registrar", {"readyReplicas": 1}),
            ("daemonsets", "root-spire-agent", {"numberReady": 1, "desiredNumberScheduled": 2}),
        ]
        for plural, name, status in statuses:
            await cluster.client.merge(path_of(plural, name), {"status": status})
        found = {row.server: row for row in await rows(session, [NESTED])}
    one = found["root"]
    assert (one.ready, one.agents, one.registrar, one.entries) == ("1/1", "1/2", "beside", "1/2")
    two = found["nested-b"]
    assert (two.ready, two.agents, two.registrar, two.entries) == ("0/1", "-", "1/1", "1/1")
    none = found["nested-a"]
    assert (none.ready, none.agents, none.registrar, none.entries) == ("-", "-", "-", "0/0")
    shown = table(list(found.values())).splitlines()
    assert shown[0].split()[:3] == ["MODULE", "SERVER", "TRUST"]
    assert len({line.index("example.org") for line in shown[1:]}) == 1


def a_relationship(*conditions: tuple[str, str, str]) -> JSONObject:
    name = f"r{len(conditions)}"
    return {
        "apiVersion": "spire.spiffe.io/v1alpha1",
        "kind": "ClusterFederatedTrustDomain",
        "metadata": {"name": name},
        "spec": {
            "className": "root",
            "trustDomain": f"{name}.test",
            "bundleEndpointURL": "https://a",
            "bundleEndpointProfile": {"type": "https_web"},
        },
        "status": {
            "conditions": [
                {"type": type_, "status": status, "reason": reason, "lastTransitionTime": "T"}
                for type_, status, reason in conditions
            ]
        },
    }


async def test_a_relationship_is_shown_with_how_fresh_its_bundle_is(tmp_path: Path) -> None:
    relationships = [
        a_relationship(),
        a_relationship(("Ready", "False", "BundleSourceMissing")),
        a_relationship(("Ready", "True", "Set"), ("BundleFresh", "False", "RefreshFailed")),
        a_relationship(
            ("Ready", "True", "Set"),
            ("BundleFresh", "True", "Fetched"),
            ("BundleAvailable", "True", "Fetched"),
        ),
    ]
    async with (
        Cluster.serve(tmp_path) as cluster,
        connect(cluster.kubeconfig, user_agent="test") as session,
    ):
        await cluster.apply(relationships)
        for each in relationships:
            metadata, status = each["metadata"], each["status"]
            assert isinstance(metadata, dict)
            where = (
                f"/apis/spire.spiffe.io/v1alpha1/clusterfederatedtrustdomains/{metadata['name']}"
            )
            await cluster.client.merge(f"{where}/status", {"status": status})
        (root, *_) = await rows(session, [NESTED])
    assert root.relationships.split(", ") == [
        "r0.test pending",
        "r1.test not ready (BundleSourceMissing)",
        "r2.test ready",
        "not fresh (RefreshFailed) since T",
        "r3.test ready",
        "fresh since T",
    ]
