"""Conditions."""

from api.meta import Condition, find_condition, set_condition


def ready(status: str, time: str, reason: str = "R") -> Condition:
    return Condition(type="Ready", status=status, reason=reason, last_transition_time=time)


def test_the_transition_time_moves_only_with_the_status() -> None:
    first = set_condition((), ready("False", "t1"))
    same = set_condition(first, ready("False", "t2", "Other"))
    assert (same[0].reason, same[0].last_transition_time) == ("Other", "t1")
    assert set_condition(same, ready("True", "t3"))[0].last_transition_time == "t3"


def test_other_conditions_keep_their_place() -> None:
    other = Condition(type="Other", status="True")
    both = set_condition((other,), ready("True", "t"))
    assert [c.type for c in both] == ["Other", "Ready"]
    assert find_condition(both, "Other") == other
