"""How long calls wait for a first SVID, and when a person is told."""

import pytest

from registrar.csi.patience import LONGEST_SECONDS, Patience

KUBELET_SECONDS = 120.0


def test_each_further_call_for_a_volume_waits_longer_and_leaves_time_to_tell_why() -> None:
    patience, now, waits = Patience(30.0), 1000.0, []
    for _ in range(5):
        wait = patience.called("a", now, KUBELET_SECONDS)
        waits.append(wait.seconds)
        now += wait.seconds
    assert waits == [30.0, 60.0, 90.0, 100.0, 100.0]
    assert patience.called("b", now, KUBELET_SECONDS).seconds == 30.0
    patience.forget("a")
    assert patience.called("a", now, KUBELET_SECONDS).seconds == 30.0


@pytest.mark.parametrize(
    ("first", "remaining", "least", "most"),
    [
        (30.0, None, 30.0, 30.0),
        (100.0, KUBELET_SECONDS, 100.0, 100.0),
        # Of a caller that gives less than the setting, some is left to answer in.
        (100.0, 60.0, 50.0, 59.0),
        (30.0, 6.0, 5.0, 5.9),
        (30.0, 0.0, 0.0, 0.0),
        (30.0, -1.0, 0.0, 0.0),
    ],
)
def test_a_call_ends_before_its_deadline(
    first: float, remaining: float | None, least: float, most: float
) -> None:
    patience = Patience(first)
    assert least <= patience.called("a", 0.0, remaining).seconds <= most


def test_a_person_is_told_when_a_normal_wait_is_long_over_whichever_call_it_is() -> None:
    patience = Patience(30.0)
    assert patience.called("a", 100.0, KUBELET_SECONDS).said_in_seconds == 20.0
    assert patience.called("a", 112.0, KUBELET_SECONDS).said_in_seconds == 8.0
    assert patience.called("a", 150.0, KUBELET_SECONDS).said_in_seconds == 0.0
    # Who wants to wait less is told sooner, before the call fails.
    assert Patience(3.0).called("a", 0.0, None).said_in_seconds == 2.0
    assert Patience(LONGEST_SECONDS).called("a", 0.0, None).said_in_seconds == 20.0


def test_volumes_that_were_never_heard_of_again_are_forgotten() -> None:
    patience = Patience(30.0)
    patience.called("first", 0.0, None)
    for number in range(5000):
        patience.called(str(number), 0.0, None)
    assert patience.called("first", 0.0, None).seconds == 30.0
