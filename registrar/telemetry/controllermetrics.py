"""Metrics of work queues and reconciles, with controller-runtime's names, labels and buckets."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

QUEUE_BUCKETS = tuple(10.0**exponent for exponent in range(-8, 4))
RECONCILE_BUCKETS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8),
    *(0.9, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25),
    *(30, 40, 50, 60),
)
RESULTS = ("success", "error", "requeue", "requeue_after")


class Queues:
    """The series of all work queues."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("name", "controller")
        self.depth = Gauge(
            "workqueue_depth",
            "Keys ready to be worked on.",
            (*labels, "priority"),
            registry=registry,
        )
        self.adds = Counter("workqueue_adds", "Keys added.", labels, registry=registry)
        self.retries = Counter(
            "workqueue_retries", "Keys put back with back-off.", labels, registry=registry
        )
        self.waited = Histogram(
            "workqueue_queue_duration_seconds",
            "How long a key waited for a worker.",
            labels,
            buckets=QUEUE_BUCKETS,
            registry=registry,
        )
        self.worked = Histogram(
            "workqueue_work_duration_seconds",
            "How long a worker held a key.",
            labels,
            buckets=QUEUE_BUCKETS,
            registry=registry,
        )
        self.unfinished = Gauge(
            "workqueue_unfinished_work_seconds",
            "Sum of the ages of all work under way.",
            labels,
            registry=registry,
        )
        self.longest = Gauge(
            "workqueue_longest_running_processor_seconds",
            "Age of the oldest work under way.",
            labels,
            registry=registry,
        )


class QueueMetrics:
    """The observer of one work queue."""

    def __init__(self, queues: Queues, name: str) -> None:
        self._depth = queues.depth.labels(name, name, "")
        self._adds = queues.adds.labels(name, name)
        self._retries = queues.retries.labels(name, name)
        self._waited = queues.waited.labels(name, name)
        self._worked = queues.worked.labels(name, name)
        self._unfinished = queues.unfinished.labels(name, name)
        self._longest = queues.longest.labels(name, name)
        self._ages: Callable[[], Iterable[float]] = tuple

    def added(self, depth: int) -> None:
        """As ``QueueObserver``."""
        self._adds.inc()
        self._depth.set(depth)

    def retried(self) -> None:
        """As ``QueueObserver``."""
        self._retries.inc()

    def taken(self, depth: int, waited_seconds: float) -> None:
        """As ``QueueObserver``."""
        self._depth.set(depth)
        self._waited.observe(waited_seconds)

    def finished(self, seconds: float) -> None:
        """As ``QueueObserver``."""
        self._worked.observe(seconds)

    def observe_running(self, ages: Callable[[], Iterable[float]]) -> None:
        """As ``QueueObserver``."""
        self._ages = ages

    def refresh(self) -> None:
        """Set the two gauges about work under way."""
        ages = list(self._ages())
        self._unfinished.set(sum(ages))
        self._longest.set(max(ages, default=0.0))


class Reconciles:
    """The series of all controllers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("controller",)
        prefix = "controller_runtime_"
        self.total = Counter(
            prefix + "reconcile", "Reconciles by result.", (*labels, "result"), registry=registry
        )
        self.errors = Counter(
            prefix + "reconcile_errors", "Reconciles that failed.", labels, registry=registry
        )
        self.terminal = Counter(
            prefix + "terminal_reconcile_errors",
            "Reconciles that failed for good.",
            labels,
            registry=registry,
        )
        # Nothing panics in Python; dashboards ask for the series all the same.
        self.panics = Counter(prefix + "reconcile_panics", "Always 0.", labels, registry=registry)
        self.timeouts = Counter(
            prefix + "reconcile_timeouts",
            "Reconciles that ran into their deadline.",
            labels,
            registry=registry,
        )
        self.seconds = Histogram(
            prefix + "reconcile_time_seconds",
            "Duration of reconciles.",
            labels,
            buckets=RECONCILE_BUCKETS,
            registry=registry,
        )
        self.limit = Gauge(
            prefix + "max_concurrent_reconciles",
            "How many may run at once.",
            labels,
            registry=registry,
        )
        self.active = Gauge(
            prefix + "active_workers", "How many run now.", labels, registry=registry
        )


class ControllerMetrics:
    """The observer of one controller."""

    def __init__(self, queues: Queues, reconciles: Reconciles, name: str) -> None:
        self.queue = QueueMetrics(queues, name)
        self._total = {result: reconciles.total.labels(name, result) for result in RESULTS}
        self._errors = reconciles.errors.labels(name)
        self._terminal = reconciles.terminal.labels(name)
        self._timeouts = reconciles.timeouts.labels(name)
        self._seconds = reconciles.seconds.labels(name)
        self._limit = reconciles.limit.labels(name)
        self._active = reconciles.active.labels(name)
        reconciles.panics.labels(name)

    def limit(self, concurrency: int) -> None:
        """As ``ControllerObserver``."""
        self._limit.set(concurrency)

    def started(self) -> None:
        """As ``ControllerObserver``."""
        self._active.inc()

    def finished(self, result: str, seconds: float) -> None:
        """As ``ControllerObserver``; terminal errors and time-outs are errors as well."""
        self._active.dec()
        self._seconds.observe(seconds)
        counter = self._total.get(result)
        if counter is not None and result != "error":
            counter.inc()
            return
        self._total["error"].inc()
        self._errors.inc()
        if result == "terminal":
            self._terminal.inc()
        elif result == "timeout":
            self._timeouts.inc()
