"""Whose class an object has decides who handles it."""

import pytest

from registrar.claims.classes import by_class


@pytest.mark.parametrize(
    ("own", "watch_classless", "handled"),
    [
        ("", False, {""}),
        ("", True, {""}),
        ("mine", False, {"mine"}),
        ("mine", True, {"mine", ""}),
    ],
)
def test_an_object_is_ours_by_its_class(
    own: str,
    watch_classless: bool,
    handled: set[str],
) -> None:
    is_handled = by_class(own, watch_classless=watch_classless)
    classes = ("", "mine", "other", "Mine", "min")
    assert {name for name in classes if is_handled(name)} == handled
