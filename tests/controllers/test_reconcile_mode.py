"""The workload registrar's reconcile mode: Nodes and Pods straight to entries."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from api.proto import types_pb2
from manager.process import Process
from registrar.settings.model import PodIdentity, ReconcileMode
from tests.support.controllermanager import NODE
from tests.support.setup import Setup, eventually, some_looks, until
from tests.support.workload import Workload, address

ROOT = "/spire-k8s-registrar/test/node"
DEFAULT = "/ns/default/sa/default"


class Reconciling(Workload):
    """The mode, with settings that a test changes."""

    @contextlib.asynccontextmanager
    async def mode(
        self, identity: PodIdentity | None = None, **config: str
    ) -> AsyncIterator[Process]:
        """Run it until the block ends."""
        async with self.setup.registrar(
            workload_registrar=ReconcileMode(**config),
            pods=identity or PodIdentity("service_account"),
        ) as process:
            yield process


@pytest.fixture
async def cluster(setup: Setup) -> Reconciling:
    cluster = Reconciling(setup)
    await cluster.node()
    return cluster


@pytest.mark.story
async def test_a_node_and_its_pods_get_the_entries_of_the_original(cluster: Reconciling) -> None:
    async with cluster.mode():
        await cluster.pod("a")
        await cluster.until_entry(
            f"{ROOT}/{NODE}",
            parent="/spire/server",
            selectors=[f"k8s_psat:agent_node_name:{NODE}", "k8s_psat:cluster:test"],
        )
        entry = await cluster.until_entry(
            DEFAULT,
            parent=f"{ROOT}/{NODE}",
            selectors=["k8s:ns:default", "k8s:pod-name:a"],
            dns_names=[],
        )
        assert entry.id.startswith("test-workload-reconcile.")
        record = await cluster.until_recorded(DEFAULT)
        assert [(h.kind, h.name) for h in record.spec.holders] == [("Pod", "a")]
        assert [o.kind for o in record.metadata.owner_references] == ["Namespace"]
        await cluster.delete_pod("a")
        await cluster.until_gone(DEFAULT)
        await cluster.delete_node()
        await cluster.until_gone(f"{ROOT}/{NODE}")


async def test_the_controllers_name_is_part_of_the_parents(cluster: Reconciling) -> None:
    async with cluster.mode(controller_name="mine"):
        await cluster.pod("a")
        await cluster.until_entry(DEFAULT, parent=f"/mine/test/node/{NODE}")


async def test_an_unscheduled_pod_waits(cluster: Reconciling) -> None:
    async with cluster.mode():
        await cluster.pod("a", node="")
        await cluster.pod("b", annotations={"x": "y"})
        await cluster.until_entry(DEFAULT, selectors=["k8s:ns:default", "k8s:pod-name:b"])
        await cluster.delete_pod("b")
        await cluster.until_gone(DEFAULT)
        await cluster.client.create(
            "/api/v1/namespaces/default/pods/a/binding",
            {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": "a"},
                "target": {"kind": "Node", "name": NODE},
            },
        )
        await cluster.until_entry(DEFAULT, selectors=["k8s:ns:default", "k8s:pod-name:a"])


async def test_edits_of_the_label_follow(cluster: Reconciling) -> None:
    async with cluster.mode(PodIdentity("label", "spiffe")):
        await cluster.pod("a", labels={"spiffe": "one"})
        await cluster.pod("b")
        await cluster.until_entry("/one")
        await cluster.label("a", spiffe="two")
        await cluster.until_entry("/two")
        await cluster.until_gone("/one")
        await cluster.label("a", spiffe=None)
        await cluster.until_gone("/two")


async def test_an_annotation_with_slashes_is_a_path(cluster: Reconciling) -> None:
    async with cluster.mode(PodIdentity("annotation", "spiffe.io/id")):
        await cluster.pod("a", annotations={"spiffe.io/id": "prod/web"})
        await cluster.until_entry("/prod/web")
        await cluster.annotate("a", {"spiffe.io/id": "prod//web"})
        await cluster.until_event("Pod", "a", "InvalidIdentity", "an empty segment")
        assert cluster.entry("/prod/web") is not None


async def test_a_pod_may_not_pose_as_an_agent(cluster: Reconciling) -> None:
    async with cluster.mode(PodIdentity("annotation", "spiffe.io/id")):
        await cluster.pod("a", annotations={"spiffe.io/id": f"{ROOT}/other"})
        await cluster.until_event("Pod", "a", "InvalidIdentity", "that of the agents")
        assert cluster.entry(f"{ROOT}/other") is None


async def test_a_pod_recreated_under_its_name_keeps_an_entry(cluster: Reconciling) -> None:
    async with cluster.mode():
        await cluster.pod("a")
        first = await cluster.until_entry(DEFAULT)
        for _ in range(3):
            await cluster.delete_pod("a")
            await cluster.pod("a")
        again = await cluster.until_entry(DEFAULT)
        assert again.selectors == first.selectors
        await cluster.delete_pod("a")
        await cluster.until_gone(DEFAULT)


async def test_what_changed_while_it_was_down_is_put_right(cluster: Reconciling) -> None:
    async with cluster.mode():
        await cluster.node("node-2")
        await cluster.pod("a")
        await cluster.until_entry(DEFAULT)
        await cluster.until_entry(f"{ROOT}/node-2")
    await cluster.delete_pod("a")
    await cluster.delete_node("node-2")
    async with cluster.mode():
        await cluster.until_gone(DEFAULT)
        await cluster.until_gone(f"{ROOT}/node-2")
        await cluster.until_entry(f"{ROOT}/{NODE}")


async def test_a_namespace_that_is_disabled_later_loses_its_entries(cluster: Reconciling) -> None:
    await cluster.namespace("shop")
    async with cluster.mode():
        await cluster.pod("a", namespace="shop")
        await cluster.pod("b")
        await cluster.until_entry("/ns/shop/sa/default")
        await cluster.until_entry(DEFAULT)
    disabled = PodIdentity("service_account", "", frozenset({"shop"}))
    async with cluster.mode(disabled):
        await cluster.until_gone("/ns/shop/sa/default")
        assert cluster.entry(DEFAULT) is not None


@pytest.mark.story
async def test_dns_names_follow_the_address_and_the_services(cluster: Reconciling) -> None:
    async with cluster.mode(dns_zone="cluster.local"):
        await cluster.pod("a")
        await cluster.until_entry(DEFAULT, dns_names=[])
        await cluster.give_address("a", "10.0.0.7")
        own = ["10-0-0-7.default.pod.cluster.local", "10-0-0-7.default.pod"]
        await cluster.until_entry(DEFAULT, dns_names=own)
        await cluster.endpoints("web", not_ready=(address("a", "10.0.0.7"),))
        await cluster.until_entry(
            DEFAULT,
            dns_names=[
                *own,
                "10-0-0-7.web",
                "10-0-0-7.web.default",
                "10-0-0-7.web.default.svc",
                "10-0-0-7.web.default.svc.cluster.local",
                "a.web",
                "a.web.default",
                "a.web.default.svc",
                "a.web.default.svc.cluster.local",
                "web",
                "web.default",
                "web.default.svc",
                "web.default.svc.cluster.local",
            ],
        )
        await cluster.endpoints("web", address("a", "10.0.0.7", "first"))
        await cluster.until_entry(
            DEFAULT,
            dns_names=[
                *own,
                "first.web",
                "first.web.default",
                "first.web.default.svc",
                "first.web.default.svc.cluster.local",
                "web",
                "web.default",
                "web.default.svc",
                "web.default.svc.cluster.local",
            ],
        )
        await cluster.endpoints("web")
        await cluster.until_entry(DEFAULT, dns_names=own)


async def test_the_federation_annotation_follows_and_bad_domains_are_reported(
    cluster: Reconciling,
) -> None:
    bundles = cluster.spire.state.bundles
    bundles["a.test"] = types_pb2.Bundle(trust_domain="a.test")
    async with cluster.mode():
        await cluster.pod("a", annotations={"spiffe.io/federatesWith": " a.test , Bad!,b.test"})
        await cluster.until_entry(DEFAULT, federates_with=["a.test"])
        await cluster.until_event("Pod", "a", "InvalidFederation", "Bad!")
        await cluster.until_event("Pod", "a", "FederationPending", "b.test")
        bundles["b.test"] = types_pb2.Bundle(trust_domain="b.test")
        await cluster.until_entry(DEFAULT, federates_with=["a.test", "b.test"])
        await cluster.annotate("a", {"spiffe.io/federatesWith": "b.test"})
        await cluster.until_entry(DEFAULT, federates_with=["b.test"])
        await cluster.annotate("a", {"spiffe.io/federatesWith": None})
        await cluster.until_entry(DEFAULT, federates_with=[])


async def test_entries_of_the_original_are_adopted_in_place(cluster: Reconciling) -> None:
    await cluster.pod("a")
    for id_, path, parent, selectors in (
        ("1", f"{ROOT}/{NODE}", "/spire/server", (("k8s_psat", f"agent_node_name:{NODE}"),)),
        ("2", DEFAULT, f"{ROOT}/{NODE}", (("k8s", "ns:default"), ("k8s", "pod-name:a"))),
        ("3", "/somebody/else", f"{ROOT}/{NODE}", (("k8s", "ns:x"), ("k8s", "pod-name:gone"))),
    ):
        extra = (("k8s_psat", "cluster:test"),) if id_ == "1" else ()
        entry = types_pb2.Entry(
            id=id_,
            spiffe_id=types_pb2.SPIFFEID(trust_domain="example.org", path=path),
            parent_id=types_pb2.SPIFFEID(trust_domain="example.org", path=parent),
            selectors=[types_pb2.Selector(type=t, value=v) for t, v in (*selectors, *extra)],
        )
        cluster.spire.state.put(entry)
    async with cluster.mode():
        record = await cluster.until_recorded(DEFAULT)
        assert record.status.entry_id == "2"
        assert {e.id for e in cluster.spire.state.entries()} == {"1", "2", "3"}
        await cluster.delete_pod("a")
        await cluster.until_gone(DEFAULT)
        assert {e.id for e in cluster.spire.state.entries()} == {"1", "3"}


async def test_deleting_a_namespace_releases_its_pods(cluster: Reconciling) -> None:
    await cluster.namespace("gone")
    async with cluster.mode():
        await cluster.pod("a", namespace="gone")
        await cluster.until_entry("/ns/gone/sa/default")
        await cluster.until_recorded("/ns/gone/sa/default")
        await cluster.delete_pod("a", "gone")
        await cluster.client.delete("/api/v1/namespaces/gone")
        await cluster.until_gone("/ns/gone/sa/default")


async def test_a_restart_with_dns_names_writes_nothing(cluster: Reconciling) -> None:
    async with cluster.mode(dns_zone="cluster.local"):
        await cluster.pod("a")
        await cluster.give_address("a", "10.0.0.7")
        await cluster.endpoints("web", address("a", "10.0.0.7"))
        await cluster.until_entry(DEFAULT)
        await until(lambda: len(cluster.setup.entries(DEFAULT)[0].dns_names) > 2)
    before = cluster.entry(DEFAULT)
    async with cluster.mode(dns_zone="cluster.local"):
        await some_looks(cluster.setup)
        assert cluster.entry(DEFAULT) == before


async def test_the_record_of_a_node_recreated_unseen_names_the_new_one(embedded: Setup) -> None:
    cluster = Reconciling(embedded)
    await cluster.node()
    async with cluster.mode():
        await cluster.until_recorded(f"{ROOT}/{NODE}")
        cluster.faults.fail(None, 503, method="list", resource="nodes")
        cluster.faults.expire_watches()
        await cluster.delete_node()
        uid = await cluster.node()
        cluster.faults.clear()

        async def names_the_new_one() -> bool:
            record = await cluster.until_recorded(f"{ROOT}/{NODE}")
            return [owner.uid for owner in record.metadata.owner_references] == [uid]

        await eventually(names_the_new_one)


async def test_a_pod_recreated_wrong_does_not_inherit_an_identity(cluster: Reconciling) -> None:
    by_annotation = PodIdentity("annotation", "spiffe")
    async with cluster.mode(by_annotation):
        await cluster.pod("a", annotations={"spiffe": "payments"})
        await cluster.until_recorded("/payments")
    await cluster.delete_pod("a")
    await cluster.pod("a", annotations={"spiffe": "a//b"})
    async with cluster.mode(by_annotation):
        await cluster.until_event("Pod", "a", "InvalidIdentity", "an empty segment")
        await cluster.until_gone("/payments")


async def test_a_pod_recreated_wrong_and_unseen_does_not_inherit_an_identity(
    embedded: Setup,
) -> None:
    cluster = Reconciling(embedded)
    await cluster.node()
    async with cluster.mode(PodIdentity("annotation", "spiffe")):
        await cluster.pod("a", annotations={"spiffe": "payments"})
        await cluster.until_entry("/payments")
        cluster.faults.fail(None, 503, method="list", resource="pods")
        cluster.faults.expire_watches()
        await cluster.delete_pod("a")
        await cluster.pod("a", annotations={"spiffe": "a//b"})
        cluster.faults.clear()
        await cluster.until_gone("/payments")


async def test_names_by_services_stay_while_services_cannot_be_read(embedded: Setup) -> None:
    cluster = Reconciling(embedded)
    await cluster.node()
    await cluster.pod("a")
    await cluster.give_address("a", "10.0.0.7")
    await cluster.endpoints("web", address("a", "10.0.0.7"))
    async with cluster.mode(dns_zone="cluster.local"):

        def names_now() -> list[str]:
            return [name for e in embedded.entries(DEFAULT) for name in e.dns_names]

        await until(lambda: "web.default" in names_now())
        names = names_now()
    for resource in ("endpointslices", "endpoints"):
        cluster.faults.fail(None, 403, method="list", resource=resource)
    async with cluster.mode(dns_zone="cluster.local"):
        await cluster.until_event("Pod", "a", "ServicesUnreadable", "list and watch")
        await some_looks(embedded)
        await cluster.until_entry(DEFAULT, dns_names=names)
        cluster.faults.clear()
        await cluster.endpoints("web")
        own = ["10-0-0-7.default.pod.cluster.local", "10-0-0-7.default.pod"]
        await cluster.until_entry(DEFAULT, dns_names=own)
