"""A status is written once a second at most."""

from controllers.statusrate import StatusRateLimiter


class Clock:
    """Time that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_status_waits_a_second_after_it_was_written() -> None:
    clock = Clock()
    rate = StatusRateLimiter(clock)
    assert rate.wait_seconds("a") == 0.0
    rate.written("a")
    clock.now += 0.25
    assert rate.wait_seconds("a") == 0.75
    assert rate.wait_seconds("b") == 0.0
    clock.now += 0.75
    assert rate.wait_seconds("a") == 0.0


def test_one_that_is_gone_waits_for_nothing() -> None:
    rate = StatusRateLimiter(Clock())
    rate.written("a")
    rate.forget("a")
    assert rate.wait_seconds("a") == 0.0
