"""How many writes go in one call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.spire.pace import CALL_SECONDS, LARGEST, SMALLEST, Pace


def served(pace: Pace, seconds_per_write: float, *, per_call: float = 0.0, calls: int = 40) -> int:
    """The size after calls to a server that takes so long; each call is as large as it may be."""
    for _ in range(calls):
        pace.took(pace.size, per_call + seconds_per_write * pace.size)
    return pace.size


@pytest.mark.parametrize(
    ("seconds_per_write", "size"),
    [
        pytest.param(0.001, 100, id="as SPIRE is on a quick disk"),
        pytest.param(0.002, 50, id="a slow one"),
        pytest.param(0.0001, LARGEST, id="a very quick one"),
        pytest.param(5.0, SMALLEST, id="one that hardly moves"),
    ],
)
def test_a_call_has_what_the_server_does_in_its_time(seconds_per_write: float, size: int) -> None:
    assert served(Pace(), seconds_per_write) == pytest.approx(size, rel=0.05)


def test_it_follows_a_server_that_grows_slower_and_quicker_again() -> None:
    pace = Pace()
    quick = served(pace, 0.001)
    slow = served(pace, 0.05)
    assert slow == SMALLEST < quick / 4
    assert served(pace, 0.001) == pytest.approx(quick, rel=0.05)


def test_the_way_to_a_server_in_another_place_is_none_of_the_writes() -> None:
    pace = Pace()
    for _ in range(20):
        pace.took(1, 0.101)
    assert served(pace, 0.001, per_call=0.1) == pytest.approx(100, rel=0.1)


def test_a_server_that_was_slow_with_single_writes_is_measured_anew_by_masses() -> None:
    pace = Pace()
    for _ in range(20):
        pace.took(1, 30.0)
    assert served(pace, 0.001) <= 300


def test_few_writes_in_quick_calls_do_not_make_later_calls_small() -> None:
    pace = Pace()
    before = pace.size
    for _ in range(100):
        pace.took(1, CALL_SECONDS / 10)
    assert pace.size == before


def test_a_single_write_that_takes_long_makes_later_calls_small() -> None:
    pace = Pace()
    for _ in range(20):
        pace.took(1, 2 * CALL_SECONDS)
    assert pace.size == SMALLEST


@given(
    st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 100, allow_nan=False)), max_size=50),
    st.integers(1, LARGEST),
)
def test_the_size_always_lies_within_its_bounds(
    calls: list[tuple[int, float]], largest: int
) -> None:
    pace = Pace(largest=largest)
    for writes, seconds in calls:
        pace.took(writes, seconds)
        assert min(SMALLEST, largest) <= pace.size <= largest
