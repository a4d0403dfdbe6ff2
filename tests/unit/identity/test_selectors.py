"""Selectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.errors import InvalidField
from registrar.identity.selectors import Selector, canonical, parse_selector

types = st.text(min_size=1).filter(lambda text: ":" not in text)


@given(types, st.text(min_size=1))
def test_what_is_printed_is_read_back(type_: str, value: str) -> None:
    selector = Selector(type_, value)
    assert parse_selector(str(selector), path="x") == selector


@pytest.mark.parametrize("bad", ["", "k8s", "k8s:", ":value", ":"])
def test_a_selector_without_type_or_value_is_refused(bad: str) -> None:
    with pytest.raises(InvalidField, match="type:value"):
        parse_selector(bad, path="x")


@given(st.lists(st.builds(Selector, st.text(), st.text())))
def test_the_canonical_order_is_that_of_the_set(selectors: list[Selector]) -> None:
    assert canonical(selectors) == canonical(set(selectors)) == canonical(reversed(selectors))
