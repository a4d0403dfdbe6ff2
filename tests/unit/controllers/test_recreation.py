from controllers.recreation import RecreationBackoff


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_vanishes_once_comes_back_at_once() -> None:
    backoff: RecreationBackoff[str] = RecreationBackoff(Clock())
    assert backoff.wait_seconds("a") == 0.0
    backoff.note("a")
    assert backoff.wait_seconds("a") == 0.0


def test_what_vanishes_again_and_again_waits_longer_up_to_a_minute() -> None:
    clock = Clock()
    backoff: RecreationBackoff[str] = RecreationBackoff(clock)
    waits = []
    for _ in range(20):
        backoff.note("a")
        waits.append(backoff.wait_seconds("a"))
        clock.now += waits[-1]
        assert backoff.wait_seconds("a") == 0.0
    assert all(later > earlier for earlier, later in zip(waits[0:9:2], waits[2:11:2], strict=True))
    assert 30.0 <= waits[-1] <= 60.0
    assert backoff.wait_seconds("another") == 0.0


def test_after_some_minutes_it_is_forgotten() -> None:
    clock = Clock()
    backoff: RecreationBackoff[str] = RecreationBackoff(clock)
    for _ in range(5):
        backoff.note("a")
    clock.now += 151.0
    backoff.note("b")
    backoff.note("a")
    assert backoff.wait_seconds("a") == 0.0
