"""Whose class an object has decides who handles it."""

import pytest

from registrar.claims.classes import by_class
from registrar.claims.unmet import OTHER_CLASS, Unmet


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


def test_the_class_that_an_object_would_need_is_told() -> None:
    mine = by_class("mine", watch_classless=True)
    assert mine.unmet("other") == Unmet(OTHER_CLASS, "spec.className", "'mine' or absent", "other")
    assert by_class("").unmet("a") == Unmet(OTHER_CLASS, "spec.className", "absent", "a")
    assert by_class("mine").unmet("") == Unmet(OTHER_CLASS, "spec.className", "'mine'")
