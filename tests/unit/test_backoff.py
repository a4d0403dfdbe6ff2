"""Waiting longer after each failure, never in step, never too long."""

from hypothesis import given
from hypothesis import strategies as st

from registrar.backoff import Backoff, delay_seconds


@given(st.integers(0, 10_000), st.floats(0.001, 10), st.floats(10, 1000))
def test_a_delay_is_between_half_and_all_of_its_exponential_share(
    attempt: int, base: float, maximum: float
) -> None:
    full = min(maximum, base * 2.0 ** min(attempt, 60))
    assert full / 2 <= delay_seconds(attempt, base, maximum) <= full


def test_success_makes_the_next_wait_short_again() -> None:
    backoff = Backoff(base=1.0, maximum=1000.0)
    for _ in range(8):
        backoff.next_seconds()
    assert backoff.next_seconds() >= 128
    backoff.reset()
    assert backoff.next_seconds() <= 1
