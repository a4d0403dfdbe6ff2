"""The time that a process has for its end, shared by all that must still be done then.

A write that is under way is finished, then Leases are given back: in this order, for whoever takes
over must not meet a write of this process. Each takes no more than what the others have left, so
the end is bounded whichever server hangs.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")

SECONDS = 3.7
"""From the moment that a process is told to end. It has five: the interpreter takes some of it."""

FINISH_SECONDS = 1.5
"""How long a write may take of that. SPIRE needs some 100 ms for a batch."""

_LOOK_SECONDS = 0.1


class Ending:
    """The end of one process; until ``begin`` it is not told to end."""

    def __init__(
        self, seconds: float = SECONDS, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._until: float | None = None

    def begin(self) -> None:
        """Somebody told the process to end; the first time counts."""
        if self._until is None:
            self._until = self._clock() + self._seconds

    @property
    def has_begun(self) -> bool:
        """Whether the process was told to end."""
        return self._until is not None

    def left(self, most: float) -> float:
        """So many seconds, or as many of them as there still are."""
        if self._until is None:
            return most
        return max(0.0, min(most, self._until - self._clock()))

    async def finished(
        self, work: Coroutine[None, None, T], *, may_go_on: Callable[[], bool] = lambda: True
    ) -> T:
        """What the work gives; it is finished also where the process is told to end meanwhile.

        Only for FINISH_SECONDS, and only as long as it ``may_go_on``. Whoever is cancelled for
        another reason, such as a deadline, cancels the work at once.
        """
        # It is waited for below, whatever happens.
        task = asyncio.ensure_future(work)  # noqa: TID251 - a group would cancel it at once
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            try:
                await self._let_end(task, may_go_on)
            finally:
                task.cancel()
            # Also what was cancelled has something to put away.
            await asyncio.wait({task})
            raise

    async def _let_end(self, task: "asyncio.Task[T]", may_go_on: Callable[[], bool]) -> None:
        if not self.has_begun:
            return
        until = self._clock() + self.left(FINISH_SECONDS)
        while not task.done() and may_go_on() and (seconds := until - self._clock()) > 0:
            await asyncio.wait({task}, timeout=min(seconds, _LOOK_SECONDS))
