"""What the rules for Pods share: which claims are a Pod's own."""

from dataclasses import replace

from registrar.claims.claim import Claim, Claimant
from registrar.claims.podrules import INVALID_IDENTITY, own, wrong
from tests.support.builders import make_claim

POD = Claimant("Pod", "shop", "web")
TEMPLATE = Claimant("ClusterSPIFFEID", "", "t")


def by_pod(uid: str) -> Claim:
    return replace(make_claim(), source=POD, uid=uid)


def by_template(uid: str) -> Claim:
    return replace(make_claim(), source=POD, template=TEMPLATE, uid="t-1", source_uid=uid)


def test_a_pod_of_the_same_name_inherits_nothing() -> None:
    claims = [by_pod("u-1"), by_pod("u-2"), by_template("u-1"), by_template("u-2")]
    assert own(claims, "u-2") == [claims[1], claims[3]]


def test_what_is_not_known_to_be_anothers_may_be_its_own() -> None:
    claims = [by_pod(""), by_template("")]
    assert own(claims, "u-2") == claims


def test_a_pod_that_is_wrong_is_warned_for_that_reason_alone() -> None:
    wanted = wrong(INVALID_IDENTITY, "why")
    assert wanted.warnings == {INVALID_IDENTITY: "why"}
    assert wanted.claims == ()
