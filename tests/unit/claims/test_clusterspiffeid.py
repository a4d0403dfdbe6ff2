"""ClusterSpiffeId to claim."""

import pytest

from api.spiffeid.v1beta1.clusterspiffeid import POD_UID_LABEL
from api.spiffeid.v1beta1.fields import Selector
from registrar.claims.claim import Claim, Origin
from registrar.claims.clusterspiffeid import alias_claim, claim_of, node_alias, selectors_of
from registrar.errors import InvalidField
from tests.support.builders import CLUSTER, TRUST_DOMAIN, make_cluster_spiffe_id


def claim(**changes: object) -> Claim:
    return claim_of(make_cluster_spiffe_id(**changes), trust_domain=TRUST_DOMAIN, cluster=CLUSTER)


def test_every_part_of_a_selector_becomes_its_spire_selector() -> None:
    selector = Selector(
        pod_label={"app": "web", "tier": ""},
        pod_name="p",
        pod_uid="u",
        namespace="n",
        service_account="s",
        container_name="c",
        container_image="i:1",
        node_name="host",
        arbitrary=("pod-image-count:2",),
        cluster="west",
        agent_node_uid="x",
    )
    assert {str(s) for s in selectors_of(selector)} == {
        "k8s:pod-label:app:web",
        "k8s:pod-label:tier:",
        "k8s:pod-name:p",
        "k8s:pod-uid:u",
        "k8s:ns:n",
        "k8s:sa:s",
        "k8s:container-name:c",
        "k8s:container-image:i:1",
        "k8s:node-name:host",
        "k8s:pod-image-count:2",
        "k8s_psat:cluster:west",
        "k8s_psat:agent_node_uid:x",
    }


def test_the_parent_is_the_alias_of_the_clusters_agents_by_default() -> None:
    assert claim().key.parent_id == node_alias(TRUST_DOMAIN, CLUSTER)
    given = f"spiffe://{TRUST_DOMAIN}/spire/agent/k8s_psat/west/1"
    assert claim(parent_id=given).key.parent_id == given


def test_the_alias_hangs_below_the_server_and_selects_the_cluster() -> None:
    key = alias_claim(TRUST_DOMAIN, CLUSTER).key
    assert key.spiffe_id == "spiffe://example.org/spire-k8s-operator/test/node"
    assert key.parent_id == "spiffe://example.org/spire/server"
    assert [str(s) for s in key.selectors] == ["k8s_psat:cluster:test"]


def test_attributes_are_taken_over() -> None:
    attributes = claim(
        ttl=60,
        jwt_ttl=30,
        federates_with=("spiffe://b.test", "a.test", "b.test"),
        dns_names=("web.shop.svc", "*.web", "web.shop.svc"),
        admin=True,
        downstream=True,
        hint="h",
        store_svid=True,
    ).attributes
    assert attributes.x509_svid_ttl == 60
    assert attributes.jwt_svid_ttl == 30
    assert attributes.federates_with == ("a.test", "b.test")
    assert attributes.dns_names == ("web.shop.svc", "*.web")
    assert (attributes.admin, attributes.downstream, attributes.store_svid) == (True, True, True)
    assert attributes.hint == "h"


def test_an_object_made_for_a_pod_has_the_pods_origin() -> None:
    obj = make_cluster_spiffe_id()
    obj.metadata.labels[POD_UID_LABEL] = "u"
    assert claim_of(obj, trust_domain=TRUST_DOMAIN, cluster=CLUSTER).origin is Origin.POD
    assert claim().origin is Origin.WRITTEN


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"spiffe_id": "https://example.org/a"}, "spec.spiffeId", "spiffe://example.org/"),
        ({"spiffe_id": "spiffe://other.test/a"}, "spec.spiffeId", "'other.test'"),
        ({"spiffe_id": "spiffe://example.org"}, "spec.spiffeId", "path is missing"),
        ({"spiffe_id": "spiffe://example.org/a//b"}, "spec.spiffeId", "empty segment"),
        ({"spiffe_id": "spiffe://example.org/a/../b"}, "spec.spiffeId", "'..'"),
        ({"spiffe_id": "spiffe://example.org/spire/agent"}, "spec.spiffeId", "reserved"),
        ({"spiffe_id": "spiffe://example.org/" + "a" * 2048}, "spec.spiffeId", "2048"),
        ({"parent_id": "node"}, "spec.parentId", "starts with"),
        ({"selector": Selector()}, "spec.selector", "at least one"),
        ({"selector": Selector(arbitrary=("k8s:ns:a",))}, "spec.selector.arbitrary[0]", "'k8s:'"),
        ({"ttl": -1}, "spec.ttl", "'-1'"),
        ({"jwt_ttl": 2**31}, "spec.jwtTtl", "seconds"),
        ({"dns_names": ("ok.test", "bad_name!")}, "spec.dnsNames[1]", "not a DNS name"),
        ({"federates_with": ("Upper.test",)}, "spec.federatesWith[0]", "lower case"),
        ({"federates_with": ("example.org",)}, "spec.federatesWith[0]", "own trust domain"),
        ({"hint": "h" * 1025}, "spec.hint", "1024"),
        (
            {"store_svid": True, "selector": Selector(namespace="a", cluster="b")},
            "spec.storeSvid",
            "one type",
        ),
    ],
)
def test_a_bad_value_is_named_with_its_field_and_a_remedy(
    changes: dict[str, object], path: str, says: str
) -> None:
    with pytest.raises(InvalidField) as caught:
        claim(**changes)
    assert caught.value.path == path
    assert says in str(caught.value)
