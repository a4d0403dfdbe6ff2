"""How often the status of an object is written: once a second at most. API writes are scarce."""

from collections.abc import Callable

_INTERVAL_SECONDS = 1.0


class StatusRateLimiter:
    """Remembers when each object's status was written. ``clock`` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._written: dict[str, float] = {}

    def wait_seconds(self, name: str) -> float:
        """How long to wait until the status may be written again; 0 for now."""
        written = self._written.get(name)
        return 0.0 if written is None else max(0.0, written + _INTERVAL_SECONDS - self._clock())

    def written(self, name: str) -> None:
        """The status was written now; what no longer matters is forgotten."""
        now = self._clock()
        for known, written in list(self._written.items()):
            if written + _INTERVAL_SECONDS > now:
                break  # in the order of time: all others are younger
            del self._written[known]
        self._written.pop(name, None)
        self._written[name] = now

    def forget(self, name: str) -> None:
        """The object is gone."""
        self._written.pop(name, None)
