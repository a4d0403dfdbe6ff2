"""Merge, JSON and strategic merge patches."""

from hypothesis import given
from hypothesis import strategies as st

from devcluster.kubeapi import patch
from devcluster.kubeapi.documents import JSONObject, JSONValue, copy_of
from devcluster.kubeapi.schema import parse

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc~/", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS: st.SearchStrategy[JSONObject] = st.dictionaries(
    st.text("abc~/", min_size=1, max_size=2), VALUES, max_size=4
)


def without_nulls(value: JSONValue) -> JSONValue:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


def difference(before: JSONObject, after: JSONObject) -> JSONObject:
    """The merge patch that leads from one to the other; neither holds nulls."""
    found: JSONObject = {key: None for key in before if key not in after}
    for key, item in after.items():
        old = before.get(key)
        if isinstance(item, dict) and isinstance(old, dict):
            found[key] = difference(old, item)
        elif key not in before or old != item or type(old) is not type(item):
            found[key] = item
    return found


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_of_the_difference_leads_there(before: JSONObject, after: JSONObject) -> None:
    start, goal = without_nulls(before), without_nulls(after)
    assert isinstance(start, dict)
    assert isinstance(goal, dict)
    # A list inside may hold nulls: they are values there.
    assert patch.merge(copy_of(start), difference(start, goal)) == goal


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_done_twice_changes_nothing_more(
    target: JSONObject, change: JSONObject
) -> None:
    once = patch.merge(copy_of(target), copy_of(change))
    assert patch.merge(copy_of(once), copy_of(change)) == once


def pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


@given(OBJECTS, OBJECTS)
def test_json_patch_operations_lead_from_one_object_to_another(
    before: JSONObject, after: JSONObject
) -> None:
    operations: list[JSONValue] = [{"op": "remove", "path": pointer(key)} for key in before]
    operations += [
        {"op": "add", "path": pointer(key), "value": item} for key, item in after.items()
    ]
    operations.append({"op": "test", "path": "", "value": after})
    assert patch.json_patch(copy_of(before), operations) == after


def test_json_patch_counts_places_in_lists() -> None:
    target: JSONObject = {"l": [1, 2, 3]}
    operations: list[JSONValue] = [
        {"op": "add", "path": "/l/1", "value": 9},
        {"op": "add", "path": "/l/-", "value": 4},
        {"op": "remove", "path": "/l/0"},
        {"op": "move", "from": "/l/0", "path": "/first"},
    ]
    assert patch.json_patch(target, operations) == {"l": [2, 3, 4], "first": 9}


def test_true_is_not_one_in_a_test_operation() -> None:
    assert not patch.same(True, 1)  # noqa: FBT003 - the values are the point
    assert patch.same({"a": [1, "x"]}, {"a": [1.0, "x"]})


SCHEMA = parse(
    {
        "type": "object",
        "properties": {
            "items": {
                "type": "array",
                "x-kubernetes-patch-strategy": "merge",
                "x-kubernetes-patch-merge-key": "name",
                "items": {"type": "object", "properties": {"name": {"type": "string"}}},
            },
            "words": {"type": "array", "x-kubernetes-patch-strategy": "merge"},
            "plain": {"type": "array"},
        },
    }
)


def named(*names: str) -> list[JSONValue]:
    return [{"name": name} for name in names]


def test_only_lists_with_a_strategy_are_merged() -> None:
    target: JSONObject = {"items": named("a"), "words": ["a"], "plain": ["a"]}
    change: JSONObject = {"items": named("b"), "words": ["b"], "plain": ["b"]}
    assert patch.strategic(target, change, SCHEMA) == {
        "items": named("b", "a"),
        "words": ["b", "a"],
        "plain": ["b"],
    }


def test_an_order_that_is_said_is_kept() -> None:
    target: JSONObject = {"items": named("a", "b", "c")}
    order = named("c", "x", "a")
    change: JSONObject = {"$setElementOrder/items": order, "items": named("x")}
    assert patch.strategic(target, change, SCHEMA) == {"items": named("b", "c", "x", "a")}


def test_directives_delete_and_replace() -> None:
    target: JSONObject = {"items": named("a", "b"), "words": ["a", "b"], "o": {"k": 1, "l": 2}}
    change: JSONObject = {
        "items": [{"$patch": "delete", "name": "a"}],
        "$deleteFromPrimitiveList/words": ["b"],
        "o": {"$retainKeys": ["l", "m"], "m": 3},
    }
    assert patch.strategic(target, change, SCHEMA) == {
        "items": named("b"),
        "words": ["a"],
        "o": {"l": 2, "m": 3},
    }
    whole: JSONObject = {"items": [{"$patch": "replace"}, {"name": "z"}]}
    assert patch.strategic({"items": named("a")}, whole, SCHEMA) == {"items": named("z")}
