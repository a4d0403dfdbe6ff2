"""Has the SPIRE server fetch the bundle of each relationship anew, again and again.

A server fetches by itself in a fourth of the time that the partner's bundle hints at, which may be
days. Until then whatever the partner signs with a new key is refused here.
"""

import logging
import random
import time
from collections.abc import Callable
from typing import Literal, Protocol

from controllers.bundlefreshness import Freshness
from controllers.ports import Bundles, Federation, TrustDomains
from registrar.claims.federationstatus import Refreshed
from registrar.identity.bundle import Bundle
from registrar.kube.controller import Again, Done, Result
from registrar.spire.errors import EndpointDistrusted, NotFound, NotLeading, SpireError
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

_GATE_SECONDS = 5.0
SPREAD = 0.1
"""How far a pause may be from the interval: so relationships do not stay in step."""

RefreshResult = Literal["changed", "unchanged", "failed"]


class RefreshObserver(Protocol):
    """Hears of refreshes; ``telemetry.bundlemetrics.BundleMetrics`` is one."""

    def refreshed(self, trust_domain: str, result: RefreshResult, now: float) -> None:
        """A refresh has ended; ``now`` is a timestamp."""
        ...

    def holds(self, trust_domain: str, *, x509: int, jwt: int) -> None:
        """The server holds that many keys of the trust domain."""
        ...

    def known(self, trust_domain: str) -> None:
        """It is refreshed from now on."""
        ...

    def forget(self, trust_domain: str) -> None:
        """It is refreshed no longer."""
        ...


class BundleRefresher:
    """``interval_seconds`` 0: refreshes only what somebody asks for."""

    def __init__(
        self,
        *,
        federation: Federation,
        bundles: Bundles,
        trust_domains: TrustDomains,
        freshness: Freshness,
        observer: RefreshObserver,
        interval_seconds: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._federation = federation
        self._bundles = bundles
        self._trust_domains = trust_domains
        self._freshness = freshness
        self._observer = observer
        self._interval = interval_seconds
        self._now = now
        self._held: dict[str, Bundle | None] = {}

    async def reconcile(self, name: str) -> Result:
        """Refresh the bundle of one trust domain, and say when to do so again."""
        if not self._freshness.is_linked(name):
            self._held.pop(name, None)
            self._observer.forget(name)
            return Done()
        self._observer.known(name)
        result: RefreshResult = "failed"
        try:
            result = await self._refresh(name)
        except NotLeading:
            # Whoever lost its Lease ends; one whose Lease could not be renewed in time goes on.
            return Again(_GATE_SECONDS, "may not write now")
        except SpireError as error:
            found = Refreshed(error.message, isinstance(error, EndpointDistrusted))
        else:
            found = Refreshed()
        if not self._freshness.is_linked(name):
            # It went meanwhile, and is looked at again for that.
            return Done()
        self._observer.refreshed(name, result, self._now())
        if self._freshness.found(name, found):
            _say(name, found)
        if not self._interval:
            return Done()
        return Again(self._interval * random.uniform(1 - SPREAD, 1 + SPREAD), "next refresh")  # noqa: S311 - spreads load

    async def _refresh(self, name: str) -> RefreshResult:
        """Have the server fetch it, and compare what it holds. Raises SpireError."""
        if name not in self._held:
            self._held[name] = await self._holding(name)
        await self._federation.refresh(name)
        before, after = self._held[name], await self._holding(name)
        self._held[name] = after
        if after is None:
            # Somebody deleted it at this very moment.
            return "unchanged"
        self._observer.holds(name, x509=len(after.x509_authorities), jwt=len(after.jwt_authorities))
        if before is not None and before.vouches_like(after):
            return "unchanged"
        if name not in (self._trust_domains.known or ()):
            # Entries may wait for it.
            await self._trust_domains.refresh()
        log.info(
            "the bundle of a trust domain has changed",
            extra=kv(
                trust_domain=name,
                x509_authorities=len(after.x509_authorities),
                jwt_keys=len(after.jwt_authorities),
            ),
        )
        return "changed"

    async def _holding(self, name: str) -> Bundle | None:
        try:
            return await self._bundles.federated(name)
        except NotFound:
            return None


def _say(name: str, found: Refreshed) -> None:
    if found.problem:
        log.warning(
            "the SPIRE server cannot refresh the bundle of a trust domain: what it holds stays",
            extra=kv(trust_domain=name, error=found.problem),
        )
    else:
        log.info("the bundle of a trust domain is fresh", extra=kv(trust_domain=name))
