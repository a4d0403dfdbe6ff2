"""A relation asked from both sides."""

from hypothesis import given
from hypothesis import strategies as st

from registrar.claims.relation import Relation

KEYS, VALUES = st.sampled_from("abc"), st.frozensets(st.sampled_from("xyz"))


@given(st.lists(st.tuples(KEYS, VALUES)))
def test_both_sides_say_the_same_as_a_plain_table(steps: list[tuple[str, frozenset[str]]]) -> None:
    relation: Relation[str, str] = Relation()
    table: dict[str, frozenset[str]] = {}
    for key, values in steps:
        before = table.get(key, frozenset())
        table[key] = values
        assert relation.set(key, values) == before ^ values
    assert {key for key in "abc" if key in relation} == {k for k, v in table.items() if v}
    assert bool(relation) == any(table.values())
    assert set(relation.values()) == {v for values in table.values() for v in values}
    for value in "xyz":
        assert set(relation.keys_of(value)) == {k for k, v in table.items() if value in v}
