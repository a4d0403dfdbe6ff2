"""Plans for one entry, and who may not have one."""

from hypothesis import given
from hypothesis import strategies as st

from registrar.claims.claim import Origin, Problem
from registrar.claims.index import ClaimIndex
from registrar.claims.plan import Create, Keep, Release, Update, plan, refusal
from registrar.identity.entry import Attributes, Entry
from tests.support.builders import make_claim, make_key

KEY = make_key()
attributes = st.builds(
    Attributes,
    x509_svid_ttl=st.integers(0, 2),
    jwt_svid_ttl=st.integers(0, 2),
    federates_with=st.sampled_from([(), ("a.test",)]),
    dns_names=st.sampled_from([(), ("a", "b"), ("b", "a")]),
    admin=st.booleans(),
    hint=st.sampled_from(["", "h"]),
)


def test_a_missing_entry_is_created_and_an_unclaimed_one_released() -> None:
    claim = make_claim(key=KEY)
    assert plan(claim, None) == Create(claim.attributes)
    assert plan(None, Entry("id", KEY)) == Release(None)


@given(wanted=attributes, seen=attributes)
def test_applying_a_plan_leaves_nothing_to_do(wanted: Attributes, seen: Attributes) -> None:
    claim = make_claim(key=KEY, attributes=wanted)
    step = plan(claim, Entry("id", KEY, seen))
    if isinstance(step, Update):
        assert step.fields
        seen = Attributes(
            **{
                name: getattr(wanted if name in step.fields else seen, name)
                for name in Attributes.__slots__
            }
        )
    else:
        assert wanted == seen
    assert plan(claim, Entry("id", KEY, seen)) == Keep("id")


def test_fields_that_the_server_drops_are_not_updated_for_ever() -> None:
    claim = make_claim(key=KEY, attributes=Attributes(hint="h"))
    assert plan(claim, Entry("id", KEY), dropped_fields=frozenset({"hint"})) == Keep("id")


def test_a_refused_claim_is_released() -> None:
    problem = Problem("PrivilegedID", "no")
    assert plan(make_claim(key=KEY), Entry("id", KEY), refused=problem) == Release(problem)


def test_a_pod_may_not_choose_an_administrators_id() -> None:
    index = ClaimIndex()
    pod = make_claim("pod", KEY, origin=Origin.POD)
    index.replace(pod.source, [pod])
    assert refusal(pod, index, privileged_elsewhere=False) is None
    found = refusal(pod, index, privileged_elsewhere=True)
    assert found is not None
    assert KEY.spiffe_id in found.message


def test_a_person_may_write_a_second_entry_of_an_administrators_id() -> None:
    written = make_claim("written", KEY)
    assert refusal(written, ClaimIndex(), privileged_elsewhere=True) is None
