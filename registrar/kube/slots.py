"""How many reconciles of one controller may be under way at once.

A controller may give way to another one whose work is more urgent: the more of that waits, the
fewer of its own run. It never stands still, so that it does not wait for ever behind a backlog
that does not end.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

BACKLOG = 100
"""From so many waiting keys of the other controller on, only the minimum goes on."""

PAUSE_SECONDS = 0.25
"""The minimum: one more is let in after so long, whatever waits."""

LOOK_SECONDS = 0.005
"""How soon it is seen that there is room again, where nobody is under way who could tell."""


def _nothing() -> int:
    return 0


@dataclass(slots=True)
class Backlog:
    """How many keys of one controller wait, told to those that give way; 0 until it is at work."""

    measure: Callable[[], int] = _nothing

    def __call__(self) -> int:
        """The number now."""
        return self.measure()


class Slots:
    """Room for ``limit`` at once; ``yields_to`` tells how many more urgent keys wait.

    A limit that grows is seen when one of those under way is over; where none is, after a moment.
    """

    def __init__(self, limit: Callable[[], int], yields_to: Callable[[], int] = _nothing) -> None:
        self._limit = limit
        self._yields_to = yields_to
        self._taken = 0
        self._freed = asyncio.Event()

    async def take(self) -> None:
        """Wait until one more may be under way. Only one task may wait here."""
        patience = asyncio.get_running_loop().time() + PAUSE_SECONDS
        is_patient = True
        while self._taken >= (self._allowed() if is_patient else self._limit()):
            self._freed.clear()
            is_room = self._taken < self._limit()
            try:
                async with asyncio.timeout_at(self._next_look(patience, is_room=is_room)):
                    await self._freed.wait()
            except TimeoutError:
                is_patient = is_patient and not is_room
        self._taken += 1

    def free(self) -> None:
        """One is over."""
        self._taken -= 1
        self._freed.set()

    def _next_look(self, patience: float, *, is_room: bool) -> float | None:
        if is_room:
            return patience
        if self._taken:
            return None
        return asyncio.get_running_loop().time() + LOOK_SECONDS

    def _allowed(self) -> int:
        """The part of the limit that the backlog leaves, rounded up."""
        left = max(0, BACKLOG - self._yields_to())
        return -(-self._limit() * left // BACKLOG)
