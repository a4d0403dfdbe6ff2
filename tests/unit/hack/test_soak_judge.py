"""The judge of the soak: what it must see, and what it must let pass."""

from dataclasses import replace

import pytest

from hack.soak.asked import ROOT, World, wanted_of
from hack.soak.judge import FOREIGN_DOMAIN, Ledger, faults, right_attributes
from hack.soak.spirelook import Attributes, Entry, Key, Relationship

Document = dict[str, object]

ALIAS = Key(
    f"{ROOT}/spire-k8s-operator/soak/node", f"{ROOT}/spire/server", ("k8s_psat:cluster:soak",)
)
THEIRS = {FOREIGN_DOMAIN: Relationship(FOREIGN_DOMAIN, "https://127.0.0.1:1/")}


def cluster_spiffe_id(
    name: str = "web", created: str = "2026-01-01T00:00:00Z", **spec: object
) -> Document:
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "creationTimestamp": created},
        "spec": {
            "spiffeId": f"{ROOT}/web",
            "selector": {"podLabel": {"app": "web"}},
            **spec,
        },
    }


def pod(name: str = "web-0", **labels: str) -> Document:
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "labels": labels}
    return {"metadata": metadata, "spec": {"nodeName": "n0"}, "status": {"phase": "Running"}}


def layered(*objects: Document, pods: tuple[Document, ...] = ()) -> World:
    return World("layered", {"clusterspiffeids": list(objects), "pods": list(pods)})


def web(**attributes: object) -> Entry:
    key = Key(f"{ROOT}/web", ALIAS.spiffe_id, ("k8s:pod-label:app:web",))
    return Entry("soak-1.web", key, replace(Attributes(), **attributes))  # type: ignore[arg-type]


ALIAS_ENTRY = Entry("soak-1.alias", ALIAS, Attributes())


def judged(world: World, *entries: Entry, ledger: Ledger | None = None) -> list[str]:
    return faults(world, wanted_of(world), ledger or Ledger(), [ALIAS_ENTRY, *entries], THEIRS)


def test_is_content_where_all_is_right() -> None:
    assert judged(layered(cluster_spiffe_id()), web()) == []


def test_misses_an_entry() -> None:
    (found,) = judged(layered(cluster_spiffe_id()))
    assert "clusterspiffeid/web/uid-web: no entry" in found


def test_sees_an_entry_that_nobody_asks_for() -> None:
    (found,) = judged(layered(), web())
    assert "nobody asks for the entry soak-1.web" in found


def test_sees_two_entries_for_one_key() -> None:
    (found,) = judged(layered(cluster_spiffe_id()), web(), replace(web(), id="soak-1.other"))
    assert "two entries" in found


def test_sees_an_entry_without_our_prefix() -> None:
    (found,) = judged(layered(cluster_spiffe_id()), replace(web(), id="other"))
    assert "has not our prefix" in found


@pytest.mark.parametrize(
    "change",
    [{"x509_ttl": 7}, {"hint": "x"}, {"dns_names": ("a",)}, {"federates_with": ("p0.test",)}],
    ids=lambda change: next(iter(change)),
)
def test_sees_every_attribute_that_is_wrong(change: dict[str, object]) -> None:
    (found,) = judged(layered(cluster_spiffe_id()), web(**change))
    assert "has Attributes(" in found


def test_leaves_the_entries_of_others_alone() -> None:
    world = replace(layered(), foreign=frozenset({"manual"}))
    assert judged(world, replace(web(), id="manual")) == []


def test_the_oldest_of_several_decides() -> None:
    world = layered(
        cluster_spiffe_id("young", "2026-01-02T00:00:00Z", hint="x"), cluster_spiffe_id("old")
    )
    assert judged(world, web()) == []
    assert len(judged(world, web(hint="x"))) == 1


def test_any_may_decide_where_times_tell_no_difference() -> None:
    wants = wanted_of(layered(cluster_spiffe_id("a"), cluster_spiffe_id("b", hint="x"))).wants
    assert {each.hint for each in right_attributes(wants[1:])} == {"", "x"}


def test_a_trust_domain_counts_from_its_bundle_on() -> None:
    world = layered(cluster_spiffe_id(federatesWith=["p0.test", "p1.test"]))
    assert judged(world, web()) == []
    world.bundles.add("p0.test")
    assert judged(world, web(federates_with=("p0.test",))) == []


def settled(*worlds: World) -> Ledger:
    ledger = Ledger()
    for world in worlds:
        ledger.settle(wanted_of(world))
    return ledger


def test_what_is_wrong_keeps_its_last_good_entry() -> None:
    ledger = settled(layered(cluster_spiffe_id()))
    wrong = layered(cluster_spiffe_id(spiffeId="spiffe://other.test/web"))
    ledger.note(wanted_of(wrong))
    assert judged(wrong, web(), ledger=ledger) == []
    (found,) = judged(wrong, ledger=ledger)
    assert "no entry, though it should have one" in found


def test_a_kind_that_is_not_served_takes_nothing_away() -> None:
    ledger = settled(layered(cluster_spiffe_id()))
    unserved = World("layered", {"clusterspiffeids": None, "pods": []})
    ledger.note(wanted_of(unserved))
    assert judged(unserved, web(), ledger=ledger) == []
    assert len(judged(unserved, ledger=ledger)) == 1


def test_an_edited_object_may_have_either_entry_but_not_none() -> None:
    ledger = settled(layered(cluster_spiffe_id()))
    ledger.note(wanted_of(layered(cluster_spiffe_id(spiffeId=f"{ROOT}/new"))))
    new = replace(web(), key=replace(web().key, spiffe_id=f"{ROOT}/new"))
    assert ledger.lost([web(), ALIAS_ENTRY]) == []
    assert ledger.lost([new, ALIAS_ENTRY]) == []
    assert len(ledger.lost([ALIAS_ENTRY])) == 1


def test_a_deleted_object_is_owed_nothing() -> None:
    ledger = settled(layered(cluster_spiffe_id()))
    ledger.note(wanted_of(layered()))
    assert ledger.lost([ALIAS_ENTRY]) == []


def test_a_finished_pod_asks_for_nothing() -> None:
    labelled = pod(**{"spiffe-id": "web"})
    assert len(wanted_of(layered(pods=(labelled,))).wants) == 2
    finished = {**labelled, "status": {"phase": "Succeeded"}}
    assert len(wanted_of(layered(pods=(finished,))).wants) == 1


TEMPLATE: Document = {
    "metadata": {"name": "t", "uid": "uid-t"},
    "spec": {
        "spiffeIDTemplate": '/team/{{ index .PodMeta.Labels "team" }}/{{ .PodMeta.Name }}',
        "namespaceSelector": {"matchLabels": {"class": "gold"}},
        "ttl": "10m",
    },
}


def templated(node: str = "n0", *templates: Document, is_served: bool = True) -> World:
    """Two Pods on a node, and templates."""
    objects: dict[str, list[Document] | None] = {
        "pods": [pod("a", team="x"), pod("b")],
        "nodes": [{"metadata": {"name": "n0", "uid": f"uid-{node}"}}],
        "namespaces": [{"metadata": {"name": "default", "labels": {"class": "gold"}}}],
        "templates": list(templates) if is_served else None,
        "static": [],
        "federation": [],
    }
    return World("controller-manager", objects)


@pytest.mark.parametrize(("node", "owed"), [("n0", 1), ("n0-again", 0)])
def test_what_cannot_be_read_is_owed_until_something_around_it_changes(
    node: str, owed: int
) -> None:
    ledger = Ledger()
    ledger.settle(wanted_of(templated("n0", TEMPLATE)))
    assert len(ledger.lost([])) == 1
    ledger.note(wanted_of(templated(node, is_served=False)))
    assert len(ledger.lost([])) == owed


def test_a_template_makes_an_entry_for_each_pod_that_it_selects() -> None:
    wanted = wanted_of(templated("n0", TEMPLATE))
    (want,) = wanted.wants
    assert want.key == Key(
        f"{ROOT}/team/x/a", f"{ROOT}/spire/agent/k8s_psat/soak/uid-n0", ("k8s:pod-uid:uid-a",)
    )
    assert want.attributes == Attributes(x509_ttl=600)
    # The label that the other one lacks is an empty part of its path.
    assert wanted.doubtful == {"pod/default/b/uid-b/uid-t"}


def test_sees_a_record_that_is_lost_or_left() -> None:
    world = layered(cluster_spiffe_id())
    records: list[Document] = [{"metadata": {"name": "alias"}}, {"metadata": {"name": "web"}}]
    world.objects["records"] = records
    assert judged(world, web()) == []
    world.objects["records"] = [*records, {"metadata": {"name": "old"}}]
    assert judged(world, web()) == ["the SpireEntry old is left without an entry"]
    world.objects["records"] = records[:1]
    assert judged(world, web()) == ["the entry of the name web has no SpireEntry"]


def test_an_entry_without_a_record_may_be_for_an_object_that_is_wrong() -> None:
    world = layered(cluster_spiffe_id("new", spiffeId="spiffe://other.test/new"))
    world.objects["records"] = [{"metadata": {"name": "alias"}}]
    assert judged(world, web()) == []
    world.objects["records"] = [{"metadata": {"name": "alias"}}, {"metadata": {"name": "web"}}]
    (found,) = judged(world, web())
    assert "nobody asks for the entry" in found


def test_sees_a_status_that_speaks_of_an_older_edit() -> None:
    edited = cluster_spiffe_id()
    edited["metadata"] = {**dict(cluster_spiffe_id()["metadata"]), "generation": 2}  # type: ignore[call-overload]
    edited["status"] = {"observedGeneration": 2}
    assert judged(layered(edited), web()) == []
    edited["status"] = {"observedGeneration": 1}
    (found,) = judged(layered(edited), web())
    assert "tells of generation 1, not of 2" in found


def test_sees_a_relationship_that_is_left_lost_or_wrong() -> None:
    domain: Document = {
        "metadata": {"name": "d"},
        "spec": {
            "trustDomain": "d.test",
            "bundleEndpointURL": "https://d.test/",
            "bundleEndpointProfile": {"type": "https_web"},
        },
    }
    world = World("static", {"static": [], "federation": [domain]})
    nobody = World("static", {"static": [], "federation": []})
    right = {**THEIRS, "d.test": Relationship("d.test", "https://d.test/")}
    wrong = {**THEIRS, "d.test": Relationship("d.test", "https://d.test/", "spiffe://d.test/x")}

    def found(world: World, there: dict[str, Relationship]) -> int:
        return len(faults(world, wanted_of(world), Ledger(), [], there))

    assert found(world, right) == 0
    assert found(world, THEIRS) == 1
    assert found(world, wrong) == 1
    assert found(nobody, right) == 1
    assert found(nobody, {}) == 1


def test_a_node_that_is_gone_is_owed_nothing_while_its_object_cannot_be_read() -> None:
    def declared(uid: str, *, is_served: bool = True) -> World:
        nodes: list[Document] = [{"metadata": {"name": "n0", "uid": uid}}]
        spiffe_ids: list[Document] | None = [] if is_served else None
        return World("crd", {"spiffeids": spiffe_ids, "nodes": nodes, "pods": []})

    ledger = Ledger()
    ledger.settle(wanted_of(declared("uid-1")))
    ledger.note(wanted_of(declared("uid-1", is_served=False)))
    assert len(ledger.lost([])) == 1
    ledger.note(wanted_of(declared("uid-2", is_served=False)))
    assert ledger.lost([]) == []
