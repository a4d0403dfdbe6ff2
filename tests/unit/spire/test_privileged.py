"""SPIFFE IDs that entries make privileged, against a plain model."""

from hypothesis import given
from hypothesis import strategies as st

from registrar.spire.privileged import PrivilegedIDs

ENTRIES = st.sampled_from(["e1", "e2", "e3"])
STEPS = st.lists(
    st.tuples(ENTRIES, st.sampled_from(["spiffe://a.test/x", "spiffe://a.test/y", ""]))
)


@given(STEPS)
def test_each_entry_makes_the_id_privileged_that_it_has_now(steps: list[tuple[str, str]]) -> None:
    privileged, model = PrivilegedIDs(), dict[str, str]()
    for entry, spiffe_id in steps:
        if spiffe_id:
            privileged.set(entry, spiffe_id)
            model[entry] = spiffe_id
        else:
            privileged.drop(entry)
            model.pop(entry, None)
    assert privileged.by_spiffe_id == {
        spiffe_id: frozenset(entry for entry, has in model.items() if has == spiffe_id)
        for spiffe_id in model.values()
    }
