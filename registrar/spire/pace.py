"""How many writes go in one call: as many as the SPIRE server does in a moment.

A server takes the writes of a call one after the other, and everybody else waits meanwhile. So a
call must not be long; nor should it be so short that its own cost counts.
"""

CALL_SECONDS = 0.1
"""How long a call should take: whoever comes waits for the one under way, and for his own."""

SMALLEST, LARGEST = 4, 500
"""Even a slow server gets so many at once: a call has a cost of its own. Not more, for where one
write takes 20 ms, whoever comes would wait too long for two calls."""
_AT_FIRST = 50
_WEIGHT = 0.3
"""Of the newest call in what is believed of the next one."""
_MOST_FIXED_SECONDS = 0.2
"""What a call may take without any write, over a network; what is more is a slow server."""


class Pace:
    """The number of writes in a call, from what calls took before."""

    def __init__(self, *, largest: int = LARGEST) -> None:
        self._largest = largest
        self._seconds_per_write = CALL_SECONDS / _AT_FIRST
        self._fixed_seconds = 0.0

    @property
    def size(self) -> int:
        """How many writes to send at most."""
        size = int(CALL_SECONDS / self._seconds_per_write)
        return min(max(size, SMALLEST), self._largest)

    def took(self, writes: int, seconds: float) -> None:
        """A call with so many writes was answered after so long.

        What every call takes, as the way to a server in another place, is learnt from those with
        one write, and is none of the writes'. A quick call with few writes tells nothing else.
        """
        if writes == 1:
            newest = min(seconds, _MOST_FIXED_SECONDS)
            self._fixed_seconds += _WEIGHT * (newest - self._fixed_seconds)
        self._fixed_seconds = min(self._fixed_seconds, seconds)
        of_writes = seconds - self._fixed_seconds
        if of_writes < CALL_SECONDS and writes < self.size:
            return
        each = max(of_writes, 1e-6) / writes
        self._seconds_per_write += _WEIGHT * (each - self._seconds_per_write)
