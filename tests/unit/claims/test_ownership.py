"""Which entries are ours."""

import pytest

from registrar.claims.naming import Naming
from registrar.claims.ownership import (
    Ownership,
    Prefixes,
    check_prefix,
    default_prefixes,
    entry_id,
    is_ours,
    workload_prefixes,
)
from registrar.errors import InvalidField
from tests.support.builders import make_key

NAME = Naming("").candidate(make_key("/ns/a/sa/b"))


def test_the_default_prefix_names_cluster_and_instance() -> None:
    uid = "12345678-aaaa-bbbb-cccc-1234567890ab"
    assert default_prefixes("west", uid, "") == ("west-12345678", "")
    current, former = default_prefixes("we.st", uid, "blue")
    assert former == "we-st-12345678-blue"
    assert current.startswith("we-st-12345678-blue-")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (workload_prefixes("prod.eu", ""), workload_prefixes("prod-eu", "")),
        (workload_prefixes("x", "workload"), workload_prefixes("x-workload", "")),
        (workload_prefixes("x", "a-b"), workload_prefixes("x-workload-a", "b")),
        (default_prefixes("a", "0" * 36, "b-c"), default_prefixes("a", "0" * 36, "b.c")),
        (workload_prefixes("x" * 300, ""), workload_prefixes("x" * 301, "")),
    ],
)
def test_clusters_and_classes_that_differ_have_prefixes_that_differ(
    one: Prefixes, other: Prefixes
) -> None:
    assert check_prefix(one.current) != check_prefix(other.current)


def test_a_prefix_that_continues_ours_owns_its_entries_whatever_their_path() -> None:
    name = Naming("").candidate(make_key("/_"))
    assert is_ours("prod.eu", entry_id("prod.eu", name))
    assert not is_ours("prod", entry_id("prod.eu", name))


def test_a_prefix_to_clean_up_does_not_mean_one_that_continues_it() -> None:
    ownership = Ownership("new", cleanup="prod")
    uuid = "0f3b7c9e-8a1d-4c55-9f1e-7d1b6a4c2e10"
    assert ownership(f"prod.{uuid}")
    assert not ownership(f"prod.eu.{uuid}")


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
