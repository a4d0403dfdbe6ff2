"""The store: objects, indexes, and what we know better than the watch."""

import pytest

from api.core import Namespace
from api.meta import ObjectKey, ObjectMeta
from registrar.kube.store import Change, Store


def a_namespace(name: str = "a", version: int = 1, uid: str = "u1", team: str = "") -> Namespace:
    labels = {"team": team} if team else {}
    return Namespace(
        metadata=ObjectMeta(name=name, resource_version=str(version), uid=uid, labels=labels)
    )


KEY = ObjectKey("", "a")


def by_team(namespace: Namespace) -> list[str]:
    return [team for label, team in namespace.metadata.labels.items() if label == "team"]


@pytest.fixture(params=[None, Namespace], ids=["plain", "packed"])
def store(request: pytest.FixtureRequest) -> Store[Namespace]:
    packed: type[Namespace] | None = request.param
    return Store({"team": by_team}, packed=packed)


def listed(store: Store[Namespace], version: int, *objects: Namespace) -> list[Change[Namespace]]:
    listing = store.begin_list()
    listing.begin(version)
    changes = [change for obj in objects if (change := listing.take(obj)) is not None]
    return changes + listing.finish()


def test_an_object_is_found_by_its_key_and_by_its_index_values(store: Store[Namespace]) -> None:
    store.put(a_namespace(team="blue"))
    assert store.get(KEY) is not None
    assert store.by_index("team", "blue") == {KEY}
    assert len(store) == 1


def test_a_changed_object_moves_to_its_new_index_value(store: Store[Namespace]) -> None:
    store.put(a_namespace(team="blue"))
    old = store.put(a_namespace(version=2, team="red"))
    assert old is not None
    assert old.metadata.labels == {"team": "blue"}
    assert store.by_index("team", "blue") == frozenset()
    assert store.by_index("team", "red") == {KEY}


def test_a_removed_object_leaves_every_index(store: Store[Namespace]) -> None:
    store.put(a_namespace(team="blue"))
    assert store.remove(KEY) is not None
    assert store.by_index("team", "blue") == frozenset()
    assert store.remove(KEY) is None


def test_an_assumed_object_survives_older_watch_events(store: Store[Namespace]) -> None:
    store.observe(a_namespace(version=5))
    assert store.assume(a_namespace(version=9, team="red"))
    assert store.observe(a_namespace(version=7, team="blue")) is None
    assert store.by_index("team", "red") == {KEY}


def test_a_newer_event_replaces_an_assumed_object(store: Store[Namespace]) -> None:
    assert store.assume(a_namespace(version=9, team="red"))
    change = store.observe(a_namespace(version=10, team="blue"))
    assert change is not None
    assert store.by_index("team", "blue") == {KEY}


def test_an_object_that_was_deleted_before_our_reply_came_is_not_revived(
    store: Store[Namespace],
) -> None:
    store.observe(a_namespace(version=9))
    store.observe_deleted(a_namespace(version=11).metadata)
    assert not store.assume(a_namespace(version=9))
    assert store.get(KEY) is None


def test_a_bookmark_beyond_our_write_means_that_the_store_knows_better(
    store: Store[Namespace],
) -> None:
    store.advance(20)
    assert not store.assume(a_namespace(version=9))


def test_an_assumed_deletion_hides_later_events_about_the_same_object(
    store: Store[Namespace],
) -> None:
    store.observe(a_namespace(version=5))
    assert store.assume_deleted(KEY, "u1")
    assert store.observe(a_namespace(version=6)) is None
    assert store.get(KEY) is None


def test_an_assumed_deletion_does_not_hide_a_new_object_of_that_name(
    store: Store[Namespace],
) -> None:
    store.observe(a_namespace(version=5))
    assert store.assume_deleted(KEY, "u1")
    assert store.observe(a_namespace(version=8, uid="u2")) is not None
    assert store.get(KEY) is not None


def test_a_deletion_of_another_object_than_ours_is_not_assumed(store: Store[Namespace]) -> None:
    store.observe(a_namespace(version=5, uid="u2"))
    assert not store.assume_deleted(KEY, "u1")
    assert store.get(KEY) is not None


def test_the_late_deletion_of_a_predecessor_does_not_take_out_an_assumed_successor(
    store: Store[Namespace],
) -> None:
    store.observe(a_namespace(version=5))
    store.assume_deleted(KEY, "u1")
    assert store.assume(a_namespace(version=9, uid="u2"))
    assert store.observe_deleted(a_namespace(version=8).metadata) is None
    assert store.get(KEY) is not None


def test_a_list_announces_only_what_differs(store: Store[Namespace]) -> None:
    listed(store, 5, a_namespace("a"), a_namespace("b"), a_namespace("c"))
    changes = listed(store, 9, a_namespace("a"), a_namespace("b", version=7))
    assert {(str(c.key), c.old is None, c.new is None) for c in changes} == {
        ("b", False, False),
        ("c", False, True),
    }


def test_a_list_does_not_take_out_what_was_created_after_it(store: Store[Namespace]) -> None:
    listing = store.begin_list()
    listing.begin(5)
    assert store.assume(a_namespace(version=6))
    assert listing.finish() == []
    assert store.get(KEY) is not None


def test_a_list_does_not_undo_an_own_write_that_is_newer(store: Store[Namespace]) -> None:
    listed(store, 5, a_namespace(version=4, team="blue"))
    assert store.assume(a_namespace(version=8, team="red"))
    assert listed(store, 6, a_namespace(version=4, team="blue")) == []
    assert store.by_index("team", "red") == {KEY}


def test_a_stale_event_does_not_break_a_newer_own_write(store: Store[Namespace]) -> None:
    assert store.assume(a_namespace(version=8))
    assert store.observe_broken(a_namespace(version=6).metadata, "bad field") is None
    assert not store.broken


def test_a_list_takes_out_an_assumed_object_that_is_older_than_the_list(
    store: Store[Namespace],
) -> None:
    assert store.assume(a_namespace(version=6))
    assert [change.new for change in listed(store, 9)] == [None]


def test_a_list_confirms_deletions_that_were_assumed_before_it(store: Store[Namespace]) -> None:
    listed(store, 5, a_namespace(version=5))
    store.assume_deleted(KEY, "u1")
    # The deletion did not happen after all: the object is in a list requested later.
    assert len(listed(store, 9, a_namespace(version=5))) == 1
    assert store.get(KEY) is not None


def test_a_list_under_way_does_not_revive_what_was_deleted_meanwhile(
    store: Store[Namespace],
) -> None:
    listed(store, 5, a_namespace(version=5))
    listing = store.begin_list()
    store.assume_deleted(KEY, "u1")
    listing.begin(6)
    assert listing.take(a_namespace(version=5)) is None
    assert listing.finish() == []
    assert store.get(KEY) is None


def test_a_server_that_went_back_in_time_is_believed(store: Store[Namespace]) -> None:
    listed(store, 100, a_namespace(version=90, team="red"))
    assert len(listed(store, 50, a_namespace(version=40, team="blue"))) == 1
    assert store.by_index("team", "blue") == {KEY}
    assert store.observe(a_namespace(version=51, team="green")) is not None


def test_an_object_that_does_not_decode_keeps_its_last_good_state_until_it_does(
    store: Store[Namespace],
) -> None:
    good = a_namespace(version=5)
    store.observe(good)
    change = store.observe_broken(a_namespace(version=6).metadata, "bad field")
    assert change is not None
    assert (change.new, change.error) == (good, "bad field")
    assert store.get(KEY) == good
    assert store.broken[KEY].error == "bad field"
    store.observe(a_namespace(version=7))
    assert not store.broken


def test_a_broken_object_that_vanishes_is_no_longer_broken(store: Store[Namespace]) -> None:
    store.observe_broken(a_namespace(version=6).metadata, "bad field")
    changes = listed(store, 9)
    assert [change.key for change in changes] == [KEY]
    assert not store.broken


def test_a_late_reply_does_not_put_an_older_version_over_one_that_does_not_decode() -> None:
    store: Store[Namespace] = Store()
    ours = Namespace(metadata=ObjectMeta(name="a", uid="u", resource_version="2"))
    listing = store.begin_list()
    listing.begin(5)
    listing.take_broken(ObjectMeta(name="a", uid="u", resource_version="4"), "unreadable")
    assert not store.assume(ours)
    listing.finish()
    assert [key.name for key in store.broken] == ["a"]


def test_a_list_announces_what_only_a_write_of_ours_brought(store: Store[Namespace]) -> None:
    """Its result may hold what somebody else wrote just before, which no watch showed."""
    listed(store, 1, a_namespace())
    assert store.assume(a_namespace(version=3, team="blue"))
    changes = listed(store, 4, a_namespace(version=3, team="blue"))
    assert [change.key for change in changes] == [KEY]
    assert listed(store, 5, a_namespace(version=3, team="blue")) == []
