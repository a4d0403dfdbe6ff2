"""Label selectors: what they match, what they find through an index, what is wrong with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.codec import JSONObject, convert
from api.labels import LabelSelector, LabelSelectorRequirement, compile_selector
from registrar.errors import InvalidField

keys = st.sampled_from(["a", "b", "c"])
values = st.sampled_from(["", "1", "2"])
requirements = st.one_of(
    st.builds(
        LabelSelectorRequirement,
        key=keys,
        operator=st.sampled_from(["In", "NotIn"]),
        values=st.lists(values, min_size=1, max_size=3).map(tuple),
    ),
    st.builds(
        LabelSelectorRequirement, key=keys, operator=st.sampled_from(["Exists", "DoesNotExist"])
    ),
)
selectors = st.builds(
    LabelSelector,
    match_labels=st.dictionaries(keys, values, max_size=2),
    match_expressions=st.lists(requirements, max_size=3).map(tuple),
)
labels = st.dictionaries(keys, values)


def holds(requirement: LabelSelectorRequirement, carried: dict[str, str]) -> bool:
    """One requirement, word for word as the API documentation has it."""
    present = requirement.key in carried
    match requirement.operator:
        case "In":
            return present and carried[requirement.key] in requirement.values
        case "NotIn":
            return not present or carried[requirement.key] not in requirement.values
        case "Exists":
            return present
        case _:
            return not present


@given(selectors, labels)
def test_everything_that_is_asked_for_must_hold(
    selector: LabelSelector, carried: dict[str, str]
) -> None:
    wanted = selector.match_labels.items() <= carried.items() and all(
        holds(requirement, carried) for requirement in selector.match_expressions
    )
    assert compile_selector(selector, path="selector").matches(carried) is wanted


@given(selectors, st.lists(labels, max_size=20))
def test_an_index_finds_all_that_a_selector_matches(
    selector: LabelSelector, objects: list[dict[str, str]]
) -> None:
    matcher = compile_selector(selector, path="selector")
    pair = matcher.index_pair
    if pair is None:
        asks_for_values = selector.match_labels or any(
            requirement.operator == "In" for requirement in selector.match_expressions
        )
        assert not asks_for_values
        return
    key, allowed = pair
    candidates = [carried for carried in objects if carried.get(key) in allowed]
    assert [c for c in objects if matcher.matches(c)] == [
        c for c in candidates if matcher.matches(c)
    ]


def test_the_index_pair_is_the_one_with_the_fewest_values() -> None:
    selector = LabelSelector(
        match_labels={"b": "1"},
        match_expressions=(LabelSelectorRequirement(key="a", operator="In", values=("1", "2")),),
    )
    assert compile_selector(selector, path="selector").index_pair == ("b", frozenset({"1"}))


@pytest.mark.parametrize("selector", [None, LabelSelector()], ids=["absent", "empty"])
def test_without_requirements_everything_matches(selector: LabelSelector | None) -> None:
    matcher = compile_selector(selector, path="selector")
    assert matcher.matches({})
    assert matcher.matches({"a": "1"})
    assert matcher.index_pair is None


def test_a_selector_is_read_as_people_write_it() -> None:
    document: JSONObject = {
        "matchLabels": {"app": "web"},
        "matchExpressions": [{"key": "tier", "operator": "In", "values": ["front"]}],
    }
    matcher = compile_selector(convert(document, LabelSelector), path="selector")
    assert matcher.matches({"app": "web", "tier": "front", "more": ""})
    assert not matcher.matches({"app": "web"})


@pytest.mark.parametrize(
    ("selector", "path", "value", "remedy"),
    [
        ({"matchLabels": {"a b": "1"}}, "matchLabels[a b]", "a b", "not the key of a label"),
        ({"matchLabels": {"X/a": "1"}}, "matchLabels[X/a]", "X/a", "must be a DNS name"),
        ({"matchLabels": {"a": "b c"}}, "matchLabels[a]", "b c", "not the value of a label"),
        ({"matchExpressions": [{}]}, "matchExpressions[0].key", "", "not the key of a label"),
        (
            {"matchExpressions": [{"key": "a", "operator": "Equals"}]},
            "matchExpressions[0].operator",
            "Equals",
            "use In, NotIn, Exists or DoesNotExist",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "NotIn"}]},
            "matchExpressions[0].values",
            "[]",
            "NotIn needs at least one value",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["1", "2"]}]},
            "matchExpressions[0].values",
            "1, 2",
            "Exists takes no values: remove them",
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "-"]}]},
            "matchExpressions[0].values[1]",
            "-",
            "not the value of a label",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_mistake_is_named_with_its_path_and_remedy(
    selector: JSONObject, path: str, value: str, remedy: str
) -> None:
    with pytest.raises(InvalidField) as caught:
        compile_selector(convert(selector, LabelSelector), path="spec.podSelector")
    assert caught.value.path == f"spec.podSelector.{path}"
    assert caught.value.value == value
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("operator", "values", "carried", "words"),
    [
        ("In", ("b", "a"), {}, "'a' or 'b'"),
        ("NotIn", ("a",), {"k": "a"}, "anything but 'a'"),
        ("Exists", (), {}, "there, with any value"),
        ("DoesNotExist", (), {"k": "a"}, "absent"),
    ],
)
def test_the_requirement_that_does_not_hold_is_told(
    operator: str, values: tuple[str, ...], carried: dict[str, str], words: str
) -> None:
    wanted = LabelSelectorRequirement(key="k", operator=operator, values=values)
    selector = LabelSelector(match_expressions=(wanted,))
    unmet = compile_selector(selector, path="selector").unmet(carried)
    assert unmet is not None
    assert (unmet.key, str(unmet)) == ("k", words)
