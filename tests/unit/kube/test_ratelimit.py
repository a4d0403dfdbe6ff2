"""The token bucket, whatever the order of takes and waits."""

from hypothesis import given
from hypothesis import strategies as st

from registrar.kube.ratelimit import TokenBucket


def test_a_burst_passes_and_then_one_per_period() -> None:
    bucket = TokenBucket(per_second=0.5, burst=3, now=0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.seconds_until_next(0.0) == 2.0
    assert not bucket.take(1.9)
    assert bucket.take(2.0)


@given(st.lists(st.floats(0, 10), max_size=60))
def test_never_more_than_the_burst_and_what_time_gave(waits: list[float]) -> None:
    bucket = TokenBucket(per_second=1.0, burst=5, now=0.0)
    now, taken = 0.0, 0
    for wait in waits:
        now += wait
        taken += bucket.take(now)
        assert taken <= 5 + now + 1e-6
