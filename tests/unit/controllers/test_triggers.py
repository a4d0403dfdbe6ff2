"""Which keys a change wakes."""

import msgspec
import pytest

from api.codec import decode
from api.core import (
    EndpointSlice,
    Namespace,
    Owned,
)
from api.meta import ObjectKey, ObjectMeta
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from api.spiffeid.v1beta1.spireentry import SpireEntry
from api.spire.v1alpha1.clusterfederatedtrustdomain import (
    ClusterFederatedTrustDomain,
    ClusterFederatedTrustDomainSpec,
)
from api.whole import WholeMeta, WholeNode
from controllers import triggers
from registrar.claims.claim import Claimant
from registrar.claims.outcome import PENDING
from registrar.claims.record import record
from registrar.identity.entry import EntryKey
from registrar.kube.store import Change
from tests.support.builders import make_claim, make_cluster_spiffe_id, make_key, make_pod

WEB, DB = ObjectKey("shop", "web"), ObjectKey("shop", "db")


def a_namespace(uid: str = "1", **labels: str) -> Namespace:
    return Namespace(metadata=ObjectMeta(name="shop", uid=uid, labels=labels))


def a_node(**labels: str) -> WholeNode:
    meta = WholeMeta(name="one", uid="1", labels=labels, resource_version=str(id(labels)))
    return WholeNode(metadata=meta, spec=msgspec.Raw(b"{}"))


def a_slice(*pods: str, service: str = "front", ip: str = "10.0.0.1") -> EndpointSlice:
    endpoints = [
        {"addresses": [ip], "targetRef": {"kind": "Pod", "namespace": "shop", "name": pod}}
        for pod in pods
    ]
    labels = {"kubernetes.io/service-name": service} if service else {}
    document = {
        "metadata": {"name": "front-1", "namespace": "shop", "labels": labels},
        "endpoints": endpoints,
    }
    return decode(msgspec.json.encode(document), EndpointSlice)


def make_record(name: str, key: EntryKey) -> SpireEntry:
    return record(
        name=name,
        instance="",
        claims=[make_claim(key=key)],
        outcome=PENDING,
        old=None,
        now="2026-01-02T03:04:05Z",
    )


def test_an_object_wakes_itself() -> None:
    obj = make_cluster_spiffe_id()
    assert list(triggers.itself(Change(obj.key, None, obj))) == [obj.key]
    assert list(triggers.by_name(Change(obj.key, obj, obj))) == ["web"]


@pytest.mark.parametrize(("old", "new", "wakes"), [("1", "1", False), ("1", "2", True)])
def test_only_another_object_of_the_name_wakes(old: str, new: str, *, wakes: bool) -> None:
    change = Change(ObjectKey("", "shop"), a_namespace(old), a_namespace(new))
    assert bool(triggers.another_by_name(change)) is wakes


def test_the_name_wakes_of_one_that_is_gone_and_never_decoded() -> None:
    assert list(triggers.another_by_name(Change(ObjectKey("", "one"), None, None))) == ["one"]


def test_the_pods_of_a_slice_wake_that_is_of_another_service_now() -> None:
    one, another = a_slice("web", service="front"), a_slice("web", service="back")
    assert set(triggers.pods_joining_slice(Change(one.key, one, another))) == {WEB}


def test_who_an_object_was_made_for_before_and_after() -> None:
    owners = {"a": Claimant("Pod", "shop", "web"), "b": Claimant("Node", "", "one"), "c": None}

    def made_for(obj: ClusterSpiffeId) -> Claimant | None:
        return owners[obj.metadata.name]

    change = Change(ObjectKey("", "a"), make_cluster_spiffe_id("a"), make_cluster_spiffe_id("b"))
    assert triggers.its_maker_pods(made_for)(change) == [WEB]
    assert triggers.its_maker_nodes(made_for)(change) == ["one"]
    written = make_cluster_spiffe_id("c")
    assert triggers.its_maker_pods(made_for)(Change(written.key, None, written)) == []


def test_a_name_is_free_when_its_object_is_gone() -> None:
    pod = make_pod()
    assert list(triggers.a_free_name(Change(pod.key, pod, None))) == [pod.key]
    assert list(triggers.a_free_name(Change(pod.key, None, pod))) == []


def test_a_heartbeat_of_a_node_wakes_nobody() -> None:
    keys_of = triggers.pods_on_node({"one": [WEB]}.__getitem__)
    key = ObjectKey("", "one")
    assert list(keys_of(Change(key, a_node(), a_node()))) == []
    assert list(keys_of(Change(key, a_node(), a_node(zone="a")))) == [WEB]
    assert list(keys_of(Change(key, None, a_node()))) == [WEB]


def test_other_labels_of_a_namespace_wake_its_pods() -> None:
    keys_of = triggers.pods_of_relabelled({"shop": [WEB, DB]}.__getitem__)
    key = ObjectKey("", "shop")
    assert list(keys_of(Change(key, a_namespace(), a_namespace()))) == []
    assert list(keys_of(Change(key, a_namespace(), a_namespace(team="a")))) == [WEB, DB]
    assert list(keys_of(Change(key, a_namespace(), None))) == [WEB, DB]


def test_a_namespace_that_comes_wakes_what_was_seen_before_it() -> None:
    keys_of = triggers.in_another_namespace({"shop": [WEB]}.__getitem__)
    key = ObjectKey("", "shop")
    assert list(keys_of(Change(key, None, a_namespace()))) == [WEB]
    assert list(keys_of(Change(key, a_namespace("1"), a_namespace("2")))) == [WEB]
    assert list(keys_of(Change(key, a_namespace(), a_namespace(team="a")))) == []
    assert list(keys_of(Change(key, a_namespace(), None))) == []


def test_a_link_wakes_the_pods_that_it_owns() -> None:
    owned = {ObjectKey("shop", "web-1"): [WEB], ObjectKey("shop", "db-1"): [DB]}
    keys_of = triggers.pods_owned_through(owned.__getitem__)
    link = Owned(metadata=ObjectMeta(name="web-1", namespace="shop"))
    assert list(keys_of(Change(link.key, None, link))) == [WEB]
    assert list(keys_of(Change(link.key, link, link))) == []


def test_a_slice_wakes_who_joins_or_leaves_it() -> None:
    change = Change(ObjectKey("shop", "front-1"), a_slice("web"), a_slice("web", "db"))
    assert set(triggers.pods_joining_slice(change)) == {DB}
    gone = Change(ObjectKey("shop", "front-1"), a_slice("web"), None)
    assert set(triggers.pods_joining_slice(gone)) == {WEB}


def test_a_slice_wakes_whose_address_moves() -> None:
    key = ObjectKey("shop", "front-1")
    moved = Change(key, a_slice("web"), a_slice("web", ip="10.0.0.2"))
    assert set(triggers.pods_joining_slice(moved)) == set()
    assert set(triggers.pods_moving_in_slice(moved)) == {WEB}
    same = Change(key, a_slice("web"), a_slice("web"))
    assert set(triggers.pods_moving_in_slice(same)) == set()


def test_a_label_moves_a_slice_from_one_service_to_another() -> None:
    key = ObjectKey("shop", "front-1")
    front, back = ObjectKey("shop", "front"), ObjectKey("shop", "back")
    moved = Change(key, a_slice("web"), a_slice("web", service="back"))
    assert triggers.services_of_slice(moved) == {front, back}
    assert triggers.services_of_slice(Change(key, a_slice(), a_slice("web"))) == set()
    assert triggers.services_of_slice(Change(key, None, a_slice(service=""))) == set()


def test_a_trust_domain_is_named_before_and_after() -> None:
    def named(domain: str) -> ClusterFederatedTrustDomain:
        spec = ClusterFederatedTrustDomainSpec(trust_domain=domain)
        return ClusterFederatedTrustDomain(metadata=ObjectMeta(name="a"), spec=spec)

    key = ObjectKey("", "a")
    edit = Change(key, named("a.org"), named("spiffe://b.org/x"))
    assert set(triggers.trust_domains_named(edit)) == {"a.org", "b.org"}
    broken = Change(key, named("a.org"), named("a.org"), error="no")
    assert "" in set(triggers.trust_domains_named(broken))
    assert "" in set(triggers.trust_domains_named(Change(key, None, named("a.org"))))


def test_a_record_that_goes_wakes_the_one_that_its_key_should_have() -> None:
    key = make_key("/web")
    keys_of = triggers.records_of_change({key}.__contains__, {key: "its-name"}.__getitem__)
    stored = make_record("old-name", key)
    assert list(keys_of(Change(stored.key, None, stored))) == ["old-name"]
    assert list(keys_of(Change(stored.key, stored, None))) == ["old-name", "its-name"]
    other = make_record("other", make_key("/nobodys"))
    assert list(keys_of(Change(other.key, other, None))) == ["other"]
