"""Why a Pod has an identity or has none: each reason there is, and what to do about it."""

import pytest
from grpc import StatusCode

from api.kinds import CLUSTER_STATIC_ENTRY
from manager.explain.model import Explanation
from registrar.settings.model import (
    CachedNamespace,
    ControllerManager,
    CRDMode,
    DeletionBudget,
    PodIdentity,
    ReconcileMode,
)
from tests.support.controllermanager import NODE, Manager
from tests.support.entries import spire_entry
from tests.support.explaining import Asking, attest, see_page
from tests.support.setup import Setup, cluster_spiffe_id, eventually, until

pytestmark = pytest.mark.usefixtures("in_spire")

MANAGER = ControllerManager(ignore_namespaces=("^kube-.*$", "infra"))
SA = "spiffe://example.org/ns/default/sa/default"
LABELLED = PodIdentity("label", "spiffe")


@pytest.fixture
def ask(embedded: Setup) -> Asking:
    return Asking(embedded, {"controller_manager": MANAGER})


async def a_node(manager: Manager) -> str:
    """A node with an agent that is well; gives its uid."""
    uid = await manager.node()
    attest(manager.setup, NODE, uid)
    return uid


async def served(manager: Manager, ask: Asking, **pod: object) -> Explanation:
    """The Pod web-1, when the registrar has made its entry."""
    await manager.pod("web-1", **pod)  # type: ignore[arg-type]
    async with manager.setup.registrar(controller_manager=MANAGER):
        await until(lambda: len(manager.setup.entries()) == 1)

        async def is_recorded() -> bool:
            return any(record.status.entry_id for record in await manager.setup.spire_entries())

        await eventually(is_recorded)
    return await ask("pod/web-1")


def words(found: Explanation) -> list[str]:
    return [one.word for one in found.considered]


async def test_a_pod_that_gets_its_identity_is_told_all_about_it(
    manager: Manager, ask: Asking
) -> None:
    uid = await a_node(manager)
    await manager.template("all", federatesWith=["other.org"], hint="h")
    found = await served(manager, ask)
    assert found.has_identity
    assert found.verdict.startswith(f"web-1 gets {SA}, without federation with other.org")
    (identity,) = found.identities
    assert (identity.key.spiffe_id, str(identity.by)) == (SA, "ClusterSPIFFEID all")
    assert (identity.entry.state, identity.pending) == ("set", ("other.org",))
    assert identity.entry.created_at
    assert identity.serving is not None
    assert identity.serving.agent.endswith(uid)
    assert found.facts["node"] == NODE
    assert not found.unknown
    see_page(found)


async def test_reason_1_a_pod_without_a_node_waits_for_one(manager: Manager, ask: Asking) -> None:
    await manager.template("all")
    await manager.pod("web-1", node="")
    why = await ask.reason("pod/web-1", is_shown=True)
    assert why.startswith("for ClusterSPIFFEID all, spec.nodeName is not there")
    assert "until the Pod is scheduled" in why


async def test_reason_2_a_namespace_is_ignored(manager: Manager, ask: Asking) -> None:
    await a_node(manager)
    await manager.namespace("infra-shop")
    await manager.template("all")
    await manager.pod("web-1", namespace="infra-shop")
    why = await ask.reason("pod/web-1", "infra-shop", is_shown=True)
    assert "is 'infra-shop', it must be no match of ignoreNamespaces' pattern 'infra'" in why
    assert "ignoreNamespaces" in why.partition(":")[2]


async def test_reason_3_no_label_of_the_pod_fits(manager: Manager, ask: Asking) -> None:
    await a_node(manager)
    await manager.template("web", podSelector={"matchLabels": {"app": "web"}})
    await manager.pod("web-1", labels={"app": "wbe"})
    why = await ask.reason("pod/web-1", is_shown=True)
    assert "for ClusterSPIFFEID web, the Pod's label app is 'wbe', it must be 'web'" in why


async def test_reason_4_no_label_of_its_namespace_fits(manager: Manager, ask: Asking) -> None:
    await a_node(manager)
    await manager.namespace("shop", team="b")
    await manager.template("far", podSelector={"matchLabels": {"app": "web"}})
    await manager.template("near", namespaceSelector={"matchLabels": {"team": "a"}})
    await manager.pod("web-1", namespace="shop")
    why = await ask.reason("pod/web-1", "shop")
    assert "for ClusterSPIFFEID near, the Namespace's label team is 'b', it must be 'a'" in why
    found = await ask("pod/web-1", "shop")
    see_page(found)
    assert words(found) == ["NamespaceSelector", "PodSelector"]


async def test_reason_5_the_object_is_another_registrars(manager: Manager, ask: Asking) -> None:
    await a_node(manager)
    await manager.template("all", className="other")
    await manager.pod("web-1")
    why = await ask.reason("pod/web-1", class_name="mine")
    assert "spec.className is 'other', it must be 'mine'" in why


async def test_reason_6_a_template_does_not_render(manager: Manager, ask: Asking) -> None:
    await a_node(manager)
    await manager.template("all", spiffeIDTemplate="/{{ .PodMeta.Labels.app.x }}")
    await manager.pod("web-1", labels={"app": "web"})
    why = await ask.reason("pod/web-1", is_shown=True)
    assert "ClusterSPIFFEID all, spec.spiffeIDTemplate" in why
    assert "does not render" in why


async def test_reason_7_the_object_is_wrong(manager: Manager, ask: Asking) -> None:
    await a_node(manager)
    await manager.template("all", spiffeIDTemplate="/{{ .PodMeta.Name")
    await manager.pod("web-1")
    assert "ClusterSPIFFEID all, spec.spiffeIDTemplate" in await ask.reason("pod/web-1")


async def test_reason_8_no_registrar_has_made_the_entry(manager: Manager, ask: Asking) -> None:
    await a_node(manager)
    await manager.template("all")
    await manager.pod("web-1")
    why = await ask.reason("pod/web-1", is_shown=True)
    assert f"the SPIRE server has no entry of {SA}" in why
    assert "a registrar with this configuration runs and leads" in why


async def test_reason_9_the_server_refuses_the_entry(manager: Manager, ask: Asking) -> None:
    await a_node(manager)
    await manager.template("all")
    await manager.pod("web-1")
    manager.spire.faults.fail_entry(
        lambda _: True, code=StatusCode.INVALID_ARGUMENT, message="no such thing"
    )
    async with manager.setup.registrar(controller_manager=MANAGER):

        async def is_recorded() -> bool:
            entries = await manager.setup.spire_entries()
            return any(c.reason == "InvalidEntry" for e in entries for c in e.status.conditions)

        await eventually(is_recorded)
    why = await ask.reason("pod/web-1", is_shown=True)
    assert "the registrar recorded InvalidEntry: failed to create entry: no such thing" in why


async def test_reason_10_no_agent_is_on_its_node(manager: Manager, ask: Asking) -> None:
    await manager.node()
    attest(manager.setup, "node-2", "u2")
    await manager.template("all")
    found = await served(manager, ask)
    assert not found.has_identity
    assert f"the agent of node {NODE} is not there" in found.verdict
    assert "SPIRE agent runs on that node" in found.verdict
    assert found.identities[0].entry.state == "set"
    see_page(found)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"is_banned": True}, "is 'banned', it must be one that is not banned"),
        ({"seconds": -60.0}, "is 'expired at "),
    ],
    ids=["banned", "expired"],
)
async def test_reason_11_its_nodes_agent_may_not_serve(
    manager: Manager, ask: Asking, changes: dict[str, object], what: str
) -> None:
    attest(manager.setup, NODE, await manager.node(), **changes)  # type: ignore[arg-type]
    await manager.template("all")
    found = await served(manager, ask)
    assert not found.has_identity
    assert what in found.verdict
    if changes.get("is_banned"):
        see_page(found)


async def test_reason_12_its_entry_hangs_on_a_parent_that_nobody_has(
    manager: Manager, ask: Asking
) -> None:
    attest(manager.setup, NODE, await manager.node(), cluster="prod")
    await manager.template("all")
    found = await served(manager, ask)
    assert not found.has_identity
    assert "the entry's parent is 'spiffe://example.org/spire/agent/k8s_psat/test/" in found.verdict
    assert "clusterName" in found.verdict
    see_page(found)


async def test_reason_13_nothing_selects_it(manager: Manager, ask: Asking) -> None:
    await a_node(manager)
    await manager.pod("web-1")
    assert "no object asks for an identity for it" in await ask.reason("pod/web-1")


async def test_reason_14_the_selectors_of_an_object_are_not_the_pods(
    manager: Manager, ask: Asking
) -> None:
    await a_node(manager)
    await manager.static_entry("db", selectors=["k8s:ns:default", "k8s:sa:db"])
    await manager.pod("web-1")
    why = await ask.reason("pod/web-1")
    assert "ClusterStaticEntry db, the Pod's k8s:sa is 'default', it must be 'sa:db'" in why


async def test_reason_15_the_pod_is_not_there(manager: Manager, ask: Asking) -> None:
    await manager.template("all")
    found = await ask("pod/web-1", "shop")
    assert not found.has_identity
    assert found.verdict.startswith("there is no Pod shop/web-1")


@pytest.mark.parametrize(
    ("labels", "namespace", "settings", "what"),
    [
        ({}, "default", {"pods": LABELLED}, "metadata.labels[spiffe] is not there"),
        ({"spiffe": "spire"}, "default", {"pods": LABELLED}, "metadata.labels[spiffe]"),
        ({"spiffe": "web"}, "kube-system", {"pods": LABELLED}, "none of disabled_namespaces"),
        (
            {"spiffe": "web"},
            "default",
            {"pods": LABELLED, "workload_registrar": ReconcileMode()},
            "spec.nodeName is not there",
        ),
        (
            {},
            "default",
            {"pods": LABELLED, "workload_registrar": ReconcileMode(), "node": NODE},
            "metadata.labels[spiffe] is not there",
        ),
        (
            {"on": "no"},
            "default",
            {
                "pods": PodIdentity("template", "on"),
                "workload_registrar": CRDMode(),
                "node": NODE,
            },
            "metadata.labels[on] is 'no', it must be 'true'",
        ),
    ],
    ids=["no label", "reserved", "disabled", "reconcile unbound", "reconcile", "crd template"],
)
async def test_reasons_of_the_other_modes(
    manager: Manager,
    labels: dict[str, str],
    namespace: str,
    settings: dict[str, object],
    what: str,
) -> None:
    node = str(settings.pop("node", "")) if "node" in settings else ""
    await a_node(manager)
    await manager.pod("web-1", namespace=namespace, labels=labels, node=node)
    why = await Asking(manager.setup, settings).reason("pod/web-1", namespace)
    assert what in why


async def test_a_pod_that_has_finished_gets_nothing_more(manager: Manager) -> None:
    await manager.pod("web-1", labels={"spiffe": "web"})
    path = "/api/v1/namespaces/default/pods/web-1/status"
    await manager.client.merge(path, {"status": {"phase": "Succeeded"}})
    why = await Asking(manager.setup, {"pods": LABELLED}).reason("pod/web-1")
    assert "status.phase is 'Succeeded', it must be Pending or Running" in why


async def test_a_fallback_says_what_applies_in_its_place(manager: Manager, ask: Asking) -> None:
    await a_node(manager)
    await manager.template("first")
    await manager.template("rest", fallback=True, spiffeIDTemplate="/rest")
    found = await served(manager, ask)
    assert found.has_identity
    (considered,) = found.considered
    assert considered.word == "AnotherApplies"
    assert "first" in considered.why


async def test_who_masks_whom_is_told_on_both_sides(embedded: Setup) -> None:
    """The older of two objects that ask for one entry decides what is in it."""
    ask = Asking(embedded, {})
    uid = await Manager(embedded).node()
    attest(embedded, NODE, uid)
    await embedded.apply("old", spiffeId="spiffe://example.org/x", ttl=60)
    await embedded.client.create(
        "/apis/spiffeid.spiffe.io/v1beta1/clusterspiffeids",
        cluster_spiffe_id(
            "young", spiffeId="spiffe://example.org/x", selector={"podLabel": {"app": "old"}}
        ),
    )
    async with embedded.registrar():
        await embedded.until_entries("/x", 1)
    await Manager(embedded).pod("web-1", labels={"app": "old"})
    found = await ask("pod/web-1")
    assert found.has_identity, found.verdict
    (identity,) = [one for one in found.identities if one.key.spiffe_id.endswith("/x")]
    # Both may be of one second, so that their uids tell which is older.
    assert {str(identity.by), *(str(one.by) for one in identity.masked)} == {
        "ClusterSpiffeId old",
        "ClusterSpiffeId young",
    }


async def test_an_entry_that_differs_says_in_what(manager: Manager, ask: Asking) -> None:
    await a_node(manager)
    await manager.template("all", hint="a")
    await served(manager, ask)
    await manager.template("all", hint="b")
    found = await ask("pod/web-1")
    assert found.has_identity
    (identity,) = found.identities
    assert identity.entry.state == "differs"
    (difference,) = identity.entry.differences
    assert (difference.field, difference.wanted, difference.found) == ("hint", "b", "a")


async def test_an_entry_of_somebody_else_serves_a_pod_too(manager: Manager, ask: Asking) -> None:
    uid = await a_node(manager)
    entry = spire_entry(
        "mine", "/x", parent=f"/spire/agent/k8s_psat/test/{uid}", selectors=["k8s:sa:default"]
    )
    manager.spire.state.put(entry)
    await manager.pod("web-1")
    found = await ask("pod/web-1")
    assert found.verdict.startswith("web-1 gets spiffe://example.org/x")
    assert found.identities[0].by is None


async def test_an_object_says_which_of_its_identities_are_there(
    manager: Manager, ask: Asking
) -> None:
    await a_node(manager)
    await manager.template("all")
    await served(manager, ask)
    found = await ask("clusterspiffeid/all")
    assert found.has_identity
    assert found.verdict == f"ClusterSPIFFEID all gives {SA}"
    await manager.pod("web-2", labels={"more": "yes"})
    await manager.template("all", spiffeIDTemplate="/{{ .PodMeta.Name }}")
    found = await ask("clusterspiffeid/all")
    assert not found.has_identity
    assert "asks for 2 identities, of which 0 can be given" in found.verdict


async def test_an_object_that_selects_nobody_says_who_comes_nearest(
    manager: Manager, ask: Asking
) -> None:
    await a_node(manager)
    await manager.template("web", podSelector={"matchLabels": {"app": "web"}})
    await manager.pod("web-1", labels={"app": "wbe"})
    found = await ask("clusterspiffeid/web")
    assert not found.has_identity
    assert "the Pod's label app is 'wbe'" in found.verdict


async def test_entries_and_spiffe_ids_are_explained_by_themselves(
    manager: Manager, ask: Asking
) -> None:
    await a_node(manager)
    await manager.template("all")
    await served(manager, ask)
    (entry,) = manager.setup.entries()
    (record,) = await manager.setup.spire_entries()
    for subject in (f"entry/{entry.id}", f"spiffe-id/{SA}", f"spireentry/{record.metadata.name}"):
        found = await ask(subject)
        assert found.has_identity, found.verdict
        assert found.verdict.endswith(f"gives {SA}, asked for by ClusterSPIFFEID all")
    found = await ask("entry/none")
    assert not found.has_identity
    assert "there is no entry/none" in found.verdict


async def test_the_last_events_are_shown(manager: Manager, ask: Asking) -> None:
    await manager.template("bad", spiffeIDTemplate="/{{ .PodMeta.Name")
    async with manager.setup.registrar(controller_manager=MANAGER):

        async def is_told() -> bool:
            return bool(await manager.setup.events("ClusterSPIFFEID", "bad"))

        await eventually(is_told)
    found = await ask("clusterspiffeid/bad")
    assert [(one.reason, one.on) for one in found.events] == [
        ("InvalidSpec", "ClusterSPIFFEID bad")
    ]


async def test_a_right_that_is_missing_is_named(manager: Manager, ask: Asking) -> None:
    await a_node(manager)
    await manager.template("all")
    await served(manager, ask)
    embedded = manager.setup.embedded
    assert embedded is not None
    embedded.faults.fail(None, 403, resource="events")
    found = await ask("pod/web-1")
    assert found.has_identity
    assert any("give the right to list on events" in line for line in found.unknown)
    assert not (await ask("pod/none")).verdict.startswith("nobody can tell")


async def test_a_finished_pod_runs_nothing_though_its_entry_is_there(
    manager: Manager, ask: Asking
) -> None:
    await a_node(manager)
    await manager.template("all")
    await served(manager, ask)
    path = "/api/v1/namespaces/default/pods/web-1/status"
    await manager.client.merge(path, {"status": {"phase": "Failed"}})
    found = await ask("pod/web-1")
    assert not found.has_identity
    assert "status.phase is 'Failed', it must be Pending or Running" in found.verdict


async def test_an_identity_that_is_refused_says_to_whom_it_belongs(manager: Manager) -> None:
    ask = Asking(manager.setup, {"pods": LABELLED})
    await a_node(manager)
    spiffe_id = "spiffe://example.org/boss"
    await manager.setup.apply("boss", spiffeId=spiffe_id, admin=True)
    await manager.pod("web-1", labels={"spiffe": "boss"})
    why = await ask.reason("pod/web-1")
    assert f"no entry of {spiffe_id} for it, and {spiffe_id} belongs to an admin" in why
    assert "give the Pod another identity" in why


async def test_an_entry_in_the_way_is_told_though_it_serves(manager: Manager, ask: Asking) -> None:
    uid = await a_node(manager)
    await manager.template("all", hint="ours")
    pod = await manager.pod("web-1")
    entry = spire_entry(
        "mine",
        "/ns/default/sa/default",
        parent=f"/spire/agent/k8s_psat/test/{uid}",
        selectors=[f"k8s:pod-uid:{pod}"],
    )
    manager.spire.state.put(entry)
    found = await ask("pod/web-1", adoption_policy="refuse")
    assert found.has_identity
    assert "by entry mine that somebody else made" in found.verdict
    assert [one.field for one in found.identities[0].entry.differences] == ["hint"]


async def test_a_pod_that_the_registrar_does_not_read_is_told_so(manager: Manager) -> None:
    config = ControllerManager(cache_namespaces=(CachedNamespace("shop"),))
    await manager.namespace("shop")
    await a_node(manager)
    await manager.template("all")
    await manager.pod("web-1")
    ask = Asking(manager.setup, {"controller_manager": config})
    assert "cacheNamespaces" in await ask.reason("pod/web-1")


async def test_what_only_an_agent_can_tell_is_said_to_be_so(manager: Manager, ask: Asking) -> None:
    uid = await a_node(manager)
    await manager.static_entry(
        "root",
        parentID=f"spiffe://example.org/spire/agent/k8s_psat/test/{uid}",
        selectors=["k8s:ns:default", "unix:uid:0"],
    )
    await manager.pod("web-1")
    async with manager.setup.registrar(controller_manager=MANAGER):
        await until(lambda: len(manager.setup.entries()) == 1)
    found = await ask("pod/web-1")
    assert found.verdict == (
        "web-1 gets spiffe://example.org/static/root, if its agent finds unix:uid:0"
    )


async def test_a_withheld_deletion_is_said_to_wait_for_a_person(
    manager: Manager, ask: Asking
) -> None:
    await a_node(manager)
    for number in range(3):
        await manager.static_entry(f"e{number}")
    async with manager.setup.registrar(controller_manager=MANAGER):
        await until(lambda: len(manager.setup.entries()) == 3)
    for number in range(3):
        await manager.delete(CLUSTER_STATIC_ENTRY, f"e{number}")
    budget = DeletionBudget(count=1, fraction=0.1, allow_mass_deletion=False)
    found = await ask(f"entry/{manager.setup.entries()[0].id}", deletion_budget=budget)
    (identity,) = found.identities
    assert (identity.entry.state, identity.by) == ("withheld", None)
    assert "a person has to agree" in identity.entry.remedy


@pytest.mark.story
async def test_real_servers_are_asked_alike(setup: Setup) -> None:
    """On all servers: whose agents are none of this node, so that nobody serves the entry."""
    manager, ask = Manager(setup), Asking(setup, {"controller_manager": MANAGER})
    await manager.node()
    await manager.template("web", podSelector={"matchLabels": {"app": "web"}})
    await manager.pod("web-1", labels={"app": "web"})
    await manager.pod("db-1", labels={"app": "db"})
    async with setup.registrar(controller_manager=MANAGER):
        await until(lambda: len(setup.entries()) == 1)

        async def is_told() -> bool:
            return bool(await setup.events("ClusterSPIFFEID", "web"))

        await eventually(is_told)
        found = await ask("pod/web-1")
        assert f"the agent of node {NODE} is not there" in found.verdict
        assert not found.unknown
        (identity,) = found.identities
        assert (identity.key.spiffe_id, identity.entry.state) == (SA, "set")
        # Real servers keep the Events of objects of earlier tests.
        assert {one.on for one in found.events} == {"ClusterSPIFFEID web"}
        assert "the Pod's label app is 'db'" in await ask.reason("pod/db-1")


async def test_a_federated_trust_domain_says_whether_the_server_federates(
    manager: Manager, ask: Asking
) -> None:
    await manager.trust_domain(
        "other",
        trustDomain="other.org",
        bundleEndpointURL="https://other.org/bundle",
        bundleEndpointProfile={"type": "https_web"},
    )
    found = await ask("clusterfederatedtrustdomain/other")
    assert not found.has_identity
    assert "would create what ClusterFederatedTrustDomain other asks for" in found.verdict
    async with manager.setup.registrar(controller_manager=MANAGER):
        await until(lambda: bool(manager.spire.state.relationships))
    found = await ask("clusterfederatedtrustdomain/other")
    assert found.has_identity, found.verdict
    assert found.verdict == "the SPIRE server federates with other.org as it asks"
    missing = await ask("clusterfederatedtrustdomain/none")
    assert "there is no ClusterFederatedTrustDomain none" in missing.verdict
