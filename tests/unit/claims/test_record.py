"""SpireEntry objects out of claims, and statuses."""

from dataclasses import replace

import msgspec
import pytest

from api.codec import merge_diff, to_json
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeIdSpec
from api.spiffeid.v1beta1.fields import Selector
from api.spiffeid.v1beta1.spireentry import SpireEntry
from registrar.claims.claim import Claim, Problem
from registrar.claims.clusterspiffeid import alias_claim, claim_of
from registrar.claims.outcome import LATE, Outcome, State
from registrar.claims.record import is_same, key_of, record
from registrar.claims.status import masking, status_of
from registrar.identity.entry import Attributes
from tests.support.builders import (
    CLUSTER,
    TRUST_DOMAIN,
    make_claim,
    make_cluster_spiffe_id,
    make_key,
)

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
SET = Outcome(State.SET, "the-id", "EntrySet", "there")


def recorded(*claims: Claim, outcome: Outcome = SET, old: SpireEntry | None = None) -> SpireEntry:
    return record(
        name="n", instance="", claims=claims, outcome=outcome, old=old, now=LATER if old else NOW
    )


def test_a_record_gives_back_the_key() -> None:
    attributes = Attributes(1, 2, ("a.test",), ("b", "a"), True, True, True, "h")  # noqa: FBT003
    claim = make_claim(key=make_key("/x", "ns:a", "sa:b"), attributes=attributes)
    found = recorded(claim)
    assert key_of(found) == claim.key


def test_cluster_scoped_claimants_are_owners_and_the_registrar_is_a_holder() -> None:
    one, two = make_claim("one"), make_claim("two")
    assert [o.name for o in recorded(two, one).metadata.owner_references] == ["one", "two"]
    alias = recorded(alias_claim(TRUST_DOMAIN, CLUSTER))
    assert alias.metadata.owner_references == ()
    assert [h.kind for h in alias.spec.holders] == ["Registrar"]


def test_an_owner_that_does_not_exist_yet_is_left_out() -> None:
    found = recorded(make_claim("one"), replace(make_claim("two"), uid=""))
    assert [o.name for o in found.metadata.owner_references] == ["one"]


def test_recording_the_same_again_changes_nothing_not_even_a_time() -> None:
    first = recorded(make_claim())
    assert is_same(recorded(make_claim(), old=first), first)


def test_a_changed_outcome_moves_the_transition_time() -> None:
    first = recorded(make_claim())
    failed = recorded(
        make_claim(), outcome=Outcome(State.FAILED, "the-id", "Internal", "no"), old=first
    )
    assert not is_same(failed, first)
    (ready,) = failed.status.conditions
    assert (ready.status, ready.reason, ready.last_transition_time) == ("False", "Internal", LATER)


def test_nonsense_that_somebody_wrote_has_no_key() -> None:
    found = recorded(make_claim())
    broken = msgspec.structs.replace(
        found, spec=msgspec.structs.replace(found.spec, selectors=("nonsense",))
    )
    assert key_of(broken) is None


def test_a_merge_patch_turns_one_record_into_another() -> None:
    one = recorded(make_claim(attributes=Attributes(x509_svid_ttl=1, dns_names=("a",))))
    two = recorded(make_claim(attributes=Attributes(hint="h")))
    patch = merge_diff(to_json(one), to_json(two))
    assert patch == {"spec": {"ttl": None, "dnsNames": None, "hint": "h"}}


def test_the_younger_claim_is_told_what_does_not_count() -> None:
    old = make_claim("old", attributes=Attributes(hint="a"))
    young = make_claim("young", attributes=Attributes(hint="b"))
    found = masking(young, old)
    assert found is not None
    assert "ClusterSpiffeId old" in found.message
    assert "hint" in found.message
    assert masking(old, old) is None
    assert masking(make_claim("young", attributes=old.attributes), old) is None


def test_a_status_tells_the_problem_and_that_the_last_good_state_stays() -> None:
    status = status_of(
        make_cluster_spiffe_id(),
        name="n",
        outcome=SET,
        problem=Problem("InvalidSpec", "spec.ttl: bad"),
        masked=None,
        now=NOW,
    )
    (ready,) = status.conditions
    assert (ready.status, ready.reason) == ("False", "InvalidSpec")
    assert "last good state" in ready.message
    assert status.entry_id == "the-id"
    assert ready.observed_generation == 1


def test_a_pending_entry_is_not_ready_and_says_why() -> None:
    (ready,) = status_of(
        make_cluster_spiffe_id(), name="n", outcome=LATE, problem=None, masked=None, now=NOW
    ).conditions
    assert (ready.status, ready.reason) == ("False", "Pending")


CHANGES: dict[str, object] = {
    "spiffe_id": "spiffe://example.org/other",
    "selector": Selector(namespace="other"),
    "parent_id": "spiffe://example.org/parent",
    "ttl": 1,
    "jwt_ttl": 1,
    "federates_with": ("a.test",),
    "dns_names": ("a",),
    "admin": True,
    "downstream": True,
    "hint": "h",
    "store_svid": True,
}


FIELDS = {f.name for f in msgspec.structs.fields(ClusterSpiffeIdSpec)}
CHOOSES_THE_REGISTRAR = {"class_name"}


def test_every_field_of_a_spec_has_a_case() -> None:
    assert set(CHANGES) == FIELDS - CHOOSES_THE_REGISTRAR


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_every_field_of_a_spec_reaches_the_record(field: str) -> None:
    def record_of(changes: dict[str, object]) -> SpireEntry:
        obj = make_cluster_spiffe_id(**changes)
        return recorded(claim_of(obj, trust_domain=TRUST_DOMAIN, cluster=CLUSTER))

    assert not is_same(record_of({field: CHANGES[field]}), record_of({}))
