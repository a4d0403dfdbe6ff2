"""Metrics of the bundles that the SPIRE server is told to refresh, a set for each trust domain."""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge

RESULTS = ("changed", "unchanged", "failed")
USES = ("x509-svid", "jwt-svid")


class BundleMetrics:
    """The series of a trust domain are there while it is refreshed, from 0 on."""

    def __init__(self, registry: CollectorRegistry) -> None:
        prefix = "spire_registrar_bundle_"
        self._refreshes = Counter(
            prefix + "refreshes",
            "Refreshes of a federated trust domain's bundle that the SPIRE server was told to do.",
            ("trust_domain", "result"),
            registry=registry,
        )
        self._keys = Gauge(
            prefix + "keys",
            "Keys of a federated trust domain that the SPIRE server holds.",
            ("trust_domain", "use"),
            registry=registry,
        )
        self._succeeded = Gauge(
            prefix + "last_success_timestamp_seconds",
            "When a refresh succeeded last; 0 before the first time.",
            ("trust_domain",),
            registry=registry,
        )
        self._changed = Gauge(
            prefix + "last_change_timestamp_seconds",
            "When a refresh last found other keys than before; 0 before the first time.",
            ("trust_domain",),
            registry=registry,
        )
        self._known: set[str] = set()

    def known(self, trust_domain: str) -> None:
        """It is refreshed from now on."""
        if trust_domain in self._known:
            return
        self._known.add(trust_domain)
        for result in RESULTS:
            self._refreshes.labels(trust_domain, result)
        self._succeeded.labels(trust_domain)
        self._changed.labels(trust_domain)

    def refreshed(
        self, trust_domain: str, result: Literal["changed", "unchanged", "failed"], now: float
    ) -> None:
        """A refresh has ended; ``now`` is a timestamp."""
        self._refreshes.labels(trust_domain, result).inc()
        if result != "failed":
            self._succeeded.labels(trust_domain).set(now)
        if result == "changed":
            self._changed.labels(trust_domain).set(now)

    def holds(self, trust_domain: str, *, x509: int, jwt: int) -> None:
        """The server holds that many keys of the trust domain."""
        for use, number in zip(USES, (x509, jwt), strict=True):
            self._keys.labels(trust_domain, use).set(number)

    def forget(self, trust_domain: str) -> None:
        """It is refreshed no longer."""
        if trust_domain not in self._known:
            return
        self._known.discard(trust_domain)
        for result in RESULTS:
            self._refreshes.remove(trust_domain, result)
        self._succeeded.remove(trust_domain)
        self._changed.remove(trust_domain)
        self._keys.remove_by_labels({"trust_domain": trust_domain})
