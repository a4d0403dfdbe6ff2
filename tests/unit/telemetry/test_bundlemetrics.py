"""Metrics of bundles: a set of series for each trust domain, while it is refreshed."""

from prometheus_client import CollectorRegistry

from registrar.telemetry.bundlemetrics import BundleMetrics

PREFIX = "spire_registrar_bundle_"


def of(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(PREFIX + name, {"trust_domain": "a.test", **labels})


def test_series_are_there_from_the_start_and_go_with_the_trust_domain() -> None:
    registry = CollectorRegistry()
    metrics = BundleMetrics(registry)
    metrics.known("a.test")
    metrics.known("a.test")
    assert of(registry, "refreshes_total", result="failed") == 0
    assert of(registry, "last_success_timestamp_seconds") == 0
    metrics.holds("a.test", x509=1, jwt=3)
    metrics.forget("a.test")
    metrics.forget("a.test")
    assert [s for family in registry.collect() for s in family.samples] == []


def test_a_failure_is_no_success_and_a_success_no_change() -> None:
    registry = CollectorRegistry()
    metrics = BundleMetrics(registry)
    metrics.known("a.test")
    metrics.refreshed("a.test", "changed", 1.0)
    metrics.refreshed("a.test", "unchanged", 2.0)
    metrics.refreshed("a.test", "failed", 3.0)
    metrics.holds("a.test", x509=1, jwt=3)
    assert of(registry, "last_change_timestamp_seconds") == 1
    assert of(registry, "last_success_timestamp_seconds") == 2
    assert of(registry, "refreshes_total", result="failed") == 1
    assert of(registry, "keys", use="jwt-svid") == 3
