"""JWT-SVIDs of one volume, kept fresh, each file's for itself."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from registrar.backoff import Backoff
from registrar.csi.jwtsvid import chosen_token, why_unusable
from registrar.csi.threads import forgetful
from registrar.csi.wish import JWT
from registrar.identity.selectors import Selector
from registrar.spire.delegated import (
    JWTSVID,
    X509SVID,
    DelegatedIdentity,
    DelegatedIdentityError,
)
from registrar.spire.gate import Problem, Trouble
from registrar.telemetry.troubles import Troubles

_SHORTEST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 3600.0
"""A token that comes without its times must not be kept for ever."""


class Tokens:
    """All tokens of one volume; nothing but questions where it asks for none.

    ``svids`` gives those that need a token; ``changed`` is called when there are others;
    ``news`` hears of files for which the agent gives none.
    """

    def __init__(
        self,
        agent: DelegatedIdentity,
        selectors: Sequence[Selector],
        wanted: Sequence[JWT],
        *,
        svids: Callable[[], Sequence[X509SVID]],
        changed: Callable[[], None],
        news: Troubles,
        volume_id: str,
    ) -> None:
        self._svids = svids
        self._files = {
            jwt.file: _FileTokens(
                agent,
                selectors,
                jwt,
                svids=svids,
                changed=changed,
                told=_Told(news, f"{volume_id}/{jwt.file}"),
            )
            for jwt in wanted
        }

    @property
    def current(self) -> Mapping[str, Sequence[JWTSVID]]:
        """Those that there are, by file."""
        return {name: tokens.current for name, tokens in self._files.items()}

    @property
    def problem(self) -> Problem | None:
        """Why the last attempt for a file gave none; the first such file's."""
        for name, tokens in self._files.items():
            if tokens.problem is not None:
                return replace(tokens.problem, message=self._named(name, tokens.problem.message))
        return None

    def missing(self) -> list[str]:
        """The files that wait for a token. One that is broken is waited for only by itself."""
        svids = self._svids()
        return [name for name, tokens in self._files.items() if tokens.is_missing(svids)]

    def why_stale(self, now: float) -> str:
        """Which files' tokens are not renewed, and why; empty for none."""
        found = {name: tokens.why_stale(now) for name, tokens in self._files.items()}
        return "; ".join(self._named(name, why) for name, why in found.items() if why)

    def _named(self, name: str, why: str) -> str:
        """Words about one file, which are clear without its name where there is no other."""
        return why if len(self._files) == 1 else f"{name}: {why}"

    def wake(self) -> None:
        """Fetch now: the Pod has an SVID, or another one than before."""
        for tokens in self._files.values():
            tokens.wake()

    async def run(self) -> None:
        """Keep them fresh until cancelled; then hold none any more."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for each in self._files.values():
                    tasks.create_task(forgetful(each.run()))
        finally:
            for each in self._files.values():
                each.end()


@dataclass(frozen=True, slots=True)
class _Told:
    """Where the troubles of one file are told, and under which name."""

    news: Troubles
    name: str

    def take(self, problem: Problem | None) -> None:
        """What the last attempt gave."""
        if problem is None:
            self.news.is_rid(self.name)
        else:
            self.news.has(self.name, problem.trouble.value, problem.message)


class _FileTokens:
    """The tokens of one file: one for each SVID."""

    def __init__(
        self,
        agent: DelegatedIdentity,
        selectors: Sequence[Selector],
        wanted: JWT,
        *,
        svids: Callable[[], Sequence[X509SVID]],
        changed: Callable[[], None],
        told: _Told,
    ) -> None:
        self._agent = agent
        self._selectors = selectors
        self._wanted = wanted
        self._svids = svids
        self._changed = changed
        self._told = told
        self._due = asyncio.Event()
        self.current: tuple[JWTSVID, ...] = ()
        self.problem: Problem | None = None
        self._broken: frozenset[str] = frozenset()
        """SPIFFE IDs for which the last answer had a token that nobody can use, and no other."""

    def is_missing(self, svids: Sequence[X509SVID]) -> bool:
        """Whether an SVID has no token, but for broken ones where another SVID has one."""
        lacking = [svid for svid in svids if chosen_token(self.current, svid) is None]
        if len(lacking) == len(svids):
            return bool(svids)
        return any(svid.spiffe_id not in self._broken for svid in lacking)

    def why_stale(self, now: float) -> str:
        """Why they are not renewed; empty where they are."""
        if self.problem is not None:
            return self.problem.message
        has_expired = any(token.expires_at <= now for token in self.current)
        return "the agent gives no other" if has_expired else ""

    def wake(self) -> None:
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
        """Fetch once; gives the seconds until the next time, None when one is missing."""
        try:
            tokens = await self._agent.fetch_tokens(self._selectors, self._wanted.audiences)
        except DelegatedIdentityError as error:
            self._take_problem(error.problem)
            return None
        wrong = {token: why for token in tokens if (why := why_unusable(token))}
        usable = tuple(token for token in tokens if token not in wrong)
        svids = self._svids()
        found = [chosen_token(usable, svid) for svid in svids]
        lacking = {svid.spiffe_id for svid, token in zip(svids, found, strict=True) if not token}
        self._broken = frozenset(token.spiffe_id for token in wrong if token.spiffe_id in lacking)
        # A token that nobody can use is a trouble only where this volume needs it.
        words = "; ".join(why for token, why in wrong.items() if token.spiffe_id in lacking)
        self._take_problem(Problem(Trouble.FAILED, words) if words else None)
        kept = tuple(token for token in self.current if token.spiffe_id in lacking)
        if usable:
            self.current = (*usable, *kept)
            self._changed()
        if lacking or not usable:
            return None
        now = time.time()
        return min(_until_half(token, now) for token in found or usable if token)

    def end(self) -> None:
        """Hold none any more."""
        self.current = ()
        self._told.take(None)

    def _take_problem(self, problem: Problem | None) -> None:
        self.problem = problem
        self._told.take(problem)


def _until_half(token: JWTSVID, now: float) -> float:
    """Seconds to half of a token's life; a clock that is wrong changes it within bounds."""
    life = max(0.0, token.expires_at - token.issued_at)
    left = (token.issued_at + token.expires_at) / 2 - now
    seconds = max(_SHORTEST_WAIT_SECONDS, life / 4, min(life / 2, left))
    return min(seconds, _LONGEST_WAIT_SECONDS)
