"""JWT-SVIDs of one volume, kept fresh."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence

from registrar.backoff import Backoff
from registrar.identity.selectors import Selector
from registrar.spire.delegated import (
    JWTSVID,
    DelegatedIdentity,
    DelegatedIdentityError,
    Problem,
)
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

_SHORTEST_WAIT_SECONDS = 1.0


class Tokens:
    """Fetches while ``run`` runs; ``changed`` is called after each change of ``current``."""

    def __init__(
        self,
        agent: DelegatedIdentity,
        selectors: Sequence[Selector],
        audiences: Sequence[str],
        *,
        changed: Callable[[], None],
    ) -> None:
        self._agent = agent
        self._selectors = selectors
        self._audiences = audiences
        self._changed = changed
        self._due = asyncio.Event()
        self.current: tuple[JWTSVID, ...] = ()
        self.problem: Problem | None = None
        """Why the last attempt gave none."""

    def wake(self) -> None:
        """Fetch now: the Pod has an SVID, or another one than before."""
        self._due.set()

    async def run(self) -> None:
        """Fetch tokens, and new ones at half of their life or when woken, until cancelled."""
        backoff = Backoff(0.5, 30.0)
        await self._due.wait()
        while True:
            self._due.clear()
            seconds = await self._fetch()
            if seconds is None:
                seconds = backoff.next_seconds()
            else:
                backoff.reset()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._due.wait()

    async def _fetch(self) -> float | None:
        """Fetch once; gives the seconds until the next time, None when there was nothing."""
        try:
            tokens = await self._agent.fetch_tokens(self._selectors, self._audiences)
        except DelegatedIdentityError as error:
            if self.problem is None:
                log.warning("no JWT-SVID", extra=kv(why=error.problem.message))
            self.problem = error.problem
            return None
        if not tokens:
            return None
        self.problem = None
        self.current = tokens
        self._changed()
        now = time.time()
        return min(_until_half(token, now) for token in tokens)


def _until_half(token: JWTSVID, now: float) -> float:
    """Seconds to half of a token's life; a clock that is wrong changes it within bounds."""
    life = max(0.0, token.expires_at - token.issued_at)
    left = (token.issued_at + token.expires_at) / 2 - now
    return max(_SHORTEST_WAIT_SECONDS, life / 4, min(life / 2, left))
