"""How many writes go in one call: as many as the SPIRE server does in a moment.

A server takes the writes of a call one after the other, and everybody else waits meanwhile. So a
call must not be long; nor should it be so short that its own cost counts.
"""

CALL_SECONDS = 0.05
"""How long a call should take: whoever comes waits for the one under way, and for his own."""

SMALLEST, LARGEST = 4, 500
_AT_FIRST = 25
_WEIGHT = 0.3
"""Of the newest call in what is believed of the next one."""


class Pace:
    """The number of writes in a call, from what calls took before."""

    def __init__(self, *, largest: int = LARGEST) -> None:
        self._largest = largest
        self._seconds_per_write = CALL_SECONDS / _AT_FIRST

    @property
    def size(self) -> int:
        """How many writes to send at most."""
        size = int(CALL_SECONDS / self._seconds_per_write)
        return min(max(size, SMALLEST), self._largest)

    def took(self, writes: int, seconds: float) -> None:
        """A call with so many writes was answered after so long.

        What is there for each call, however few writes it has, hides what one write takes: a call
        that could have had more at no cost tells only that it was not slow.
        """
        each = max(seconds, 1e-6) / writes
        if writes < self.size and each > self._seconds_per_write and seconds < CALL_SECONDS:
            return
        self._seconds_per_write += _WEIGHT * (each - self._seconds_per_write)
