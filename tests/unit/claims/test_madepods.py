"""The rules of layered and crd mode: the claim comes of the Pod, the object records it."""

import msgspec

from api.core import Node, Pod
from api.meta import ObjectKey, ObjectMeta
from registrar.claims.claim import Claim, Claimant, Origin
from registrar.claims.madepods import (
    CRDNodeRules,
    CRDPodRules,
    CRDRules,
    LayeredPodRules,
    MadeView,
    Stored,
    services_of,
)
from registrar.claims.podrules import (
    INVALID_DNS_NAME,
    INVALID_FEDERATION,
    INVALID_IDENTITY,
    NAME_TAKEN,
    SERVICES_UNREADABLE,
)
from registrar.claims.podspiffeid import compile_rules
from registrar.claims.record import record
from registrar.claims.validation import MAX_DNS_NAMES
from registrar.settings.model import CRDMode, PodIdentity
from tests.support.builders import make_pod
from tests.unit.claims.test_record import SET

POD = Claimant("Pod", "shop", "web-0")
STORED = Stored("made-1", "2026-01-02T03:04:05Z")
LAYERED = LayeredPodRules(
    PodIdentity("label", "spiffe"), trust_domain="example.org", cluster="test", class_name=""
)
CRD = CRDRules(
    compile_rules(
        CRDMode(dns_name_templates=("{{.Pod.Name}}",), service_dns_names=True),
        PodIdentity("template"),
        trust_domain="example.org",
        cluster="test",
        own_namespace="spire",
    ),
    allows_downstream=True,
)
NODE = Node(metadata=ObjectMeta(name="n1", uid="node-1"))


def labelled(path: str = "web") -> Pod:
    return make_pod(labels={"spiffe": path} if path else {})


def bound(**annotations: str) -> Pod:
    pod = make_pod(annotations=annotations)
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, node_name="n1"))


async def layered_claim(stored: Stored = STORED) -> Claim:
    (claim,) = (await LAYERED.want(MadeView(owner=labelled(), stored=stored))).claims
    return claim


async def test_the_pod_claims_and_the_object_stands_for_it() -> None:
    claim = await layered_claim()
    assert claim.source == POD
    assert claim.subject.kind == claim.holder.kind == "ClusterSpiffeId"
    assert (claim.uid, claim.source_uid, claim.created) == (
        "made-1",
        "uid-of-web-0",
        STORED.created,
    )
    assert claim.origin is Origin.POD


async def test_it_is_as_old_as_the_object_and_the_youngest_before_that_is_stored() -> None:
    stored, wanted = await layered_claim(), await layered_claim(Stored())
    assert stored.seniority[0] == STORED.created
    assert stored.seniority < wanted.seniority


async def test_the_record_names_the_object_and_not_the_pod() -> None:
    claim = await layered_claim()
    made = record(name="r", instance="i", claims=[claim], outcome=SET, old=None, now="")
    assert [(o.kind, o.uid) for o in made.metadata.owner_references] == [
        ("ClusterSpiffeId", "made-1")
    ]
    assert made.spec.holders == ()


async def test_a_record_of_a_namespaced_object_holds_it_by_its_namespace() -> None:
    view = MadeView(owner=bound(), stored=STORED, namespace_uid="ns-1")
    (claim,) = (await CRDPodRules(CRD).want(view)).claims
    made = record(name="r", instance="i", claims=[claim], outcome=SET, old=None, now="")
    assert [(o.kind, o.uid) for o in made.metadata.owner_references] == [("Namespace", "ns-1")]
    assert [(h.kind, h.name, h.uid) for h in made.spec.holders] == [("SpiffeID", "web-0", "made-1")]


async def test_a_bad_label_is_a_problem_of_the_pod_that_no_object_shows() -> None:
    wanted = await LAYERED.want(MadeView(owner=labelled("spire")))
    assert (wanted.made, wanted.claims, wanted.is_shown) == (None, (), False)
    assert wanted.problem is not None
    assert list(wanted.warnings) == [INVALID_IDENTITY]


async def test_a_pod_that_asks_for_nothing_is_to_have_nothing() -> None:
    wanted = await LAYERED.want(MadeView(owner=labelled("")))
    assert (wanted.made, wanted.claims, wanted.problem) == (None, (), None)


async def test_names_of_services_stay_while_these_cannot_be_read() -> None:
    rules = CRDPodRules(CRD)
    before = (await rules.want(MadeView(owner=bound(), services=frozenset({"db"})))).claims
    wanted = await rules.want(MadeView(owner=bound(), unreadable="no", last_good=before))
    assert wanted.claims == before
    assert wanted.warnings[SERVICES_UNREADABLE] == "no"
    assert services_of(before, "shop") == {"db"}


async def test_what_is_wrong_without_costing_the_pod_its_identity_is_said() -> None:
    wanted = await CRDPodRules(CRD).want(MadeView(owner=bound(**{"spiffe.io/federatesWith": "?"})))
    assert len(wanted.claims) == 1
    assert "?" in wanted.warnings[INVALID_FEDERATION]
    assert wanted.warnings[INVALID_DNS_NAME] == ""


async def test_what_no_entry_can_have_is_shown_by_the_object() -> None:
    many = frozenset(f"s{number}" for number in range(MAX_DNS_NAMES + 1))
    wanted = await CRDPodRules(CRD).want(MadeView(owner=bound(), services=many))
    assert wanted.made is not None
    assert wanted.problem is not None
    assert (wanted.problem.reason, wanted.is_shown) == ("InvalidSpec", True)
    assert "spec.dnsNames" in wanted.problem.message


async def test_a_pod_whose_name_is_taken_gets_nothing_and_is_told() -> None:
    wanted = await CRDPodRules(CRD).want(MadeView(owner=bound(), is_taken=True))
    assert (wanted.made, wanted.claims) == (None, ())
    assert "shop/web-0" in wanted.warnings[NAME_TAKEN]


async def test_a_node_has_a_spiffe_id_in_the_registrars_namespace() -> None:
    wanted = await CRDNodeRules(CRD).want(MadeView(owner=NODE, stored=STORED))
    (claim,) = wanted.claims
    assert claim.source == Claimant("Node", "", "n1")
    assert claim.subject == Claimant("SpiffeID", "spire", "n1")
    assert claim.origin is Origin.WRITTEN
    assert wanted.made is not None
    assert wanted.made.key == ObjectKey("spire", "n1")


async def test_a_node_whose_name_is_taken_gets_nothing() -> None:
    wanted = await CRDNodeRules(CRD).want(MadeView(owner=NODE, is_taken=True))
    assert (wanted.made, wanted.claims) == (None, ())
    assert "spire/n1" in wanted.warnings[NAME_TAKEN]
