"""The trust bundles of the node, followed once for all volumes.

``news`` hears of it when the agent gives none; that is not one of the volumes that are counted.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping

from registrar.spire.delegated import DelegatedIdentity
from registrar.spire.gate import Problem
from registrar.telemetry.logging import kv
from registrar.telemetry.troubles import Troubles

log = logging.getLogger(__name__)

_ANEW_SECONDS = 300.0


class SharedBundles:
    """What the agent said last; None before it has."""

    def __init__(self, agent: DelegatedIdentity, *, news: Troubles) -> None:
        self._agent = agent
        self._news = news
        self._listeners: set[Callable[[], None]] = set()
        self._jwt_wanted = asyncio.Event()
        self.x509: Mapping[str, tuple[bytes, ...]] | None = None
        """Certificates of authorities, DER, by trust domain."""
        self.jwt: Mapping[str, bytes] | None = None
        """JWKS documents by trust domain; followed once some volume wants them."""
        self._problems: dict[str, Problem | None] = {}
        self._broken: dict[str, Mapping[str, str]] = {}

    @property
    def problem(self) -> Problem | None:
        """Why there is nothing, or nothing newer."""
        return next((problem for problem in self._problems.values() if problem), None)

    def broken(self, *, jwt: bool = True) -> dict[str, str]:
        """Why bundles of trust domains cannot be read, by name; ``jwt`` False: X.509 alone."""
        found = dict(self._broken.get("JWT", {})) if jwt else {}
        return {**found, **self._broken.get("X.509", {})}

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                _anew(lambda: self._agent.follow_bundles(self._take_x509, *self._hearing("X.509")))
            )
            await self._jwt_wanted.wait()
            tasks.create_task(
                _anew(lambda: self._agent.follow_jwt_bundles(self._take_jwt, *self._hearing("JWT")))
            )

    def listen(self, listener: Callable[[], None], *, jwt: bool) -> None:
        """Be called after each change; ``jwt``: JWKS documents are wanted too."""
        self._listeners.add(listener)
        if jwt:
            self._jwt_wanted.set()

    def forget(self, listener: Callable[[], None]) -> None:
        """Not be called any more."""
        self._listeners.discard(listener)

    def _take_x509(self, bundles: Mapping[str, tuple[bytes, ...]]) -> None:
        # What can be read no more stays as it was: workloads go on to know each other.
        kept = {
            name: old for name, old in (self.x509 or {}).items() if self._is_kept(name, "X.509")
        }
        self.x509 = {**kept, **bundles}
        self._tell()

    def _take_jwt(self, bundles: Mapping[str, bytes]) -> None:
        kept = {name: old for name, old in (self.jwt or {}).items() if self._is_kept(name, "JWT")}
        self.jwt = {**kept, **bundles}
        self._tell()

    def _is_kept(self, name: str, kind: str) -> bool:
        return name in self._broken.get(kind, {})

    def _hearing(
        self, kind: str
    ) -> tuple[Callable[[Problem | None], None], Callable[[Mapping[str, str]], None]]:
        """Who hears of problems with one kind of bundles, and of those that cannot be read."""

        def take_problem(problem: Problem | None) -> None:
            self._problems[kind] = problem
            who = f"{kind} bundles"
            if problem is None:
                self._news.is_rid(who)
            else:
                self._news.has(who, problem.trouble.value, problem.message, is_counted=False)

        def take_broken(broken: Mapping[str, str]) -> None:
            before = self._broken.get(kind, {})
            for name, why in broken.items():
                if before.get(name) != why:
                    words = kv(trust_domain=name, kind=kind, why=why)
                    log.error("a trust bundle cannot be read and is left out", extra=words)
            for name in before.keys() - broken.keys():
                words = kv(trust_domain=name, kind=kind)
                log.info("a trust bundle can be read again", extra=words)
            self._broken[kind] = dict(broken)

        return take_problem, take_broken

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()


async def _anew(follow: Callable[[], Coroutine[None, None, None]]) -> None:
    """Follow; now and then on a new stream, for one that is silent may be a dead one."""
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ANEW_SECONDS):
                await follow()
