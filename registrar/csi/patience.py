"""How long the kubelet's calls for a volume without files wait, and when a person is told. Pure.

A call that fails is followed by the kubelet's back-off: 0.5 s at first, twice as long each time,
two minutes in the end; an SVID that comes meanwhile has to wait for its end. So the first call
tells soon why there is none, and each further one waits longer: the fewer calls fail, the shorter
is the back-off after them.
"""

from collections import OrderedDict
from dataclasses import dataclass

LONGEST_SECONDS = 100.0
"""Of one call. A kubelet gives up after two minutes, and would never hear why."""
_SPARED_SHARE = 1 / 12
"""What a call leaves of its caller's deadline: 10 s of a kubelet's."""
_SAID_SECONDS, _SAID_SHARE = 20.0, 2 / 3
"""Entries take up to 10 s to arrive as SPIRE is by default (the server's cache and the agent's
sync, 5 s each): only what takes twice as long is worth a warning."""
_REMEMBERED = 4_096


@dataclass(frozen=True, slots=True)
class Wait:
    """One call's: it fails after so many seconds, and a person is told after so many."""

    seconds: float
    said_in_seconds: float


class Patience:
    """``first_seconds`` is how long the first call waits."""

    def __init__(self, first_seconds: float) -> None:
        self._first = first_seconds
        self._calls: OrderedDict[str, int] = OrderedDict()

    def called(self, volume_id: str, remaining_seconds: float | None) -> Wait:
        """One more call for a volume; ``remaining_seconds`` until its deadline, None for none."""
        number = self._calls.pop(volume_id, 0) + 1
        self._calls[volume_id] = number
        if len(self._calls) > _REMEMBERED:
            self._calls.popitem(last=False)
        seconds = min(self._first * number, max(self._first, LONGEST_SECONDS))
        if remaining_seconds is not None:
            seconds = max(0.0, min(seconds, remaining_seconds * (1 - _SPARED_SHARE)))
        # Never at the beginning of a call: nothing has been heard of the agent then.
        return Wait(seconds, min(_SAID_SECONDS, self._first * _SAID_SHARE))

    def forget(self, volume_id: str) -> None:
        """The volume has its files, or is not wanted any more."""
        self._calls.pop(volume_id, None)
