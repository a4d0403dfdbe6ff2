"""The numbers of templates, against counting anew."""

from hypothesis import given
from hypothesis import strategies as st

from api.meta import ObjectKey
from registrar.claims.tally import Part, Tally

POD = ObjectKey("ns", "pod")
TEMPLATES = ["t1", "t2", "t3"]
PARTS = st.dictionaries(st.sampled_from(TEMPLATES), st.sampled_from(list(Part)), max_size=3)
STEPS = st.lists(st.tuples(st.sampled_from("abc"), PARTS), max_size=12)


@given(STEPS)
def test_the_sums_are_those_of_a_count_after_every_step(
    steps: list[tuple[str, dict[str, Part]]],
) -> None:
    tally = Tally()
    model: dict[ObjectKey, dict[str, Part]] = {}
    for name, parts in steps:
        pod = ObjectKey("ns", name)
        failures = {t: "why" for t, part in parts.items() if part is Part.FAILED}
        before = model.get(pod, {})
        changed = tally.note(pod, parts, failures)
        model[pod] = parts
        assert changed >= {t for t in TEMPLATES if before.get(t) != parts.get(t)}
        for template in TEMPLATES:
            for part in Part:
                expected = sum(parts.get(template) is part for parts in model.values())
                assert tally.count(template, part) == expected
            assert tally.pods(template) == {p for p, parts in model.items() if template in parts}
            failing = {p for p, parts in model.items() if parts.get(template) is Part.FAILED}
            assert set(tally.failures(template)) == failing


def test_only_what_changes_is_told() -> None:
    tally = Tally()
    assert tally.note(POD, {"t": Part.FAILED}, {"t": "one"}) == {"t"}
    assert tally.note(POD, {"t": Part.FAILED}, {"t": "one"}) == set()
    assert tally.note(POD, {"t": Part.FAILED}, {"t": "two"}) == {"t"}
    assert tally.failures("t") == {POD: "two"}
    assert tally.note(POD, {}, {}) == {"t"}
    assert tally.failures("t") == {}
