"""The record of federation relationships: its text, the hash of a bundle, when one is given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.codec import DecodeError
from registrar.claims.federationrecord import (
    NO_BUNDLE,
    Noted,
    bundle_hash,
    dump_record,
    is_given,
    parse_record,
)
from registrar.identity.bundle import Bundle

noted = st.builds(Noted, st.booleans(), st.booleans(), st.text(max_size=5))


@given(st.dictionaries(st.text(max_size=5), noted, max_size=4))
def test_a_record_is_read_back_as_it_was(rows: dict[str, Noted]) -> None:
    assert parse_record(dump_record(rows)) == rows


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a.test": 1}', '{"a.test": {"made": "x"}}'])
def test_what_is_no_record_is_an_error(text: str) -> None:
    with pytest.raises(DecodeError):
        parse_record(text)


def test_what_a_later_version_may_write_is_passed_over() -> None:
    text = '{"a.test": {"made": ["relationship", "moon"], "more": 1}}'
    assert parse_record(text) == {"a.test": Noted(relationship=True)}


def test_bundles_that_vouch_for_the_same_have_one_hash() -> None:
    one = Bundle("a.test", (b"x", b"y"), (("k", b"1"), ("l", b"2")), 5, 1)
    same = Bundle("a.test", (b"y", b"x", b"x"), (("l", b"2"), ("k", b"1")), 7, 2)
    assert bundle_hash(one) == bundle_hash(same)


def test_other_keys_have_another_hash() -> None:
    bundles = [
        None,
        Bundle("a.test"),
        Bundle("a.test", (b"x",)),
        Bundle("a.test", (b"xy",)),
        Bundle("a.test", (b"x", b"y")),
        Bundle("a.test", (), (("", b"x"),)),
        Bundle("a.test", (), (("x", b""),)),
    ]
    assert len({bundle_hash(bundle) for bundle in bundles}) == len(bundles)


@pytest.mark.parametrize(
    ("known", "is_held", "is_linked", "was_ready", "expected"),
    [
        ("", False, False, False, True),
        ("new", False, True, True, True),
        ("new", True, True, True, False),
        ("old", True, True, True, True),
        (NO_BUNDLE, True, True, True, True),
        ("old", True, False, False, True),
        ("new", True, False, False, False),
        ("", True, True, False, False),
        ("", True, False, True, False),
        ("", True, False, False, True),
    ],
    ids=[
        "the first",
        "lost by the server",
        "as it was",
        "another one",
        "the first after none",
        "another one for a new relationship",
        "a relationship that was deleted by hand",
        "somebody's relationship",
        "an earlier version's that was deleted by hand",
        "a new object where somebody set a bundle",
    ],
)
def test_a_bundle_is_given_where_there_is_none_or_it_has_changed(
    known: str, *, is_held: bool, is_linked: bool, was_ready: bool, expected: bool
) -> None:
    facts = {"is_held": is_held, "is_linked": is_linked, "was_ready": was_ready}
    assert is_given("new", known=known, **facts) is expected
    assert not is_given(NO_BUNDLE, known=known, **facts)
