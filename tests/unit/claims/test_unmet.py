"""Conditions that do not hold, in words."""

import pytest

from registrar.claims import unmet
from registrar.claims.unmet import NOT_ASKED_FOR, Unmet, not_bound

_REASONS = [getattr(unmet, name) for name in dir(unmet) if name.isupper() and name[0] != "_"]


@pytest.mark.parametrize("reason", _REASONS)
def test_every_reason_has_a_remedy(reason: str) -> None:
    assert Unmet(reason, "spec.x", "y").remedy


def test_both_values_are_told() -> None:
    one = Unmet(NOT_ASKED_FOR, "metadata.labels[a]", "'b'", "c\x1b")
    assert one.message == "metadata.labels[a] is 'c\\x1b', it must be 'b'"
    assert "metadata.labels[a] = 'b'" in one.remedy


def test_what_is_not_there_is_said_not_to_be() -> None:
    one = not_bound("")
    assert one is not None
    assert one.message == "spec.nodeName is not there, it must be the name of a node"
    assert not_bound("n") is None
