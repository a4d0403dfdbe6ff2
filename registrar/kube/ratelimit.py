"""A token bucket: so many at once, so many per second after that."""


class TokenBucket:
    """Starts full with ``burst`` tokens and gains ``per_second``; the caller brings the time."""

    __slots__ = ("_burst", "_per_second", "_tokens", "_updated")

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = burst
        self._updated = now

    def take(self, now: float) -> bool:
        """Take a token if there is one."""
        self._refill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def seconds_until_next(self, now: float) -> float:
        """Seconds until ``take`` can succeed; 0 when it can now."""
        self._refill(now)
        return max(0.0, (1.0 - self._tokens) / self._per_second)

    def _refill(self, now: float) -> None:
        gained = (now - self._updated) * self._per_second
        self._tokens = min(self._burst, self._tokens + gained)
        self._updated = now
