"""Whose turn it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.kube.turns import URGENT_IN_A_ROW, Turn, Turns, Urgency

URGENT, LATER = Urgency.URGENT, Urgency.LATER


def taken(turns: Turns[str]) -> list[str]:
    """All keys, in their order."""
    return [turns.pop() for _ in range(len(turns))]


def test_keys_of_one_flow_come_in_order() -> None:
    turns: Turns[str] = Turns()
    for key in "abc":
        turns.push(key)
    assert taken(turns) == ["a", "b", "c"]
    with pytest.raises(IndexError):
        turns.pop()


def test_a_key_waits_for_one_key_of_each_other_flow_however_many_these_have() -> None:
    turns: Turns[str] = Turns()
    for number in range(10_000):
        turns.push(f"mass-{number}", Turn(URGENT, "mass"))
    turns.push("single", Turn(URGENT, "other"))
    assert "single" in [turns.pop() for _ in range(2)]


def test_a_flow_that_was_just_served_comes_after_the_others() -> None:
    turns: Turns[str] = Turns()
    for flow in "xy":
        for number in range(3):
            turns.push(f"{flow}{number}", Turn(URGENT, flow))
    assert taken(turns) == ["x0", "y0", "x1", "y1", "x2", "y2"]


def test_what_is_urgent_comes_before_what_came_earlier_and_is_not() -> None:
    turns: Turns[str] = Turns()
    for number in range(100):
        turns.push(f"later-{number}", Turn(LATER, "a"))
    turns.push("urgent", Turn(URGENT, "a"))
    assert turns.pop() == "urgent"


def test_what_is_not_urgent_comes_too_while_what_is_does_not_end() -> None:
    turns: Turns[str] = Turns()
    turns.push("later", Turn(LATER, ""))
    turns.push("urgent-0", Turn(URGENT, ""))
    order = []
    for number in range(1, 3 * URGENT_IN_A_ROW):
        order.append(turns.pop())
        turns.push(f"urgent-{number}", Turn(URGENT, ""))
    assert order.index("later") == URGENT_IN_A_ROW


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Urgency)), st.sampled_from("abc")) | st.none(), max_size=200
    )
)
def test_every_key_comes_once_and_those_of_a_flow_in_order(
    steps: list[tuple[Urgency, str] | None],
) -> None:
    turns: Turns[int] = Turns()
    pushed: dict[int, Turn] = {}
    popped: list[int] = []
    for number, step in enumerate(steps):
        if step is not None:
            pushed[number] = Turn(*step)
            turns.push(number, pushed[number])
        elif len(turns):
            popped.append(turns.pop())
        assert len(turns) == len(pushed) - len(popped)
    popped += [turns.pop() for _ in range(len(turns))]
    assert sorted(popped) == sorted(pushed)
    for flow in set(pushed.values()):
        of_flow = [number for number in popped if pushed[number] == flow]
        assert of_flow == sorted(of_flow)
