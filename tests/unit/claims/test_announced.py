"""Pods that are announced and not seen yet."""

import msgspec

from api.meta import ObjectKey
from registrar.claims.announced import AnnouncedPods
from tests.support.builders import make_pod

KEY = ObjectKey("shop", "web-0")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_pod_is_known_from_its_announcement_until_it_is_seen() -> None:
    announced = AnnouncedPods(Clock())
    announced.announce(make_pod())
    assert announced.get(KEY) == make_pod()
    announced.seen(make_pod(uid="of an earlier one"))
    assert list(announced) == [KEY]
    announced.seen(make_pod())
    assert announced.get(KEY) is None


def test_without_a_uid_the_name_must_do() -> None:
    announced = AnnouncedPods(Clock())
    announced.announce(make_pod(uid=""))
    announced.seen(make_pod())
    assert announced.get(KEY) is None


def test_one_that_never_comes_is_given_up() -> None:
    clock = Clock()
    announced = AnnouncedPods(clock, grace_seconds=60)
    announced.announce(make_pod())
    clock.now = 30
    announced.announce(make_pod("web-1"))
    clock.now = 60
    assert announced.give_up() == [KEY]
    assert list(announced) == [ObjectKey("shop", "web-1")]


def test_a_deletion_is_remembered_until_a_new_pod_is_announced() -> None:
    announced = AnnouncedPods(Clock())
    announced.announce(make_pod())
    announced.withdraw(KEY)
    assert announced.get(KEY) is None
    assert announced.is_withdrawn(KEY)
    announced.announce(make_pod(uid="the next"))
    assert not announced.is_withdrawn(KEY)


def test_what_is_announced_is_not_given_up_for_another_of_its_name() -> None:
    announced = AnnouncedPods(Clock())
    assert announced.announce(make_pod())
    assert not announced.announce(make_pod(uid="one that will be refused"))
    assert announced.get(KEY) == make_pod()
    announced.withdraw(KEY)
    assert announced.announce(make_pod(uid="the next"))


def test_edits_count_unless_the_pod_goes() -> None:
    announced = AnnouncedPods(Clock())
    announced.amend(make_pod(labels={"a": "b"}))
    assert announced.get(KEY) == make_pod(labels={"a": "b"})
    announced.withdraw(KEY)
    announced.amend(make_pod())
    assert announced.get(KEY) is None
    going = make_pod("web-1")
    meta = msgspec.structs.replace(going.metadata, deletion_timestamp="2026-01-01T00:00:00Z")
    announced.amend(msgspec.structs.replace(going, metadata=meta))
    assert announced.get(going.key) is None


def test_the_entry_that_is_left_of_a_withdrawn_pod_is_told_from_that_of_a_new_one() -> None:
    announced = AnnouncedPods(Clock())
    assert not announced.saw_entry(KEY, 7)
    announced.withdraw(KEY)
    assert announced.saw_entry(KEY, 7)
    assert announced.saw_entry(KEY, 7)
    assert not announced.saw_entry(KEY, 9)
    assert not announced.is_withdrawn(KEY)
