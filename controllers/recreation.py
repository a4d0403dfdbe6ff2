"""Objects of ours that somebody deletes again and again: written anew at a growing distance.

The garbage collector deletes what names an owner that is gone. Until our own
watch shows that the owner is gone, what it deletes looks wanted.
"""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from registrar.backoff import delay_seconds
from registrar.kube.controller import Again

_BASE_SECONDS = 0.2
_MAX_SECONDS = 60.0
_REMEMBERED_SECONDS = 150.0
"""Longer than the longest wait, so that one which always vanishes stays slow."""

K = TypeVar("K", bound=Hashable)


class RecreationBackoff(Generic[K]):
    """How often an object vanished lately. ``clock`` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._noted: dict[K, tuple[int, float, float]] = {}

    def note(self, key: K) -> None:
        """It vanished now; it may come back at once the first time, later each time after it."""
        now = self._clock()
        for known, (_, noted, _) in list(self._noted.items()):
            if noted + _REMEMBERED_SECONDS > now:
                break  # in the order of time: all others are younger
            del self._noted[known]
        times, _, _ = self._noted.pop(key, (0, 0.0, 0.0))
        wait = delay_seconds(times - 1, _BASE_SECONDS, _MAX_SECONDS) if times else 0.0
        self._noted[key] = (times + 1, now, now + wait)

    def wait_seconds(self, key: K) -> float:
        """How long to wait until it may be written again; 0 for now."""
        found = self._noted.get(key)
        return 0.0 if found is None else max(0.0, found[2] - self._clock())

    def again(self, key: K) -> Again | None:
        """What a reconcile gives for one that is not there and must wait; None for now."""
        seconds = self.wait_seconds(key)
        return Again(seconds, "it was deleted again and again") if seconds else None
