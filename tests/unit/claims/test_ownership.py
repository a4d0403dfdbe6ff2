"""Which entries are ours."""

import re

import pytest

from registrar.claims.naming import Naming
from registrar.claims.ownership import (
    MAX_PREFIX_LENGTH,
    Ownership,
    Prefixes,
    check_prefix,
    default_prefixes,
    entry_id,
    is_ours,
    owner_lease,
    static_prefixes,
    workload_prefixes,
)
from registrar.errors import InvalidField
from registrar.settings.model import MODES, ModeName
from tests.support.builders import make_key

NAME = Naming("").candidate(make_key("/ns/a/sa/b"))


UID = "12345678-aaaa-bbbb-cccc-1234567890ab"


def test_the_default_prefix_names_cluster_and_mode() -> None:
    layered = default_prefixes("west", UID, "layered", "")
    assert layered == Prefixes("west-12345678-layered", ("west-12345678",))
    crd = workload_prefixes("west", "crd", "")
    assert crd == Prefixes("west-workload-crd", ("west-workload",))
    assert static_prefixes("west", "") == Prefixes("west-static")


def test_the_former_prefixes_are_those_of_the_two_versions_before() -> None:
    current, former = default_prefixes("we.st", UID, "controller-manager", "blue")
    assert re.fullmatch("we-st-12345678-controller-manager-blue-[0-9a-f]{8}", current)
    # As they were given, to the letter.
    assert former == ("we-st-12345678-blue-f3e42489", "we-st-12345678-blue")


def every_prefix(cluster: str, class_name: str) -> list[str]:
    """The prefix of each mode."""
    found = [default_prefixes(cluster, UID, mode, class_name).current for mode in MODES]
    found += [workload_prefixes(cluster, mode, class_name).current for mode in MODES]
    return [*found, static_prefixes(cluster, class_name).current]


def test_no_two_modes_or_classes_have_one_prefix() -> None:
    classes = ["", "blue", "a-b", "a.b", *MODES]
    found = [prefix for name in classes for prefix in every_prefix("west", name)]
    assert len(set(found)) == len(found)
    assert all(check_prefix(prefix) for prefix in found)


@pytest.mark.parametrize("class_name", ["", "blue", "workload", "static", *MODES])
@pytest.mark.parametrize("mode", MODES)
def test_no_former_prefix_is_one_that_a_mode_has_now(mode: ModeName, class_name: str) -> None:
    taken = {prefix for name in ("", "blue") for prefix in every_prefix("west", name)}
    for prefixes in (
        default_prefixes("west", UID, mode, class_name),
        workload_prefixes("west", mode, class_name),
    ):
        assert not taken & set(prefixes.former)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (workload_prefixes("prod.eu", "crd", ""), workload_prefixes("prod-eu", "crd", "")),
        (workload_prefixes("x", "crd", "workload"), workload_prefixes("x-workload", "crd", "")),
        (workload_prefixes("x", "crd", "a-b"), workload_prefixes("x-workload-a", "crd", "b")),
        (
            default_prefixes("a", "0" * 36, "layered", "b-c"),
            default_prefixes("a", "0" * 36, "layered", "b.c"),
        ),
        (workload_prefixes("x" * 300, "crd", ""), workload_prefixes("x" * 301, "crd", "")),
    ],
)
def test_clusters_and_classes_that_differ_have_prefixes_that_differ(
    one: Prefixes, other: Prefixes
) -> None:
    assert check_prefix(one.current) != check_prefix(other.current)


@pytest.mark.parametrize(
    "prefix", ["west-12345678-layered", "a.b", "A.b", "-a-", "a..b", "a_b", "x" * MAX_PREFIX_LENGTH]
)
def test_the_owners_lease_has_a_name_that_an_object_may_have(prefix: str) -> None:
    name = owner_lease(check_prefix(prefix))
    assert len(name) <= 253
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", name)


def test_prefixes_that_differ_have_leases_that_differ() -> None:
    prefixes = ["a.b", "A.b", "a-b", "a_b", "A-B", "a-b-", "-a-b"]
    assert len({owner_lease(prefix) for prefix in prefixes}) == len(prefixes)
    assert owner_lease("a-b") == "spire-registrar-a-b"


def test_what_an_earlier_version_made_is_ours_only_by_a_record() -> None:
    former = entry_id("west", NAME)
    assert not Ownership("west-layered")(former)
    assert Ownership("west-layered", recorded=frozenset({former}))(former)


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
