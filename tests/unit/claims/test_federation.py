"""Which trust domains an entry has now, and which it waits for."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.claims.claim import Claimant
from registrar.claims.federation import (
    FEDERATION_PENDING,
    Federating,
    Federation,
    began_waiting,
    matches,
    pending_condition,
    resolve,
)
from registrar.claims.marks import Marks
from registrar.identity.entry import EntryKey

DOMAINS = st.sampled_from(["a.test", "b.test", "c.example"])


def key(name: str) -> EntryKey:
    return EntryKey.of(f"spiffe://x/{name}", "spiffe://x/p", [])


@given(pattern=st.text(alphabet="ab.*", max_size=12), domain=st.text(alphabet="ab.", max_size=12))
def test_a_pattern_matches_as_a_regular_expression_would(pattern: str, domain: str) -> None:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert matches(pattern, domain) == bool(re.fullmatch(expression, domain))


@pytest.mark.parametrize("pattern", ["*" * 200 + "x", "a*" * 100 + "b", "*a" * 120])
def test_a_hostile_pattern_is_compared_at_once(pattern: str) -> None:
    assert not matches(pattern, "a" * 255 + "-")


@pytest.mark.parametrize(
    ("wanted", "known", "expected"),
    [
        ([], {"a.test"}, Federation()),
        (["a.test"], {"a.test"}, Federation(("a.test",))),
        (["b.test"], {"a.test"}, Federation((), ("b.test",))),
        (["b.test", "a.test"], {"a.test"}, Federation(("a.test",), ("b.test",))),
        (["*"], {"b.test", "a.test"}, Federation(("a.test", "b.test"))),
        (["*.test"], {"a.test", "c.example"}, Federation(("a.test",))),
        (["*.none"], {"a.test"}, Federation()),
        (["b.test", "*"], None, Federation(("b.test",))),
    ],
)
def test_what_is_wanted_is_split_by_what_is_known(
    wanted: list[str], known: set[str] | None, expected: Federation
) -> None:
    assert resolve(wanted, known) == expected


@pytest.mark.parametrize(
    ("pattern", "domain", "is_match"),
    [
        ("*", "a.test", True),
        ("*.test", "a.test", True),
        ("*.test", "test", False),
        ("a*t", "a.test", True),
        ("a.test", "axtest", False),
        ("**", "a", True),
    ],
)
def test_a_star_stands_for_any_characters(pattern: str, domain: str, is_match: bool) -> None:
    assert matches(pattern, domain) is is_match


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.sets(DOMAINS | st.just("*")))), DOMAINS)
def test_a_new_bundle_wakes_those_that_asked_for_it(
    steps: list[tuple[str, set[str]]], domain: str
) -> None:
    federating, model = Federating(), {}
    for name, wanted in steps:
        federating.note(key(name), tuple(sorted(wanted)))
        model[name] = wanted
    expected = {key(name) for name, wanted in model.items() if wanted & {domain, "*"}}
    assert federating.touched([domain]) == expected


def test_an_event_is_due_only_when_the_waiting_changes() -> None:
    none, one = pending_condition((), "t"), pending_condition(("a.test",), "t")
    assert none == ()
    assert one[0].type == FEDERATION_PENDING
    assert "a.test" in began_waiting(none, one)
    assert began_waiting(one, one) == ""
    assert began_waiting(one, none) == ""


def test_marks_are_counted_for_each_object_that_asks() -> None:
    marks, one, two = Marks(), Claimant("K", "", "one"), Claimant("K", "", "two")
    assert marks.mark(key("a"), [one, two]) == {one, two}
    assert marks.mark(key("a"), [one, two]) == set()
    assert marks.mark(key("b"), [one]) == {one}
    assert (len(marks.of(one)), len(marks.of(two))) == (2, 1)
    assert marks.any()
    assert marks.mark(key("a"), [two]) == {one}
    assert marks.mark(key("a"), []) == {two}
    assert marks.mark(key("b"), []) == {one}
    assert not marks.any()
    assert marks.of(one) == frozenset()
