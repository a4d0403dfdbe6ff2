from controllers.vanished import Vanished


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_vanishes_once_comes_back_at_once() -> None:
    vanished: Vanished[str] = Vanished(Clock())
    assert vanished.wait_seconds("a") == 0.0
    vanished.note("a")
    assert vanished.wait_seconds("a") == 0.0


def test_what_vanishes_again_and_again_waits_longer_up_to_a_minute() -> None:
    clock = Clock()
    vanished: Vanished[str] = Vanished(clock)
    waits = []
    for _ in range(20):
        vanished.note("a")
        waits.append(vanished.wait_seconds("a"))
        clock.now += waits[-1]
        assert vanished.wait_seconds("a") == 0.0
    assert all(later > earlier for earlier, later in zip(waits[0:9:2], waits[2:11:2], strict=True))
    assert 30.0 <= waits[-1] <= 60.0
    assert vanished.wait_seconds("another") == 0.0


def test_after_some_minutes_it_is_forgotten() -> None:
    clock = Clock()
    vanished: Vanished[str] = Vanished(clock)
    for _ in range(5):
        vanished.note("a")
    clock.now += 151.0
    vanished.note("b")
    vanished.note("a")
    assert vanished.wait_seconds("a") == 0.0
