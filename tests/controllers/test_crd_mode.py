"""The workload registrar's crd mode: SpiffeIDs, written by people and made for Pods and Nodes."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from api.codec import JSONObject, convert
from api.kinds import SPIFFE_ID
from api.meta import find_condition
from api.proto import types_pb2
from api.spiffeid.v1beta1.spiffeid import ORIGINAL_FINALIZER, SpiffeID
from manager.process import Process
from registrar.claims.podspiffeid import made_for_uid
from registrar.settings.model import CRDMode, PodIdentity
from tests.support.controllermanager import NODE
from tests.support.setup import Setup, eventually, some_looks, until
from tests.support.workload import Workload, address

ROOT = "/k8s-workload-registrar/test/node"
DEFAULT = "/ns/default/sa/default"
OWN = "spire"


class Declared(Workload):
    """The mode, with settings that a test changes, and the words of its kind."""

    @contextlib.asynccontextmanager
    async def mode(
        self, identity: PodIdentity | None = None, *, pods: bool = True, **config: object
    ) -> AsyncIterator[Process]:
        """Run it until the block ends."""
        async with self.setup.registrar(
            workload_registrar=CRDMode(**config),  # type: ignore[arg-type]
            pods=(identity or PodIdentity("template")) if pods else None,
        ) as process:
            yield process

    async def spiffe_id(
        self,
        name: str,
        namespace: str = "default",
        *,
        metadata: JSONObject | None = None,
        **spec: object,
    ) -> None:
        """Apply a SpiffeID; by default /<name> for Pods of the namespace labelled app=<name>."""
        body: JSONObject = {
            "spiffeId": f"spiffe://example.org/{name}",
            "parentId": "spiffe://example.org/spire/server",
            "selector": {"namespace": namespace, "podLabel": {"app": name}},
            **spec,  # type: ignore[dict-item]
        }
        await self.client.apply(
            {
                "apiVersion": SPIFFE_ID.api_version,
                "kind": SPIFFE_ID.kind,
                "metadata": {"name": name, "namespace": namespace, **(metadata or {})},
                "spec": body,
            }
        )

    async def get_spiffe_id(self, name: str, namespace: str = "default") -> SpiffeID:
        """A SpiffeID as stored."""
        return convert(await self.client.get(SPIFFE_ID.path(namespace, name)), SpiffeID)

    async def delete_spiffe_id(self, name: str, namespace: str = "default") -> None:
        """Delete a SpiffeID."""
        await self.client.delete(SPIFFE_ID.path(namespace, name))

    async def until_ready(
        self, name: str, status: str = "True", reason: str = "", namespace: str = "default"
    ) -> SpiffeID:
        """Wait until a SpiffeID's Ready condition says so."""
        found: list[SpiffeID] = []

        async def is_ready() -> bool:
            obj = await self.get_spiffe_id(name, namespace)
            ready = find_condition(obj.status.conditions, "Ready")
            found[:] = [obj]
            return ready is not None and ready.status == status and reason in {"", ready.reason}

        await eventually(is_ready)
        return found[0]

    async def exists(self, name: str, namespace: str = "default") -> bool:
        """Whether there is such a SpiffeID."""
        items = (await self.client.get(SPIFFE_ID.path(namespace)))["items"]
        assert isinstance(items, list)
        return any(convert(item, SpiffeID).metadata.name == name for item in items)


@pytest.fixture
async def cluster(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Declared:
    return await _furnished(setup, monkeypatch)


@pytest.fixture
async def alone(embedded: Setup, monkeypatch: pytest.MonkeyPatch) -> Declared:
    """A cluster of embedded servers, into which a test puts faults."""
    return await _furnished(embedded, monkeypatch)


async def _furnished(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> Declared:
    monkeypatch.setenv("MY_POD_NAMESPACE", OWN)
    cluster = Declared(setup)
    await cluster.namespace(OWN)
    await cluster.node()
    return cluster


@pytest.mark.story
async def test_a_written_spiffe_id_becomes_an_entry_and_says_so(cluster: Declared) -> None:
    async with cluster.mode(pods=False):
        await cluster.spiffe_id("web", dnsNames=["web.default.svc"], downstream=True)
        entry = await cluster.until_entry(
            "/web",
            parent="/spire/server",
            selectors=["k8s:ns:default", "k8s:pod-label:app:web"],
            dns_names=["web.default.svc"],
            downstream=True,
        )
        obj = await cluster.until_ready("web")
        assert obj.status.entry_id == entry.id
        record = await cluster.until_recorded("/web")
        assert [(h.kind, h.namespace, h.name) for h in record.spec.holders] == [
            ("SpiffeID", "default", "web")
        ]
        assert [o.kind for o in record.metadata.owner_references] == ["Namespace"]
        await cluster.spiffe_id("web", spiffeId="spiffe://example.org/other")
        await cluster.until_entry("/other")
        await cluster.until_gone("/web")
        await cluster.delete_spiffe_id("web")
        await cluster.until_gone("/other")


async def test_a_spiffe_id_that_reaches_out_of_its_namespace_is_refused(
    cluster: Declared,
) -> None:
    async with cluster.mode(pods=False):
        await cluster.spiffe_id("bad", selector={"namespace": "kube-system"})
        obj = await cluster.until_ready("bad", "False", "InvalidSpec")
        ready = find_condition(obj.status.conditions, "Ready")
        assert ready is not None
        assert "write namespace: default" in ready.message
        assert cluster.entry("/bad") is None
        await cluster.spiffe_id("node", selector={"cluster": "test"})
        await cluster.until_ready("node", "False", "InvalidSpec")
        await cluster.spiffe_id("alias", OWN, selector={"cluster": "test"})
        await cluster.until_entry("/alias", selectors=["k8s_psat:cluster:test"])


async def test_two_namespaces_share_an_entry_only_by_equal_keys(cluster: Declared) -> None:
    await cluster.namespace("shop")
    async with cluster.mode(pods=False):
        same = "spiffe://example.org/same"
        await cluster.spiffe_id("a", spiffeId=same, selector={"namespace": "default"})
        await cluster.spiffe_id("b", spiffeId=same, selector={"namespace": "default"})
        await cluster.until_ready("a")
        await cluster.until_ready("b")
        assert len(cluster.setup.entries("/same")) == 1
        await cluster.delete_spiffe_id("a")
        await cluster.delete_spiffe_id("b")
        await cluster.until_gone("/same")


@pytest.mark.story
async def test_pods_and_nodes_get_the_spiffe_ids_of_the_original(cluster: Declared) -> None:
    node_uid = await cluster.node()
    async with cluster.mode():
        uid = await cluster.pod("a")
        await cluster.until_entry(
            f"{ROOT}/{NODE}",
            parent="/spire/server",
            selectors=[f"k8s_psat:agent_node_uid:{node_uid}", "k8s_psat:cluster:test"],
        )
        await cluster.until_entry(
            DEFAULT,
            parent=f"{ROOT}/{NODE}",
            selectors=["k8s:node-name:node-1", "k8s:ns:default", f"k8s:pod-uid:{uid}"],
            dns_names=["a"],
        )
        made = await cluster.until_ready("a")
        assert made.metadata.labels == {"podUid": uid}
        assert [(o.kind, o.name, o.uid, o.controller) for o in made.metadata.owner_references] == [
            ("Pod", "a", uid, True)
        ]
        assert made.status.entry_id
        node = await cluster.until_ready(NODE, namespace=OWN)
        assert node.metadata.labels == {"nodeUid": node_uid}
        await cluster.delete_pod("a")
        await cluster.until_gone(DEFAULT)
        await eventually(lambda: _is_not(cluster, "a"))
        await cluster.delete_node()
        await cluster.until_gone(f"{ROOT}/{NODE}")


async def test_templates_see_pod_and_context(cluster: Declared) -> None:
    async with cluster.mode(
        PodIdentity("template", "wanted"),
        identity_template="region/{{.Context.Region}}/{{.Pod.NodeName}}/{{.Pod.Name}}",
        dns_name_templates=("{{.Pod.Name}}.{{.Pod.Namespace}}", "x.{{.Context.Region}}"),
        context=(("Region", "north"),),
    ):
        await cluster.pod("a", labels={"wanted": "True"})
        await cluster.pod("b", labels={"wanted": "no"})
        await cluster.pod("c")
        await cluster.until_entry(f"/region/north/{NODE}/a", dns_names=["a.default", "x.north"])
        await cluster.label("b", wanted="TRUE")
        await cluster.until_entry(f"/region/north/{NODE}/b")
        assert cluster.entry(f"/region/north/{NODE}/c") is None


async def test_names_of_services_come_and_go_with_ready_addresses(cluster: Declared) -> None:
    async with cluster.mode():
        await cluster.pod("a")
        await cluster.until_entry(DEFAULT, dns_names=["a"])
        await cluster.endpoints("web", not_ready=(address("a", "10.0.0.7"),))
        await cluster.endpoints("db", address("a", "10.0.0.7"))
        await cluster.until_entry(DEFAULT, dns_names=["a", "db.default.svc"])
        await cluster.endpoints("web", address("a", "10.0.0.7"))
        await cluster.until_entry(DEFAULT, dns_names=["a", "db.default.svc", "web.default.svc"])
        assert (await cluster.until_ready("a")).spec.dns_names[0] == "a"
        await cluster.endpoints("db")
        await cluster.until_entry(DEFAULT, dns_names=["a", "web.default.svc"])


async def test_edits_of_annotation_and_federation_follow(cluster: Declared) -> None:
    async with cluster.mode(PodIdentity("annotation", "spiffe.io/spiffe-id")):
        await cluster.pod("a", annotations={"spiffe.io/spiffe-id": "prod/web"})
        await cluster.until_entry("/prod/web", federates_with=[])
        await cluster.annotate("a", {"spiffe.io/federatesWith": "other.test, ???"})
        await cluster.until_event("Pod", "a", "InvalidFederation", "???")
        await cluster.until_event("SpiffeID", "a", "FederationPending", "other.test")
        await cluster.annotate("a", {"spiffe.io/spiffe-id": "prod/api"})
        await cluster.until_entry("/prod/api")
        await cluster.until_gone("/prod/web")
        await cluster.annotate("a", {"spiffe.io/spiffe-id": None})
        await cluster.until_gone("/prod/api")
        await eventually(lambda: _is_not(cluster, "a"))


async def test_a_pod_recreated_under_its_name_gets_a_spiffe_id_of_its_own(
    cluster: Declared,
) -> None:
    async with cluster.mode():
        await cluster.pod("a")
        await cluster.until_ready("a")
        await cluster.delete_pod("a")
        uid = await cluster.pod("a")
        await cluster.until_entry(
            DEFAULT, selectors=["k8s:node-name:node-1", "k8s:ns:default", f"k8s:pod-uid:{uid}"]
        )

        async def is_the_new_ones() -> bool:
            return (await cluster.get_spiffe_id("a")).metadata.labels == {"podUid": uid}

        await eventually(is_the_new_ones)
        await cluster.until_ready("a")


async def test_a_spiffe_id_that_somebody_deletes_comes_back(cluster: Declared) -> None:
    async with cluster.mode():
        await cluster.pod("a")
        before = await cluster.until_ready("a")
        await cluster.delete_spiffe_id("a")

        async def is_back() -> bool:
            return (await cluster.get_spiffe_id("a")).metadata.uid != before.metadata.uid

        await eventually(is_back)
        await cluster.until_entry(DEFAULT)


async def test_what_somebody_wrote_under_the_name_of_a_pod_is_never_touched(
    cluster: Declared,
) -> None:
    async with cluster.mode():
        await cluster.spiffe_id("a")
        await cluster.until_ready("a")
        await cluster.pod("a")
        await cluster.until_event("Pod", "a", "NameTaken", "default/a")
        assert (await cluster.get_spiffe_id("a")).spec.spiffe_id == "spiffe://example.org/a"
        assert cluster.entry(DEFAULT) is None
        await cluster.delete_spiffe_id("a")
        await cluster.until_entry(DEFAULT)


async def test_the_finalizer_of_the_original_is_taken_off(cluster: Declared) -> None:
    await cluster.spiffe_id("web", metadata={"finalizers": [ORIGINAL_FINALIZER]})
    async with cluster.mode(pods=False):
        await cluster.until_entry("/web")

        async def has_none() -> bool:
            return not (await cluster.get_spiffe_id("web")).metadata.finalizers

        await eventually(has_none)
        await cluster.spiffe_id("late", metadata={"finalizers": [ORIGINAL_FINALIZER]})
        await cluster.until_entry("/late")
    await cluster.delete_spiffe_id("late")
    async with cluster.mode(pods=False):
        await cluster.until_gone("/late")
        await eventually(lambda: _is_not(cluster, "late"))


async def test_what_changed_while_it_was_down_is_put_right(cluster: Declared) -> None:
    async with cluster.mode():
        await cluster.pod("a")
        await cluster.spiffe_id("web")
        await cluster.until_entry(DEFAULT)
        await cluster.until_entry("/web")
        await cluster.until_ready("a")
    await cluster.delete_pod("a")
    await cluster.delete_spiffe_id("web")
    async with cluster.mode():
        await cluster.until_gone(DEFAULT)
        await cluster.until_gone("/web")
        await cluster.until_entry(f"{ROOT}/{NODE}")


async def test_a_namespace_goes_without_the_registrar_and_its_entries_when_that_is_back(
    cluster: Declared,
) -> None:
    await cluster.namespace("gone")
    async with cluster.mode(pods=False):
        await cluster.spiffe_id("web", "gone")
        await cluster.until_ready("web", namespace="gone")
        await cluster.until_recorded("/web")
    await cluster.client.delete("/api/v1/namespaces/gone")

    async def is_gone() -> bool:
        items = (await cluster.client.get("/api/v1/namespaces"))["items"]
        assert isinstance(items, list)
        return not any("'gone'" in str(item) for item in items)

    await eventually(is_gone)
    assert cluster.entry("/web") is not None
    async with cluster.mode(pods=False):
        await cluster.until_gone("/web")


async def _is_not(cluster: Declared, name: str) -> bool:
    return not await cluster.exists(name)


async def test_what_the_original_made_for_a_pod_is_taken_over(cluster: Declared) -> None:
    node_uid = await cluster.node()
    uid = await cluster.pod("a")
    owner: JSONObject = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": "a",
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    await cluster.spiffe_id(
        "a",
        metadata={
            "labels": {"podUid": uid},
            "ownerReferences": [owner],
            "finalizers": [ORIGINAL_FINALIZER],
        },
        spiffeId=f"spiffe://example.org{DEFAULT}",
        parentId=f"spiffe://example.org{ROOT}/{NODE}",
        dnsNames=["a", "old.default.svc"],
        selector={"podUid": uid, "namespace": "default", "nodeName": NODE},
    )
    before = await cluster.get_spiffe_id("a")
    for id_, path, parent, selectors in (
        (
            "pod-entry",
            DEFAULT,
            f"{ROOT}/{NODE}",
            [f"k8s:pod-uid:{uid}", "k8s:ns:default", f"k8s:node-name:{NODE}"],
        ),
        (
            "node-entry",
            f"{ROOT}/{NODE}",
            "/spire/server",
            ["k8s_psat:cluster:test", f"k8s_psat:agent_node_uid:{node_uid}"],
        ),
    ):
        pairs = [text.partition(":") for text in selectors]
        cluster.spire.state.put(
            types_pb2.Entry(
                id=id_,
                spiffe_id=types_pb2.SPIFFEID(trust_domain="example.org", path=path),
                parent_id=types_pb2.SPIFFEID(trust_domain="example.org", path=parent),
                selectors=[types_pb2.Selector(type=t, value=v) for t, _, v in pairs],
            )
        )
    async with cluster.mode():
        made = await cluster.until_ready("a")
        entry = await cluster.until_entry(DEFAULT, dns_names=["a"])
        assert entry.id == "pod-entry"
        assert made.metadata.uid == before.metadata.uid
        node = await cluster.until_ready(NODE, namespace=OWN)
        assert node.status.entry_id == "node-entry"

        async def is_free() -> bool:
            return not (await cluster.get_spiffe_id("a")).metadata.finalizers

        await eventually(is_free)
        await cluster.delete_pod("a")
        await cluster.until_gone(DEFAULT)
        await eventually(lambda: _is_not(cluster, "a"))


async def test_what_the_original_made_for_pods_that_are_gone_does_not_stay(
    cluster: Declared,
) -> None:
    """Each has the original's finalizer: the deletion is asked for, the finalizer taken off."""
    for number in range(25):
        uid = f"00000000-0000-0000-0000-{number:012d}"
        await cluster.spiffe_id(
            f"gone-{number}",
            metadata={
                "labels": {"podUid": uid},
                "finalizers": [ORIGINAL_FINALIZER],
                "ownerReferences": [
                    {
                        "apiVersion": "v1",
                        "kind": "Pod",
                        "name": f"gone-{number}",
                        "uid": uid,
                        "controller": True,
                        "blockOwnerDeletion": False,
                    }
                ],
            },
            selector={"podUid": uid, "namespace": "default", "nodeName": NODE},
        )

    async def all_gone() -> bool:
        return not (await cluster.client.get(SPIFFE_ID.path("default")))["items"]

    async with cluster.mode():
        await eventually(all_gone)


async def test_a_node_recreated_unseen_has_its_own_uid_in_the_entry(alone: Declared) -> None:
    faults = alone.faults
    async with alone.mode():
        await alone.until_entry(f"{ROOT}/{NODE}")
        faults.fail(None, 503, method="list", resource="nodes")
        faults.expire_watches()
        await alone.delete_node()
        uid = await alone.node()
        faults.clear()

        def uids() -> list[str]:
            entries = list(alone.setup.entries(f"{ROOT}/{NODE}"))
            return [s.value for e in entries for s in e.selectors if "uid" in s.value]

        await until(lambda: uids() == [f"agent_node_uid:{uid}"])

        async def is_the_new_ones() -> bool:
            made = await alone.until_ready(NODE, namespace=OWN)
            return made_for_uid(made.metadata) == uid

        await eventually(is_the_new_ones)


async def test_while_the_watch_of_pods_is_away_an_identity_has_no_gap(alone: Declared) -> None:
    """The garbage collector deletes what names a Pod that is gone; we believe in the Pod."""

    async def version() -> int:
        metadata = (await alone.client.get(SPIFFE_ID.path("default")))["metadata"]
        assert isinstance(metadata, dict)
        return int(str(metadata["resourceVersion"]))

    async with alone.mode():
        await alone.pod("a")
        first = await alone.until_entry(DEFAULT)
        await alone.until_ready("a")
        for method in ("list", "watch"):
            alone.faults.fail(None, 503, method=method, resource="pods")
        alone.faults.drop_watches()
        await alone.delete_pod("a")
        before = await version()

        async def written_again_and_again() -> bool:
            return await version() > before + 5

        await eventually(written_again_and_again)
        assert alone.entry(DEFAULT) == first
        alone.faults.clear()
        await alone.until_gone(DEFAULT)


async def test_a_pod_recreated_wrong_does_not_inherit_an_identity(cluster: Declared) -> None:
    by_annotation = PodIdentity("annotation", "spiffe")
    async with cluster.mode(by_annotation):
        await cluster.pod("a", annotations={"spiffe": "payments"})
        await cluster.until_recorded("/payments")
        await cluster.delete_pod("a")
        await cluster.pod("a", annotations={"spiffe": "a//b"})
        await cluster.until_event("Pod", "a", "InvalidIdentity", "an empty segment")
        await cluster.until_gone("/payments")


async def test_a_pod_whose_name_is_no_dns_label_has_an_identity_and_is_told(
    cluster: Declared,
) -> None:
    long = "workflow-" + "x" * 60
    async with cluster.mode():
        await cluster.pod(long)
        await cluster.until_entry(DEFAULT, dns_names=[])
        await cluster.until_event("Pod", long, "InvalidDNSName", "dns_name_templates[0]")


async def test_names_by_services_stay_while_services_cannot_be_read(alone: Declared) -> None:
    await alone.pod("a")
    await alone.endpoints("web", address("a", "10.0.0.7"))
    async with alone.mode():
        await alone.until_entry(DEFAULT, dns_names=["a", "web.default.svc"])
        await alone.until_ready("a")
    for resource in ("endpointslices", "endpoints"):
        alone.faults.fail(None, 403, method="list", resource=resource)
    async with alone.mode():
        await alone.until_event("Pod", "a", "ServicesUnreadable", "list and watch")
        await some_looks(alone.setup)
        await alone.until_entry(DEFAULT, dns_names=["a", "web.default.svc"])
        alone.faults.clear()
        await alone.endpoints("web")
        await alone.until_entry(DEFAULT, dns_names=["a"])


async def test_a_second_object_for_a_node_goes_though_the_entry_stays(cluster: Declared) -> None:
    """Whoever made it gave it the label and the owner of one that we make."""
    node_uid = await cluster.node()
    owner: JSONObject = {
        "apiVersion": "v1",
        "kind": "Node",
        "name": NODE,
        "uid": node_uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
    await cluster.spiffe_id(
        "elsewhere",
        metadata={"labels": {"nodeUid": node_uid}, "ownerReferences": [owner]},
        spiffeId=f"spiffe://example.org{ROOT}/{NODE}",
        selector={"cluster": "test", "agent_node_uid": node_uid},
    )
    async with cluster.mode():
        await cluster.until_ready(NODE, namespace=OWN)
        await eventually(lambda: _is_not(cluster, "elsewhere"))
        await some_looks(cluster.setup)
        assert cluster.entry(f"{ROOT}/{NODE}") is not None


async def test_a_pod_that_became_wrong_while_it_was_down_keeps_what_it_had(
    cluster: Declared,
) -> None:
    identity = PodIdentity("annotation", "spiffe.io/spiffe-id")
    async with cluster.mode(identity):
        await cluster.pod("a", annotations={"spiffe.io/spiffe-id": "prod/web"})
        await cluster.until_ready("a")
    await cluster.annotate("a", {"spiffe.io/spiffe-id": "spire/web"})
    async with cluster.mode(identity):
        await cluster.until_event("Pod", "a", "InvalidIdentity", "spire/web")
        await some_looks(cluster.setup)
        assert cluster.entry("/prod/web") is not None
        assert await cluster.exists("a")
        await cluster.annotate("a", {"spiffe.io/spiffe-id": "prod/api"})
        await cluster.until_entry("/prod/api")
        await cluster.until_gone("/prod/web")
