"""Whether the agent lets us in, found out once for all subscriptions.

An agent writes an error into its log for each call of somebody that it knows no identity of, and
asks the kubelet who that is. A hundred volumes that each try again would fill that log. So one
subscription, that of the trust bundles, asks for all; the others wait here until it is answered.
The agent's Workload API would be no better: it refuses such a caller at once too, with the same
line, and holds no stream open until there is an identity.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from registrar.backoff import Backoff

_LONGEST_AWAY_SECONDS = 2.0
"""Nobody is there: asking costs nobody anything."""
_LONGEST_REFUSED_SECONDS = 10.0
"""The waits double, so an identity that comes is found after about as long again as it took to
come, and at most so late."""
_SPARED_SECONDS = 5.0
"""An agent asks its server for entries every 5 s: who comes new does not make us ask sooner."""


class Trouble(Enum):
    """Why a subscription gives nothing at the moment; the value is the reason of an Event."""

    UNREACHABLE = "AgentUnreachable"
    DENIED = "NotAuthorizedDelegate"
    SILENT = "AgentSilent"
    FAILED = "AgentFailed"


@dataclass(frozen=True, slots=True)
class Problem:
    """A trouble in words for a person."""

    trouble: Trouble
    message: str


class Gate:
    """Shut until the agent has answered, and again while it does not, or refuses us.

    ``problem`` is why it is shut; None while it is open, and before anything is known.
    """

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._shut = asyncio.Event()
        self._shut.set()
        self._knocked = asyncio.Event()
        self._away = Backoff(0.1, _LONGEST_AWAY_SECONDS)
        self._refused = Backoff(0.5, _LONGEST_REFUSED_SECONDS)
        self._shut_at: float | None = None
        self.problem: Problem | None = None
        self.times_opened = 0

    @property
    def is_open(self) -> bool:
        """Whether the agent has let us in, as far as we know."""
        return not self._shut.is_set()

    def why_shut(self, spared_seconds: float) -> str | None:
        """Why the agent does not let us in; None where it does, or did so many seconds ago."""
        if self.is_open:
            return None
        if self.times_opened and self._shut_at is not None:
            seconds = asyncio.get_running_loop().time() - self._shut_at
            if seconds <= spared_seconds:
                return None
        return self.problem.message if self.problem else "the agent has not answered yet"

    def open(self) -> None:
        """The agent has answered."""
        self._away.reset()
        self._refused.reset()
        self.problem = None
        if not self.is_open:
            self.times_opened += 1
            self._shut.clear()
            self._tell()

    def shut(self, problem: Problem, *, times_opened: int | None = None) -> None:
        """The agent has gone, or refuses us.

        ``times_opened``: as it was when the subscription that says so began. What was let in
        before the gate was opened last knows nothing new.
        """
        if times_opened is not None and times_opened != self.times_opened:
            return
        if self.is_open or self._shut_at is None:
            self._shut_at = asyncio.get_running_loop().time()
        if not self.is_open and self.problem == problem:
            return
        self.problem = problem
        self._shut.set()
        self._tell()

    async def passed(self, on_problem: Callable[[Problem | None], None]) -> int:
        """Wait until it is open, saying why it is not; gives how often it has been opened."""
        self._knocked.set()
        while not self.is_open:
            changed = self._changed
            if self.problem is not None:
                on_problem(self.problem)
            await changed.wait()
        return self.times_opened

    async def until_shut_again(self) -> None:
        """Wait until it was opened, and somebody has shut it."""
        while not self.is_open:
            await self._changed.wait()
        await self._shut.wait()

    async def pause(self) -> None:
        """For the one who asks: wait before the next time, shorter when somebody new comes."""
        is_away = self.problem is not None and self.problem.trouble is Trouble.UNREACHABLE
        seconds = (self._away if is_away else self._refused).next_seconds()
        spared = min(seconds, _SPARED_SECONDS)
        self._knocked.clear()
        await asyncio.sleep(spared)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds - spared):
                await self._knocked.wait()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
