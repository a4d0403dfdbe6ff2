"""How long to wait before the next attempt: exponential, capped, with jitter.

The jitter keeps many waiters (keys of a queue, replicas, reflectors) from
returning in step after a common failure.
"""

import random


def delay_seconds(attempt: int, base: float, maximum: float) -> float:
    """Seconds before the attempt after ``attempt`` failures (0 for the first failure).

    Between 50 and 100 % of ``base * 2 ** attempt``, never above ``maximum``.
    """
    # 2 ** 60 seconds is beyond any maximum; a larger exponent would overflow a float.
    full = min(maximum, base * 2.0 ** min(attempt, 60))
    return full * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing


class Backoff:
    """Counts the failures of one activity and says how long to wait after each."""

    def __init__(self, base: float, maximum: float) -> None:
        self._base = base
        self._maximum = maximum
        self._failures = 0

    @property
    def failures(self) -> int:
        """How often it failed since the last ``reset``."""
        return self._failures

    def next_seconds(self) -> float:
        """Seconds to wait now; longer with every call since the last ``reset``."""
        seconds = delay_seconds(self._failures, self._base, self._maximum)
        self._failures += 1
        return seconds

    def reset(self) -> None:
        """The activity worked: the next failure waits the shortest time again."""
        self._failures = 0
