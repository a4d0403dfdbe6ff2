"""The trust bundles of the node, followed once for all volumes."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping

from registrar.spire.delegated import DelegatedIdentity, Problem
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

_ANEW_SECONDS = 300.0


class SharedBundles:
    """What the agent said last; None before it has."""

    def __init__(self, agent: DelegatedIdentity) -> None:
        self._agent = agent
        self._listeners: set[Callable[[], None]] = set()
        self._jwt_wanted = asyncio.Event()
        self.x509: Mapping[str, tuple[bytes, ...]] | None = None
        """Certificates of authorities, DER, by trust domain."""
        self.jwt: Mapping[str, bytes] | None = None
        """JWKS documents by trust domain; followed once some volume wants them."""
        self.problem: Problem | None = None
        """Why there is nothing, or nothing newer."""

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                _anew(lambda: self._agent.follow_bundles(self._take_x509, self._take_problem))
            )
            await self._jwt_wanted.wait()
            tasks.create_task(
                _anew(lambda: self._agent.follow_jwt_bundles(self._take_jwt, self._take_problem))
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
        self.x509 = bundles
        self._tell()

    def _take_jwt(self, bundles: Mapping[str, bytes]) -> None:
        self.jwt = bundles
        self._tell()

    def _take_problem(self, problem: Problem | None) -> None:
        if problem is not None and self.problem is None:
            log.warning("no trust bundles from the agent", extra=kv(why=problem.message))
        self.problem = problem

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()


async def _anew(follow: Callable[[], Coroutine[None, None, None]]) -> None:
    """Follow; now and then on a new stream, for one that is silent may be a dead one."""
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ANEW_SECONDS):
                await follow()
