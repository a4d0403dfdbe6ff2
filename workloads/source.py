"""What the agent gives to this workload, followed for as long as the process lives.

The latest answers stay when the agent goes away: an SVID is good until it ends, and so are the
keys of others.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from registrar.telemetry.logging import kv
from topology.checks.check import Untrue
from topology.checks.token import jwt_keys_of
from topology.workloadapi import Unanswered, WorkloadAPI, X509Answer

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0

Keys = Mapping[str, Mapping[str, bytes]]
"""The JWT keys of each trust domain by their IDs, DER."""


class Source:
    """Follows one agent while ``run`` runs. ``on_change`` is awaited with each new answer."""

    def __init__(
        self,
        agent: WorkloadAPI,
        *,
        on_change: Callable[[X509Answer], Awaitable[None]] | None = None,
    ) -> None:
        self._agent = agent
        self._on_change = on_change
        self._known = asyncio.Event()
        self.x509: X509Answer | None = None
        self.keys: Keys = MappingProxyType({})
        self.problem = "the agent has not answered yet"

    @property
    def is_ready(self) -> bool:
        """Whether there is an identity, and keys by which others can be known."""
        return self._known.is_set()

    @property
    def spiffe_id(self) -> str:
        """Who we are; empty as long as nobody has said so."""
        return "" if self.x509 is None else self.x509.svids[0].spiffe_id

    def why_not(self) -> str:
        """Why it is not ready; empty where it is."""
        return "" if self.is_ready else self.problem

    async def ready(self) -> None:
        """Wait until ``is_ready``."""
        await self._known.wait()

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._again_and_again(self._follow_x509))
            tasks.create_task(self._again_and_again(self._follow_keys))

    async def _again_and_again(self, follow: Callable[[], Awaitable[None]]) -> None:
        pause = _PAUSE_SECONDS
        while True:
            try:
                await follow()
            except Unanswered as error:
                why = str(error)
                if self.is_ready:
                    pause = _PAUSE_SECONDS
            else:
                why = "the agent ended the stream"
                pause = _PAUSE_SECONDS
            if why != self.problem:
                self.problem = why
                log.warning("no answer from the agent", extra=kv(why=why))
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _follow_x509(self) -> None:
        async for answer in self._agent.follow_x509():
            if self._on_change is not None:
                await self._on_change(answer)
            self.x509 = answer
            log.info("an SVID", extra=kv(spiffe_id=self.spiffe_id))
            self._look()

    async def _follow_keys(self) -> None:
        async for answer in self._agent.follow_jwt_keys():
            keys = {}
            for trust_domain, document in answer.items():
                try:
                    keys[trust_domain] = jwt_keys_of(document, trust_domain)
                except Untrue as error:
                    # The keys of one trust domain are no reason to do without those of others.
                    words = kv(trust_domain=trust_domain, why=str(error))
                    log.warning("keys that cannot be read", extra=words)
            self.keys = MappingProxyType(keys)
            self._look()

    def _look(self) -> None:
        if self.x509 is not None and self.keys:
            self.problem = ""
            self._known.set()
