"""Schemas at work: pruning, defaults, validation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devcluster.kubeapi import shaping, validation
from devcluster.kubeapi.documents import JSONObject, JSONValue, copy_of
from devcluster.kubeapi.schema import Schema, parse

SHAPE = parse(
    {
        "type": "object",
        "properties": {
            "a": {"type": "object", "properties": {"b": {"type": "string", "default": "x"}}},
            "made": {
                "type": "object",
                "default": {},
                "properties": {"n": {"type": "integer", "default": 1}},
            },
            "list": {
                "type": "array",
                "items": {"type": "object", "properties": {"k": {"type": "integer", "default": 2}}},
            },
            "map": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "properties": {"v": {"type": "string"}},
                },
            },
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "pod": {
                "type": "object",
                "x-kubernetes-embedded-resource": True,
                "properties": {"spec": {"type": "object"}},
            },
        },
    }
)
KEYS = st.sampled_from(["a", "b", "made", "n", "list", "k", "map", "v", "free", "other"])
DOCUMENTS: st.SearchStrategy[JSONObject] = st.dictionaries(
    KEYS,
    st.recursive(
        st.integers(0, 3) | st.text(max_size=2),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=8,
    ),
)


def test_unknown_fields_go_and_are_named() -> None:
    document: JSONObject = {
        "a": {"b": "y", "x": 1},
        "list": [{"k": 1}, {"x": 1}],
        "map": {"any": {"v": "1", "x": 1}},
        "free": {"x": {"y": 1}},
        "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "x": 1},
        "x": 1,
    }
    dropped = shaping.prune(document, SHAPE)
    assert sorted(dropped) == ["a.x", "list[1].x", "map.any.x", "pod.x", "x"]
    assert document == {
        "a": {"b": "y"},
        "list": [{"k": 1}, {}],
        "map": {"any": {"v": "1"}},
        "free": {"x": {"y": 1}},
        "pod": {"apiVersion": "v1", "kind": "Pod", "metadata": {}},
    }


def test_defaults_appear_where_their_parent_is() -> None:
    document: JSONObject = {"a": {}, "list": [{}, {"k": 5}]}
    shaping.fill_defaults(document, SHAPE)
    assert document == {"a": {"b": "x"}, "list": [{"k": 2}, {"k": 5}], "made": {"n": 1}}


def test_a_default_is_not_shared_between_documents() -> None:
    first: JSONObject = {}
    second: JSONObject = {}
    shaping.fill_defaults(first, SHAPE)
    shaping.fill_defaults(second, SHAPE)
    assert first["made"] is not second["made"]


@given(DOCUMENTS)
def test_shaping_twice_changes_nothing_more(document: JSONObject) -> None:
    shaping.prune(document, SHAPE)
    shaping.fill_defaults(document, SHAPE)
    shaped = copy_of(document)
    assert shaping.prune(document, SHAPE) == []
    shaping.fill_defaults(document, SHAPE)
    assert document == shaped


@pytest.mark.parametrize(
    ("source", "good", "bad"),
    [
        ({"type": "string", "minLength": 2}, "ab", "a"),
        ({"type": "string", "maxLength": 2}, "ab", "abc"),
        ({"type": "string", "pattern": "^a+$"}, "aa", "ab"),
        ({"type": "string", "enum": ["a"]}, "a", "b"),
        ({"type": "string", "format": "date-time"}, "2024-01-02T03:04:05Z", "yesterday"),
        ({"type": "string", "format": "date"}, "2024-01-02", "2024-13-02"),
        ({"type": "string", "format": "uuid"}, "0" * 8 + "-0000" * 3 + "-" + "0" * 12, "0"),
        ({"type": "string", "format": "byte"}, "YQ==", "!"),
        ({"type": "string", "format": "ipv4"}, "10.0.0.1", "::1"),
        ({"type": "string", "format": "ipv6"}, "::1", "10.0.0.1"),
        ({"type": "string", "format": "cidr"}, "10.0.0.0/8", "10.0.0.0"),
        ({"type": "integer", "minimum": 1}, 1, 0),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, 2, 1),
        ({"type": "integer", "maximum": 1}, 1, 2),
        ({"type": "integer", "multipleOf": 3}, 6, 7),
        ({"type": "integer", "format": "int32"}, 2**31 - 1, 2**31),
        ({"type": "integer"}, 1, 1.5),
        ({"type": "integer"}, 1, True),
        ({"type": "number"}, 1, "1"),
        ({"type": "boolean"}, True, 0),
        ({"type": "string", "nullable": True}, None, 1),
        ({"type": "string"}, "", None),
        ({"type": "array", "minItems": 1}, [1], []),
        ({"type": "array", "maxItems": 1}, [1], [1, 2]),
        ({"type": "array", "x-kubernetes-list-type": "set"}, [1, 2], [1, 1]),
        ({"type": "object", "required": ["a"]}, {"a": 1}, {}),
        ({"type": "object", "minProperties": 1}, {"a": 1}, {}),
        ({"type": "object", "maxProperties": 1}, {"a": 1}, {"a": 1, "b": 2}),
        ({"x-kubernetes-int-or-string": True}, "1", 1.5),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, 1, []),
        ({"oneOf": [{"minimum": 3}, {"maximum": 5}]}, 1, 4),
        ({"allOf": [{"minimum": 3}, {"maximum": 5}]}, 4, 6),
    ],
    ids=lambda value: str(value)[:60],
)
def test_limits_hold(source: JSONObject, good: JSONValue, bad: JSONValue) -> None:
    schema: Schema = parse(source)
    assert validation.validate(good, schema, "f") == []
    causes = validation.validate(bad, schema, "f")
    assert causes
    assert {cause.field.partition(".")[0].partition("[")[0] for cause in causes} == {"f"}


def test_items_of_a_keyed_list_are_told_apart_by_keys_and_their_defaults() -> None:
    schema = parse(
        {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port", "protocol"],
            "items": {
                "type": "object",
                "properties": {
                    "port": {"type": "integer"},
                    "protocol": {"type": "string", "default": "TCP"},
                },
            },
        }
    )
    fine: list[JSONValue] = [{"port": 1}, {"port": 1, "protocol": "UDP"}]
    assert validation.validate(fine, schema, "f") == []
    double: list[JSONValue] = [{"port": 1}, {"port": 1, "protocol": "TCP"}]
    assert [cause.field for cause in validation.validate(double, schema, "f")] == ["f[1]"]
