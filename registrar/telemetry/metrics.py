"""Every metric of the product, in a registry of its own.

Queues, reconciles, API calls and leadership carry the names, labels and
buckets of controller-runtime, so that existing dashboards work; the rest
begins with ``spire_registrar_``. Label values are bounded and present from
the start, so that a rate never begins with a gap.
"""

import math
from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.metrics_core import Metric

from registrar.telemetry.bundlemetrics import BundleMetrics
from registrar.telemetry.controllermetrics import ControllerMetrics, Queues, Reconciles

CALL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
POD_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500)

ENTRY_STATES = ("desired", "set", "present", "failed", "withheld", "foreign")
"""What is asked for, and what of it the server holds just so; ours on the server; what the server
does not take; deletions that wait for a person; what is not ours."""
PREFIX_STATES = ("held", "unrecorded", "held-by-another")
DRIFT_KINDS = ("changed", "vanished", "orphan")
REFLECTOR_STATES = ("listing", "watching", "missing", "broken")
WATCH_EVENTS = ("ADDED", "MODIFIED", "DELETED", "BOOKMARK")
API_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SPIRE_METHODS = ("list", "get", "create", "update", "delete")
"""Methods whose series start at 0; those of bundles and relationships appear when they are used."""


class _Registry(CollectorRegistry):
    """Leaves out the ``_created`` twin of each counter, which doubles a scrape for nothing."""

    def collect(self) -> Iterator[Metric]:
        for metric in super().collect():
            metric.samples = [s for s in metric.samples if not s.name.endswith("_created")]
            yield metric


class Metrics:
    """All metrics; hands out the observers that the runtime reports to.

    Call ``refresh`` on the event loop before a scrape: it sets the gauges
    that are computed when asked for.
    """

    def __init__(self) -> None:
        self.registry = _Registry()
        self._refreshers: list[Callable[[], None]] = []
        self._queues = Queues(self.registry)
        self._reconciles = Reconciles(self.registry)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._requests = Counter(
            "rest_client_requests",
            "Calls to the Kubernetes API by status code, method and host.",
            ("code", "method", "host"),
            registry=self.registry,
        )
        self._call_seconds = Histogram(
            "spire_registrar_kube_call_seconds",
            "Duration of calls to the Kubernetes API until the reply begins.",
            ("method",),
            buckets=CALL_BUCKETS,
            registry=self.registry,
        )
        for method in API_METHODS:
            self._call_seconds.labels(method)
        self._leading = Gauge(
            "leader_election_master_status",
            "1 while this process holds the Lease.",
            ("name",),
            registry=self.registry,
        )
        self._prefix = Gauge(
            "spire_registrar_prefix_state",
            "1 for how this process has the prefix of its entry IDs; 0 where it does not lead.",
            ("state",),
            registry=self.registry,
        )
        for state in PREFIX_STATES:
            self._prefix.labels(state)
        self._reflectors = _Reflectors(self.registry)
        self._events_dropped = Counter(
            "spire_registrar_events_dropped",
            "Kubernetes Events that were not sent: over budget, or refused.",
            registry=self.registry,
        )
        self._certificate_expiry = Gauge(
            "spire_registrar_webhook_certificate_expiry_timestamp_seconds",
            "When the certificate that a webhook is served with ends; NaN while there is none.",
            registry=self.registry,
        )
        self.webhook_certificate_ends(None)
        self.loop_lag_seconds = Gauge(
            "spire_registrar_loop_lag_seconds",
            "How late the event loop was at its last heartbeat.",
            registry=self.registry,
        )
        self.spire = SpireMetrics(self.registry)
        self.bundles = BundleMetrics(self.registry)

    def on_refresh(self, refresher: Callable[[], None]) -> None:
        """Have ``refresher`` called on the event loop before each scrape."""
        self._refreshers.append(refresher)

    def refresh(self) -> None:
        """Bring the computed gauges up to date."""
        for refresher in self._refreshers:
            refresher()

    def prefix_state(self, state: str) -> None:
        """How the prefix is had: one of PREFIX_STATES, or empty for none of them."""
        for other in PREFIX_STATES:
            self._prefix.labels(other).set(other == state)

    def webhook_certificate_ends(self, when: datetime | None) -> None:
        """The certificate that a webhook is served with ends then; None while there is none."""
        self._certificate_expiry.set(math.nan if when is None else when.timestamp())

    def controller(self, name: str) -> ControllerMetrics:
        """The observer of the controller of that name, its label sets at 0."""
        observer = ControllerMetrics(self._queues, self._reconciles, name)
        self.on_refresh(observer.queue.refresh)
        return observer

    def leader(self, name: str) -> "LeaderMetrics":
        """The observer of the Lease of that name."""
        return LeaderMetrics(self._leading.labels(name))

    def reflector(self, kind: str) -> "ReflectorMetrics":
        """The observer of the list and watch of that kind (``plural.group``)."""
        return ReflectorMetrics(self._reflectors, kind)

    def called(self, method: str, host: str, code: str, seconds: float) -> None:
        """As ``CallObserver``."""
        self._requests.labels(code, method, host).inc()
        self._call_seconds.labels(method).observe(seconds)

    def dropped(self) -> None:
        """As ``EventObserver``."""
        self._events_dropped.inc()


class SpireMetrics:
    """What happens between us and the SPIRE server, and what it amounts to."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._call_seconds = Histogram(
            "spire_registrar_spire_call_seconds",
            "Duration of calls to the SPIRE server by method and gRPC code.",
            ("method", "code"),
            buckets=CALL_BUCKETS,
            registry=registry,
        )
        self._batch_size = Histogram(
            "spire_registrar_spire_batch_size",
            "Entries in one call to the SPIRE server.",
            ("method",),
            buckets=BATCH_BUCKETS,
            registry=registry,
        )
        self._entries = Gauge(
            "spire_registrar_entries",
            "Registration entries by state.",
            ("state",),
            registry=registry,
        )
        self._pod_to_entry = Histogram(
            "spire_registrar_pod_to_entry_seconds",
            "From hearing of a Pod that should have an entry to the SPIRE server's answer.",
            buckets=POD_BUCKETS,
            registry=registry,
        )
        self._drift = Counter(
            "spire_registrar_drift_repaired",
            "Entries put right after somebody else changed them on the SPIRE server.",
            ("kind",),
            registry=registry,
        )
        self._withheld = Gauge(
            "spire_registrar_deletions_withheld",
            "Deletions that wait for a person's confirmation.",
            registry=registry,
        )
        self._in_vain = Counter(
            "spire_registrar_updates_in_vain",
            "Updates after which the SPIRE server held the entry otherwise than asked for.",
            registry=registry,
        )
        for method in SPIRE_METHODS:
            self._call_seconds.labels(method, "OK")
            self._batch_size.labels(method)
        for state in ENTRY_STATES:
            self._entries.labels(state)
        for kind in DRIFT_KINDS:
            self._drift.labels(kind)

    def called(self, method: str, code: str, seconds: float) -> None:
        """A call to SPIRE ended with that gRPC code (``OK``, ``UNAVAILABLE``…)."""
        self._call_seconds.labels(method, code).observe(seconds)

    def batched(self, method: str, size: int) -> None:
        """A call carried that many entries."""
        self._batch_size.labels(method).observe(size)

    def entries(self, state: str, number: int) -> None:
        """There are that many entries in that state, one of ENTRY_STATES."""
        self._entries.labels(state).set(number)

    def pod_to_entry(self, seconds: float) -> None:
        """A Pod's entry was there that long after we heard of the Pod."""
        self._pod_to_entry.observe(seconds)

    def drift_repaired(self, kind: str) -> None:
        """One entry was put right; kind is one of DRIFT_KINDS."""
        self._drift.labels(kind).inc()

    def update_in_vain(self) -> None:
        """The server answered an update with another entry than was sent; it is not repeated."""
        self._in_vain.inc()

    def deletions_withheld(self, number: int) -> None:
        """That many deletions wait for confirmation."""
        self._withheld.set(number)


class LeaderMetrics:
    """The observer of one Lease."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge

    def leading(self, *, leads: bool) -> None:
        """As ``LeaderObserver``."""
        self._gauge.set(1 if leads else 0)


class _Reflectors:
    def __init__(self, registry: CollectorRegistry) -> None:
        prefix = "spire_registrar_reflector_"
        self.state = Gauge(
            prefix + "state", "1 for the state that it is in.", ("kind", "state"), registry=registry
        )
        self.lists = Counter(
            prefix + "lists", "Complete lists taken in.", ("kind",), registry=registry
        )
        self.list_seconds = Gauge(
            prefix + "last_list_seconds",
            "How long the last complete list took.",
            ("kind",),
            registry=registry,
        )
        self.events = Counter(
            prefix + "events", "Watch events received.", ("kind", "type"), registry=registry
        )


class ReflectorMetrics:
    """The observer of the list and watch of one kind."""

    def __init__(self, reflectors: _Reflectors, kind: str) -> None:
        self._states = {s: reflectors.state.labels(kind, s) for s in REFLECTOR_STATES}
        self._events = {e: reflectors.events.labels(kind, e) for e in WATCH_EVENTS}
        self._lists = reflectors.lists.labels(kind)
        self._list_seconds = reflectors.list_seconds.labels(kind)

    def state(self, state: str) -> None:
        """As ``ReflectorObserver``."""
        for name, gauge in self._states.items():
            gauge.set(1 if name == state else 0)

    def listed(self, seconds: float) -> None:
        """As ``ReflectorObserver``."""
        self._lists.inc()
        self._list_seconds.set(seconds)

    def received(self, event: str) -> None:
        """As ``ReflectorObserver``; a type nobody knows is not counted."""
        counter = self._events.get(event)
        if counter is not None:
            counter.inc()
