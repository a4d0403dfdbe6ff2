"""Metrics of the node driver: never a series for a Pod or volume, of which there is no end."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

VOLUME_STATES = ("waiting", "serving", "abnormal")
PUBLISH_RESULTS = ("ok", "no_svid", "refused", "error")
_WAIT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_WRITE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)


class CSIMetrics:
    """The series; ``on_refresh`` has a function called before each scrape."""

    def __init__(
        self, registry: CollectorRegistry, on_refresh: Callable[[Callable[[], None]], None]
    ) -> None:
        self._on_refresh = on_refresh
        self._volumes = Gauge(
            "spire_registrar_csi_volumes",
            "Volumes on this node, by state.",
            ("state",),
            registry=registry,
        )
        for state in VOLUME_STATES:
            self._volumes.labels(state)
        self._first = Histogram(
            "spire_registrar_csi_first_svid_seconds",
            "From the kubelet's call until a new volume has its files.",
            buckets=_WAIT_BUCKETS,
            registry=registry,
        )
        self._publishes = Counter(
            "spire_registrar_csi_publishes",
            "Calls of NodePublishVolume, by result.",
            ("result",),
            registry=registry,
        )
        for result in PUBLISH_RESULTS:
            self._publishes.labels(result)
        self._writes = Histogram(
            "spire_registrar_csi_write_seconds",
            "From the agent's message until its files are in the volume.",
            buckets=_WRITE_BUCKETS,
            registry=registry,
        )
        self._rotations = Counter(
            "spire_registrar_csi_rotations",
            "Times that the files of a volume were changed.",
            registry=registry,
        )
        self._restarts = Counter(
            "spire_registrar_csi_stream_restarts",
            "Subscriptions at the agent that had to be opened again.",
            registry=registry,
        )
        self._expiry = Gauge(
            "spire_registrar_csi_nearest_expiry_seconds",
            "Until the first SVID in a volume expires; negative once it has, NaN without volumes.",
            registry=registry,
        )

        self._broken = Gauge(
            "spire_registrar_csi_broken_bundles",
            "Trust domains whose bundle from the agent cannot be read; it is left out.",
            registry=registry,
        )

    def watch(
        self,
        states: Callable[[], dict[str, int]],
        nearest_expiry: Callable[[], float],
        broken_bundles: Callable[[], int],
    ) -> None:
        """Ask these before each scrape."""

        def refresh() -> None:
            for state, number in states().items():
                self._volumes.labels(state).set(number)
            self._expiry.set(nearest_expiry())
            self._broken.set(broken_bundles())

        self._on_refresh(refresh)

    def published(self, result: str) -> None:
        """A call has been answered."""
        self._publishes.labels(result).inc()

    def first_svid(self, seconds: float) -> None:
        """A new volume has its files."""
        self._first.observe(seconds)

    def rotated(self, seconds: float) -> None:
        """The files of a volume were changed, so long after the agent's message."""
        self._rotations.inc()
        self._writes.observe(seconds)

    def stream_reopened(self) -> None:
        """A subscription was opened again."""
        self._restarts.inc()
