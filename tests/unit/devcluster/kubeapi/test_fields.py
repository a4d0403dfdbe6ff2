"""Sets of fields: their form in managedFields, and what a change touches."""

from hypothesis import given
from hypothesis import strategies as st

from devcluster.kubeapi import fields
from devcluster.kubeapi.documents import JSONObject, copy_of
from devcluster.kubeapi.schema import ANYTHING, parse

STEPS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"'])
PATHS = st.sets(st.lists(STEPS, min_size=1, max_size=4).map(tuple), max_size=8)
DOCUMENTS: st.SearchStrategy[JSONObject] = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.recursive(
        st.integers(0, 2),
        lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
        max_leaves=6,
    ),
)
KEYED = parse(
    {
        "type": "object",
        "properties": {
            "l": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}, "v": {"type": "integer"}},
                },
            }
        },
    }
)


@given(PATHS)
def test_a_set_survives_its_written_form(paths: set[fields.Path]) -> None:
    assert fields.from_fields_v1(fields.to_fields_v1(paths)) == paths


@given(DOCUMENTS)
def test_no_change_touches_nothing(document: JSONObject) -> None:
    assert fields.changes(document, copy_of(document), ANYTHING) == (set(), set())


@given(DOCUMENTS, DOCUMENTS)
def test_what_one_way_adds_the_other_way_removes(one: JSONObject, other: JSONObject) -> None:
    touched, removed = fields.changes(one, other, ANYTHING)
    back, again = fields.changes(other, one, ANYTHING)
    assert removed <= back | again
    assert again <= touched | removed


def test_items_are_known_by_their_key_not_their_place() -> None:
    before: JSONObject = {"l": [{"name": "a", "v": 1}, {"name": "b", "v": 2}]}
    after: JSONObject = {"l": [{"name": "b", "v": 3}, {"name": "a", "v": 1}]}
    touched, removed = fields.changes(before, after, KEYED)
    assert touched == {("f:l", 'k:{"name":"b"}', "f:v")}
    assert removed == set()
