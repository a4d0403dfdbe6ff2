"""Pods and Nodes straight to claims: keys, attributes, and back from a key to its Pod."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.core import Node, Pod
from api.meta import ObjectKey, ObjectMeta
from registrar.claims.claim import Claim, Origin
from registrar.claims.podentry import (
    PodEntries,
    cluster_claim,
    node_claim,
    pod_claim,
    pod_of_key,
    root_path,
)
from registrar.claims.unmet import FINISHED, NAMESPACE_DISABLED, NOT_BOUND, Unmet
from registrar.errors import InvalidField
from registrar.settings.model import PodIdentity
from tests.support.builders import make_pod

ROOT = root_path("spire-k8s-registrar", "test")
RULES = PodEntries(
    trust_domain="example.org",
    cluster="test",
    identity=PodIdentity("service_account"),
    root=ROOT,
    per_node=True,
)
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)


def bound(pod: Pod, node: str = "n1") -> Pod:
    """The Pod on a node."""
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, node_name=node))


def key_text(pod: Pod, rules: PodEntries = RULES) -> tuple[str, str, list[str]]:
    """SPIFFE ID, parent and selectors of a Pod's claim."""
    claim = pod_claim(pod, rules, addresses=())
    assert isinstance(claim, Claim)
    return claim.key.spiffe_id, claim.key.parent_id, [str(s) for s in claim.key.selectors]


def test_a_pod_hangs_on_its_node() -> None:
    assert key_text(bound(make_pod())) == (
        "spiffe://example.org/ns/shop/sa/web",
        f"spiffe://example.org{ROOT}/n1",
        ["k8s:ns:shop", "k8s:pod-name:web-0"],
    )


def test_without_nodes_it_hangs_on_the_alias_of_the_cluster() -> None:
    rules = replace(RULES, root=root_path("k8s-workload-registrar", "test"), per_node=False)
    assert key_text(make_pod(), rules)[1] == (
        "spiffe://example.org/k8s-workload-registrar/test/node"
    )
    assert cluster_claim(rules).key.spiffe_id == key_text(make_pod(), rules)[1]


def reason_of(pod: Pod) -> str:
    """Why a Pod claims nothing."""
    unmet = pod_claim(pod, RULES, addresses=())
    assert isinstance(unmet, Unmet)
    return unmet.reason


def test_an_unscheduled_pod_claims_nothing() -> None:
    assert reason_of(make_pod()) == NOT_BOUND


def test_a_pod_that_is_over_claims_nothing() -> None:
    assert reason_of(bound(make_pod(phase="Succeeded"))) == FINISHED


def test_a_pod_of_a_disabled_namespace_claims_nothing() -> None:
    assert reason_of(bound(make_pod(namespace="kube-system"))) == NAMESPACE_DISABLED


@pytest.mark.parametrize("path", [f"{ROOT}/n2", ROOT.removeprefix("/"), f"{ROOT}/"])
def test_a_pod_may_not_choose_the_path_of_an_agent(path: str) -> None:
    rules = replace(RULES, identity=PodIdentity("annotation", "id"))
    with pytest.raises(InvalidField):
        pod_claim(bound(make_pod(annotations={"id": path})), rules, addresses=())


def test_a_path_beside_that_of_the_agents_is_free() -> None:
    rules = replace(RULES, identity=PodIdentity("annotation", "id"))
    path = "spire-k8s-registrar/test/nodes"
    pod = bound(make_pod(annotations={"id": path}))
    assert key_text(pod, rules)[0] == f"spiffe://example.org/{path}"


def test_the_claims_of_pods_are_untrusted_and_those_of_nodes_ours() -> None:
    claim = pod_claim(bound(make_pod()), RULES, addresses=(), namespace_uid="u")
    assert isinstance(claim, Claim)
    assert (claim.origin, claim.namespace_uid) == (Origin.POD, "u")
    node = node_claim(Node(metadata=ObjectMeta(name="n1", uid="un")), RULES)
    assert (node.origin, node.uid) == (Origin.REGISTRAR, "un")
    assert [str(s) for s in node.key.selectors] == [
        "k8s_psat:agent_node_name:n1",
        "k8s_psat:cluster:test",
    ]


@given(name=NAMES, namespace=NAMES, node=NAMES, per_node=st.booleans())
def test_a_key_tells_its_pod(name: str, namespace: str, node: str, *, per_node: bool) -> None:
    rules = replace(
        RULES, per_node=per_node, identity=PodIdentity("service_account", "", frozenset())
    )
    claim = pod_claim(bound(make_pod(name, namespace=namespace), node), rules, addresses=())
    assert isinstance(claim, Claim)
    assert pod_of_key(claim.key, rules) == ObjectKey(namespace, name)
    assert pod_of_key(claim.key, replace(rules, root="/other/test/node")) is None


def test_the_key_of_a_node_tells_no_pod() -> None:
    assert pod_of_key(node_claim(Node(metadata=ObjectMeta(name="n1")), RULES).key, RULES) is None
