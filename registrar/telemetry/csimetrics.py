"""Metrics of the node driver: never a series for a Pod or volume, of which there is no end."""

from collections.abc import Callable, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

VOLUME_STATES = ("waiting", "serving", "abnormal")
PUBLISH_RESULTS = ("ok", "no_svid", "refused", "error")
ABNORMAL_REASONS = (
    "WaitingForEntry",
    "AgentUnreachable",
    "NotAuthorizedDelegate",
    "AgentSilent",
    "AgentFailed",
    "SVIDExpired",
    "SVIDExpiring",
    "SVIDGone",
    "SVIDRefused",
    "FilesNotWritten",
    "JWTSVIDNotRenewed",
    "BundleLeftOut",
    "WorkloadAPINotShown",
)
"""Those of ``registrar.csi.ailments``."""
_WAIT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_WRITE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)


class Volumes(Protocol):
    """What is asked before each scrape; ``registrar.csi.volumes.Volumes`` answers it."""

    def states(self) -> Mapping[str, int]:
        """Volumes by state."""
        ...

    def ailments(self) -> Mapping[str, int]:
        """Those that are abnormal, by reason."""
        ...

    def nearest_expiry(self) -> float:
        """Seconds until the first SVID expires."""
        ...

    def broken_bundles(self) -> int:
        """Trust domains whose bundle cannot be read."""
        ...


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

        self._abnormal = Gauge(
            "spire_registrar_csi_abnormal_volumes",
            "Volumes that something is wrong with, by the reason of the Event on their Pod.",
            ("reason",),
            registry=registry,
        )
        for reason in ABNORMAL_REASONS:
            self._abnormal.labels(reason)
        self._agent = Gauge(
            "spire_registrar_csi_agent_up",
            "1 while the agent answers, and takes the driver for an authorized delegate; NaN where "
            "the driver asks no agent.",
            registry=registry,
        )
        self._agent.set(float("nan"))

    def watch_agent(self, is_there: Callable[[], bool]) -> None:
        """Ask this before each scrape."""
        self._on_refresh(lambda: self._agent.set(is_there()))

    def watch(self, volumes: Volumes) -> None:
        """Ask these before each scrape."""

        def refresh() -> None:
            for state, number in volumes.states().items():
                self._volumes.labels(state).set(number)
            ailments = volumes.ailments()
            for reason in ABNORMAL_REASONS:
                self._abnormal.labels(reason).set(ailments.get(reason, 0))
            self._expiry.set(volumes.nearest_expiry())
            self._broken.set(volumes.broken_bundles())

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
