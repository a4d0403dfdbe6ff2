"""Decoding and merge patches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.codec import DecodeError, JSONObject, JSONValue, convert, merge_diff, to_json
from api.meta import ObjectMeta, OwnerReference
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId

values = st.recursive(
    st.one_of(st.booleans(), st.integers(-5, 5), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)
objects = st.dictionaries(st.text(max_size=3), values, max_size=4)


def merged(old: JSONValue, patch: JSONValue) -> JSONValue:
    """The algorithm of RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    result: JSONObject = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


@given(objects, objects)
def test_a_merge_patch_makes_the_new_object_out_of_the_old(
    old: JSONObject, new: JSONObject
) -> None:
    assert merged(old, merge_diff(old, new)) == new


def test_a_wrong_type_is_named_with_its_path() -> None:
    with pytest.raises(DecodeError, match=r"\$\.spec\.ttl"):
        convert({"spec": {"spiffeId": "x", "selector": {}, "ttl": "an hour"}}, ClusterSpiffeId)


def test_a_typed_object_becomes_json_with_lists() -> None:
    meta = ObjectMeta(name="a", owner_references=(OwnerReference(name="b"),))
    assert to_json(meta) == {"name": "a", "ownerReferences": [{"name": "b"}]}
