"""The conditions of a ClusterFederatedTrustDomain: which there are, and when they change."""

import msgspec

from api.meta import Condition, ObjectMeta, find_condition
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from registrar.claims.bundlesource import Reading
from registrar.claims.claim import Problem
from registrar.claims.federationstatus import Observed, Refreshed, status_of
from tests.support.federation import seed

OBJECT = ClusterFederatedTrustDomain(metadata=ObjectMeta(name="a", generation=3))
FAILED = "dial tcp 10.0.0.1:{}: connect: connection refused"


def after(
    obj: ClusterFederatedTrustDomain, observed: Observed, now: str = "t", problem: str = ""
) -> ClusterFederatedTrustDomain:
    """The object with the status that is written."""
    told = Problem("Why", problem) if problem else None
    status = status_of(obj, problem=told, observed=observed, now=now)
    return msgspec.structs.replace(obj, status=status)


def condition(obj: ClusterFederatedTrustDomain, type_: str) -> Condition | None:
    return find_condition(obj.status.conditions, type_)


def types(obj: ClusterFederatedTrustDomain) -> list[str]:
    return [condition.type for condition in obj.status.conditions]


def refreshed(problem: str = "") -> Observed:
    return Observed(has_bundle=True, is_refreshed=True, refreshed=Refreshed(problem))


def test_what_nobody_knows_is_no_condition() -> None:
    assert types(after(OBJECT, Observed())) == ["Ready"]


def test_a_failure_has_the_servers_words_and_since_when() -> None:
    found = condition(after(OBJECT, refreshed("its words"), now="then"), "BundleFresh")
    assert found is not None
    assert (found.status, found.reason, found.message, found.last_transition_time) == (
        "False",
        "RefreshFailed",
        "its words",
        "then",
    )


def test_the_same_words_with_another_port_change_nothing() -> None:
    once = after(OBJECT, refreshed(FAILED.format(40001)), now="1")
    assert after(once, refreshed(FAILED.format(59999)), now="2") == once
    other = after(once, refreshed("other words"), now="2")
    found = condition(other, "BundleFresh")
    assert found is not None
    # It has not been fresh in between.
    assert (found.message, found.last_transition_time) == ("other words", "1")


def test_until_it_is_asked_for_what_another_process_found_stays_in_its_place() -> None:
    once = after(OBJECT, refreshed("its words"))
    assert after(once, Observed(has_bundle=True, is_refreshed=True), now="2") == once


def test_a_bundle_that_nobody_refreshes_is_not_called_fresh() -> None:
    once = after(OBJECT, refreshed())
    assert "BundleFresh" in types(once)
    assert "BundleFresh" not in types(after(once, Observed(has_bundle=True)))


def test_a_source_has_a_condition_of_its_own_while_there_is_one() -> None:
    missing = Reading(problem=Problem("BundleSourceMissing", "no such"))
    once = after(OBJECT, Observed(source=missing))
    found = condition(once, "BundleSourceRead")
    assert found is not None
    assert (found.status, found.reason, found.message) == (
        "False",
        "BundleSourceMissing",
        "no such",
    )
    twice = after(once, Observed(source=Reading(seed("a"))))
    found = condition(twice, "BundleSourceRead")
    assert found is not None
    assert (found.status, found.reason) == ("True", "Read")
    assert "BundleSourceRead" not in types(after(twice, Observed()))


def test_conditions_of_others_stay() -> None:
    theirs = Condition(
        type="Theirs", status="True", reason="X", message="", last_transition_time="1"
    )
    status = msgspec.structs.replace(OBJECT.status, conditions=(theirs,))
    found = after(msgspec.structs.replace(OBJECT, status=status), refreshed(), problem="wrong")
    assert types(found) == ["Theirs", "Ready", "BundleAvailable", "BundleFresh"]


def test_failures_are_alike_but_for_numbers_and_for_what_they_are_about() -> None:
    one = Refreshed("port 1")
    assert one.reads_like(Refreshed("port 2"))
    assert not one.reads_like(None)
    assert not one.reads_like(Refreshed(""))
    assert not one.reads_like(Refreshed("port 1", is_distrusted=True))
