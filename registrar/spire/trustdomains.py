"""Whose bundles the SPIRE server holds: the trust domains that an entry can federate with."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from registrar.spire.errors import SpireError
from registrar.telemetry.logging import kv
from registrar.telemetry.rounds import attempt

log = logging.getLogger(__name__)

QUICK_SECONDS = 1.0
"""How often to look while somebody waits for a bundle."""

Changed = Callable[[frozenset[str], frozenset[str]], None]


class Bundles(Protocol):
    """Where the names come from; ``bundles.BundleClient`` is one."""

    async def federated_trust_domains(self) -> list[str]:
        """The trust domains whose bundle the server holds. Raises SpireError."""
        ...


def _ignore(_: frozenset[str], __: frozenset[str]) -> None:
    """Nobody listens."""


class KnownDomains:
    """The names, as of the last look; None before the first, or where we may not look.

    ``is_awaited`` tells whether some entry waits for a bundle: then the looks
    follow each other quickly, else every ``interval_seconds``. ``on_change``
    hears which came and which went.
    """

    def __init__(
        self,
        client: Bundles,
        *,
        interval_seconds: float,
        is_awaited: Callable[[], bool] = lambda: False,
    ) -> None:
        self._client = client
        self._interval = interval_seconds
        self._looking = asyncio.Lock()
        self._begun = 0
        self._latest = 0
        self.known: frozenset[str] | None = None
        self.is_awaited = is_awaited
        self.on_change: Changed = _ignore

    async def refresh(self) -> None:
        """Look now. Raises SpireError.

        However many ask while a look is under way, one more serves them all.
        """
        asked = self._begun
        async with self._looking:
            if self._latest > asked:
                return
            self._begun += 1
            names = frozenset(await self._client.federated_trust_domains())
            self._latest = self._begun
            before, self.known = self.known, names
        if before is None:
            # Until now every name was tried as it was.
            self.on_change(names, frozenset())
        elif before != names:
            log.info(
                "the bundles that the SPIRE server holds have changed",
                extra=kv(added=_shown(names - before), removed=_shown(before - names)),
            )
            self.on_change(names - before, before - names)

    async def run(self) -> None:
        """Look until cancelled; a server that does not answer changes nothing."""
        waited = 0.0
        while True:
            await asyncio.sleep(QUICK_SECONDS)
            waited += QUICK_SECONDS
            if waited < self._interval and self.known is not None and not self.is_awaited():
                continue
            waited = 0.0
            await attempt("list of bundles", self._round)

    async def _round(self) -> None:
        try:
            await self.refresh()
        except SpireError as error:
            log.debug("cannot list the bundles", extra=kv(error=error.message))


def _shown(names: Iterable[str]) -> str:
    return " ".join(sorted(names))
