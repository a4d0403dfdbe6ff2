"""What the sources of a registrar work with: both servers, and what is known of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from controllers.ports import Events, Kubernetes
from controllers.shared import SharedState
from manager.latency import PodLatency
from manager.spire import TermSide
from registrar.settings.model import Settings
from registrar.telemetry.metrics import Metrics


def timestamp() -> str:
    """Now, as Kubernetes writes times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock() -> float:
    """Monotonic seconds, by the event loop."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class Context:
    """``api`` and ``events`` are the cluster's side, ``spire`` is the SPIRE server's.

    ``api`` is None without a cluster; who asks for ``kube`` needs one.
    """

    settings: Settings
    shared: SharedState
    api: Kubernetes | None
    events: Events
    spire: TermSide
    metrics: Metrics
    latency: PodLatency
    timestamp: Callable[[], str] = timestamp
    clock: Callable[[], float] = clock

    @property
    def kube(self) -> Kubernetes:
        """The Kubernetes API. Raises RuntimeError where there is no cluster."""
        if self.api is None:
            raise RuntimeError("there is no cluster to write to")
        return self.api
