"""Which entries are ours."""

import pytest

from registrar.claims.naming import Naming
from registrar.claims.ownership import check_prefix, default_prefix, entry_id, is_ours
from registrar.errors import InvalidField
from tests.support.builders import make_key

NAME = Naming("").candidate(make_key("/ns/a/sa/b"))


def test_the_default_prefix_names_cluster_and_instance() -> None:
    uid = "12345678-aaaa-bbbb-cccc-1234567890ab"
    assert default_prefix("west", uid, "") == "west-12345678"
    assert default_prefix("we.st", uid, "blue") == "we-st-12345678-blue"


def test_an_id_that_we_give_is_ours() -> None:
    assert is_ours("west-12345678", entry_id("west-12345678", NAME))


@pytest.mark.parametrize(
    "other",
    [
        NAME,
        f"east.{NAME}",
        f"west-1.{NAME}",
        f"west.east.{NAME}",
        "west.",
        "west.join-token-or-manual",
        "west",
        "0f3b7c9e-8a1d-4c55-9f1e-7d1b6a4c2e10",
    ],
)
def test_nothing_else_is_ours(other: str) -> None:
    assert not is_ours("west", other)


@pytest.mark.parametrize("bad", ["", "a b", "a/", "ends.", "x" * 200])
def test_a_prefix_that_cannot_be_an_entry_id_is_refused(bad: str) -> None:
    with pytest.raises(InvalidField, match="entry_id_prefix"):
        check_prefix(bad)
