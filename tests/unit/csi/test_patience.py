"""How long calls wait for a first SVID, and when a person is told."""

import pytest

from registrar.csi.patience import LONGEST_SECONDS, Patience

KUBELET_SECONDS = 120.0


def test_each_further_call_for_a_volume_waits_longer_and_leaves_time_to_tell_why() -> None:
    patience = Patience(30.0)
    waits = [patience.called("a", KUBELET_SECONDS).seconds for _ in range(5)]
    assert waits == [30.0, 60.0, 90.0, 100.0, 100.0]
    assert patience.called("b", KUBELET_SECONDS).seconds == 30.0
    patience.forget("a")
    assert patience.called("a", KUBELET_SECONDS).seconds == 30.0


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
    assert least <= patience.called("a", remaining).seconds <= most


@pytest.mark.parametrize(("first", "said"), [(30.0, 20.0), (3.0, 2.0), (LONGEST_SECONDS, 20.0)])
def test_a_person_is_told_when_a_normal_wait_is_long_over_and_before_the_call_fails(
    first: float, said: float
) -> None:
    patience = Patience(first)
    for _ in range(3):
        wait = patience.called("a", KUBELET_SECONDS)
        assert wait.said_in_seconds == said
        assert wait.seconds > said


def test_volumes_that_were_never_heard_of_again_are_forgotten() -> None:
    patience = Patience(30.0)
    patience.called("first", None)
    for number in range(5000):
        patience.called(str(number), None)
    assert patience.called("first", None).seconds == 30.0
