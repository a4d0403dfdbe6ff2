"""Label selectors against a plain reading of them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devcluster.kubeapi.documents import JSONObject
from devcluster.kubeapi.selectors import label_matcher
from devcluster.kubeapi.status import APIError

KEYS = st.sampled_from(["a", "b", "example.com/c"])
VALUES = st.sampled_from(["", "x", "y", "10"])
LABELS = st.dictionaries(KEYS, VALUES)


def matches(selector: str, labels: dict[str, str]) -> bool:
    document: JSONObject = {"metadata": {"labels": {**labels}}}
    return label_matcher(selector)(document)


@given(KEYS, VALUES, LABELS)
def test_equality_and_its_opposite(key: str, value: str, labels: dict[str, str]) -> None:
    assert matches(f"{key}={value}", labels) == (labels.get(key) == value)
    assert matches(f"{key} == {value}", labels) == (labels.get(key) == value)
    assert matches(f"{key}!={value}", labels) == (labels.get(key) != value)


@given(KEYS, st.lists(VALUES, min_size=1, max_size=3), LABELS)
def test_sets_and_their_opposite(key: str, values: list[str], labels: dict[str, str]) -> None:
    listed = ",".join(values)
    assert matches(f"{key} in ({listed})", labels) == (labels.get(key) in values)
    assert matches(f"{key} notin ({listed})", labels) == (labels.get(key) not in values)


@given(KEYS, LABELS)
def test_presence_and_absence(key: str, labels: dict[str, str]) -> None:
    assert matches(key, labels) == (key in labels)
    assert matches(f"!{key}", labels) == (key not in labels)


@given(KEYS, KEYS, LABELS)
def test_terms_must_hold_together(one: str, other: str, labels: dict[str, str]) -> None:
    both = matches(f"{one},{other}=x", labels)
    assert both == (matches(one, labels) and matches(f"{other}=x", labels))


def test_numbers_are_compared() -> None:
    assert matches("a>9", {"a": "10"})
    assert not matches("a<9", {"a": "10"})
    assert not matches("a>9", {"a": "x"})


@pytest.mark.parametrize("selector", ["a b", "a in b", "a in (b", "=", "a=b=c", "a>x", "(", "a,,="])
def test_nonsense_is_refused(selector: str) -> None:
    with pytest.raises(APIError) as refused:
        label_matcher(selector)
    assert refused.value.code == 400


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused(selector: str) -> None:
    with contextlib.suppress(APIError):
        label_matcher(selector)({"metadata": {"labels": {"a": "b"}}})
