"""Pods and Nodes to SpiffeIDs: templates checked at start, and whose an object is."""

import msgspec
import pytest

from api.core import Node, Pod
from api.meta import ObjectKey, ObjectMeta, OwnerReference
from api.spiffeid.v1beta1.spiffeid import SpiffeID
from registrar.claims.claim import Claimant
from registrar.claims.podspiffeid import (
    SpiffeIDRules,
    compile_rules,
    made_for,
    made_for_uid,
    spiffe_id_for_node,
    spiffe_id_for_pod,
)
from registrar.claims.spiffeid import claim_of
from registrar.claims.unmet import NOT_BOUND, Unmet
from registrar.errors import InvalidField
from registrar.settings.model import CRDMode, PodIdentity
from tests.support.builders import make_pod


def rules(identity: PodIdentity | None = None, **config: object) -> SpiffeIDRules:
    return compile_rules(
        CRDMode(**config),  # type: ignore[arg-type]
        identity or PodIdentity("template"),
        trust_domain="example.org",
        cluster="test",
        own_namespace="spire",
    )


def bound(pod: Pod) -> Pod:
    return msgspec.structs.replace(
        pod, spec=msgspec.structs.replace(pod.spec, node_name="n1", hostname="h")
    )


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"identity_template": "{{"}, "identity_template"),
        ({"identity_template": "{{.Pod.Nmae}}"}, "Nmae"),
        ({"identity_template": "{{.Context.Region}}/x"}, "<no value>"),
        ({"identity_template": "a//b"}, "empty segment"),
        ({"identity_template": "spire/{{.Pod.Name}}"}, "reserved"),
        ({"identity_template": "k8s-workload-registrar/test/node/x"}, "agents"),
        ({"dns_name_templates": ("ok", "{{.Pod.Name}}/x")}, "dns_name_templates[1]"),
    ],
)
def test_a_template_that_cannot_work_is_found_at_start(
    config: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidField) as caught:
        rules(None, **config)
    assert words in str(caught.value)


def test_every_field_of_the_original_can_be_shown() -> None:
    made, _ = spiffe_id_for_pod(
        bound(make_pod()),
        rules(
            identity_template="{{.Context.A}}/{{.Pod.Name}}/{{.Pod.UID}}/{{.Pod.Namespace}}/"
            "{{.Pod.ServiceAccount}}/{{.Pod.Hostname}}/{{.Pod.NodeName}}",
            context=(("A", "a"),),
        ),
        (),
    )
    assert isinstance(made, SpiffeID)
    assert made.spec.spiffe_id == "spiffe://example.org/a/web-0/uid-of-web-0/shop/web/h/n1"


def test_services_come_after_the_templates_names() -> None:
    made, _ = spiffe_id_for_pod(bound(make_pod()), rules(), ("web", "db", "odd..one"))
    assert isinstance(made, SpiffeID)
    assert made.spec.dns_names == ("web-0", "db.shop.svc", "web.shop.svc")


def test_what_is_made_is_known_again_and_is_right() -> None:
    made, _ = spiffe_id_for_pod(bound(make_pod()), rules(), ())
    assert isinstance(made, SpiffeID)
    assert made_for(made.metadata) == Claimant("Pod", "shop", "web-0")
    assert made_for_uid(made.metadata) == "uid-of-web-0"
    node = spiffe_id_for_node(Node(metadata=ObjectMeta(name="n1", uid="un")), rules())
    assert node.key == ObjectKey("spire", "n1")
    assert made_for(node.metadata) == Claimant("Node", "", "n1")
    for obj in (made, node):
        claim = claim_of(obj, trust_domain="example.org", own_namespace="spire")
        assert claim.key.spiffe_id == obj.spec.spiffe_id
    assert made.spec.parent_id == node.spec.spiffe_id


def test_a_label_alone_makes_nothing_ours() -> None:
    made, _ = spiffe_id_for_pod(bound(make_pod()), rules(), ())
    assert isinstance(made, SpiffeID)
    (owner,) = made.metadata.owner_references
    for owners in (
        (),
        (msgspec.structs.replace(owner, controller=None),),
        (msgspec.structs.replace(owner, uid="other"),),
        (OwnerReference(kind="Deployment", name="web-0", uid=owner.uid, controller=True),),
    ):
        meta = msgspec.structs.replace(made.metadata, owner_references=owners)
        assert made_for(meta) is None


@pytest.mark.parametrize(("value", "wants"), [("true", True), ("TRUE", True), ("yes", False)])
def test_the_label_of_the_template_says_true_in_any_case(value: str, *, wants: bool) -> None:
    pod = bound(make_pod(labels={"on": value}))
    made, _ = spiffe_id_for_pod(pod, rules(PodIdentity("template", "on")), ())
    assert isinstance(made, SpiffeID) is wants


def test_an_unscheduled_pod_gets_none() -> None:
    unmet = Unmet(NOT_BOUND, "spec.nodeName", "the name of a node")
    assert spiffe_id_for_pod(make_pod(), rules(), ()) == (unmet, "")


def test_a_template_that_makes_no_dns_name_for_a_pod_costs_it_that_name_alone() -> None:
    """A Job of Argo or Spark has Pods whose names are longer than a DNS label may be."""
    long = "workflow-" + "x" * 60
    made, problem = spiffe_id_for_pod(
        bound(make_pod(long)),
        rules(dns_name_templates=("{{.Pod.Name}}", "{{.Pod.Namespace}}.pods")),
        ("web",),
    )
    assert isinstance(made, SpiffeID)
    assert made.spec.dns_names == ("shop.pods", "web.shop.svc")
    assert "dns_name_templates[0]" in problem
    assert long in problem


def test_a_template_that_gives_no_dns_name_for_a_pod_is_an_optional_one() -> None:
    made, problem = spiffe_id_for_pod(
        bound(make_pod("a")),
        rules(dns_name_templates=('{{ if eq .Pod.Namespace "x" }}x.test{{ end }}', "a.test")),
        ("my--svc", "web"),
    )
    assert isinstance(made, SpiffeID)
    assert (made.spec.dns_names, problem) == (("a.test", "web.shop.svc"), "")
