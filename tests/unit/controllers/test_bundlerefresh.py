"""When the bundle of a trust domain is asked for again; the rest is tried with servers."""

from typing import cast

from controllers.bundlefreshness import Freshness
from controllers.bundlerefresh import BundleRefresher, RefreshObserver
from controllers.ports import Bundles, Federation, TrustDomains
from registrar.identity.bundle import Bundle
from registrar.kube.controller import Again
from registrar.spire.errors import NotLeading


class Spire:
    """A server that may not be written to for a while."""

    known = frozenset({"partner.test"})

    def __init__(self) -> None:
        self.may_write = False
        self.refreshed = 0

    async def refresh(self, _: str) -> None:
        if not self.may_write:
            raise NotLeading("this process may not write")
        self.refreshed += 1

    async def federated(self, name: str) -> Bundle:
        return Bundle(name, ())


class Silent:
    def refreshed(self, *_: object) -> None: ...

    def holds(self, *_: object, **__: object) -> None: ...

    def known(self, *_: object) -> None: ...

    def forget(self, *_: object) -> None: ...


async def test_one_that_may_not_write_for_a_while_refreshes_afterwards() -> None:
    spire = Spire()
    freshness = Freshness(is_periodic=True, refresh=lambda _: None, report=lambda _: None)
    freshness.linked("partner.test", is_changed=True)
    refresher = BundleRefresher(
        federation=cast("Federation", spire),
        bundles=cast("Bundles", spire),
        trust_domains=cast("TrustDomains", spire),
        freshness=freshness,
        observer=cast("RefreshObserver", Silent()),
        interval_seconds=60.0,
    )
    assert isinstance(await refresher.reconcile("partner.test"), Again)
    assert freshness.of("partner.test") is None
    spire.may_write = True
    assert isinstance(await refresher.reconcile("partner.test"), Again)
    assert spire.refreshed == 1
