"""Wake-ups: each is served by one source, and none leads nowhere without a word."""

import pytest

from api.meta import ObjectKey
from controllers.wakeups import Wakeups, WiringError
from registrar.claims.claim import Claimant
from tests.support.builders import make_key


def test_a_served_wake_up_reaches_its_queue() -> None:
    wake, seen = Wakeups(), list[str]()
    wake.record.serve(seen.append)
    wake.record("a")
    assert seen == ["a"]


def test_a_wake_up_that_nobody_serves_is_an_error() -> None:
    with pytest.raises(WiringError, match="entry"):
        Wakeups().entry(make_key("/a"))


def test_two_sources_cannot_serve_one_wake_up() -> None:
    wake = Wakeups()
    wake.record.serve(print)
    with pytest.raises(WiringError, match="record"):
        wake.record.serve(print)


def test_what_is_not_wired_is_named_at_the_start() -> None:
    wake = Wakeups()
    with pytest.raises(WiringError, match=r"no source serves \['record'\]"):
        wake.check(unused=wake.unserved() - {"record"})


def test_what_is_called_unused_must_be_so() -> None:
    wake = Wakeups()
    unserved = wake.unserved()
    wake.pod.serve(print)
    with pytest.raises(WiringError, match=r"served although unused: \['pod'\]"):
        wake.check(unused=unserved)


def test_an_unused_wake_up_leads_nowhere_after_the_check() -> None:
    wake = Wakeups()
    wake.check(unused=wake.unserved())
    wake.pod(ObjectKey("shop", "web"))


def test_statuses_are_served_by_kind() -> None:
    wake, seen = Wakeups(), list[ObjectKey]()
    wake.status.of("SpiffeID").serve(seen.append)
    wake.status(Claimant("SpiffeID", "shop", "web"))
    assert seen == [ObjectKey("shop", "web")]
    with pytest.raises(WiringError, match="SpiffeID"):
        wake.status.of("SpiffeID").serve(seen.append)


def test_a_kind_without_statuses_must_be_named() -> None:
    wake = Wakeups()
    with pytest.raises(WiringError, match="Node"):
        wake.status(Claimant("Node", "", "one"))
    wake.status.leave_out({"Node"})
    wake.status(Claimant("Node", "", "one"))
