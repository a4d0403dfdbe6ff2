"""What people may type into the form, and what they are told where it means nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager.explain.subjects import ENTRY, SPIFFE_ID, Subject
from manager.statuspage.search import KINDS, MOST_LENGTH, searched
from registrar.errors import InvalidField


def search(written: str, kind: str = "any") -> Subject:
    return searched(kind, written, trust_domain="example.org")


@pytest.mark.parametrize(
    ("kind", "written", "expected"),
    [
        ("any", "shop/web-1", Subject("Pod", "shop", "web-1")),
        ("any", "  shop/web-1 ", Subject("Pod", "shop", "web-1")),
        ("pod", "entry/web-1", Subject("Pod", "entry", "web-1")),
        ("any", "spiffe://example.org/a/b", Subject(SPIFFE_ID, "", "spiffe://example.org/a/b")),
        ("any", "test-1f0a7b3c.a.b", Subject(ENTRY, "", "test-1f0a7b3c.a.b")),
        ("entry", "a/b:c", Subject(ENTRY, "", "a/b:c")),
    ],
)
def test_what_is_meant_is_known_by_its_form(kind: str, written: str, expected: Subject) -> None:
    assert search(written, kind) == expected


@pytest.mark.parametrize(
    ("kind", "written", "remedy"),
    [
        ("any", "", "write NAMESPACE/NAME"),
        ("pod", "web-1", "write a Pod as NAMESPACE/NAME"),
        ("pod", "a/b/c", "write a Pod as NAMESPACE/NAME"),
        ("any", "Shop/web-1", "no object can have that name"),
        ("any", "shop/", "write KIND/NAME|NAMESPACE/NAME"),
        ("spiffe-id", "web", "starts with spiffe://example.org/"),
        ("any", "spiffe://other.org/a", "example.org"),
        ("entry", "a b", "ASCII without spaces"),
        ("node", "a", "choose one of"),
        ("any", "x" * (MOST_LENGTH + 1), "more than"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_remedy(
    kind: str, written: str, remedy: str
) -> None:
    with pytest.raises(InvalidField) as error:
        search(written, kind)
    assert any(part in str(error.value) for part in remedy.split("|"))


@given(st.text(), st.text() | st.sampled_from(sorted(KINDS)))
def test_any_text_is_a_subject_or_is_refused(written: str, kind: str) -> None:
    try:
        found = search(written, kind)
    except InvalidField:
        return
    assert found.name
