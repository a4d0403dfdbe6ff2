"""What the runtime reports about itself: one small Protocol for each kind of activity.

``registrar.kube`` and ``registrar.spire`` speak to these and know nothing of
Prometheus; ``metrics.Metrics`` hands out the real ones. ``Silent`` is all of
them at once and does nothing: the default where nobody counts.
"""

from collections.abc import Callable, Iterable
from typing import Protocol


class CallObserver(Protocol):
    """Hears of every HTTP call to an API server."""

    def called(self, method: str, host: str, code: str, seconds: float) -> None:
        """``code`` is the HTTP status, or ``<error>`` when there was no reply."""
        ...


class QueueObserver(Protocol):
    """Hears of everything that happens to one work queue; all times are seconds."""

    def added(self, depth: int) -> None:
        """A key was put into the queue, which now holds ``depth`` keys."""
        ...

    def retried(self) -> None:
        """A key was put back with back-off."""
        ...

    def taken(self, depth: int, waited_seconds: float) -> None:
        """A worker took a key that had waited that long."""
        ...

    def finished(self, seconds: float) -> None:
        """A worker was done with a key after that long."""
        ...

    def observe_running(self, ages: Callable[[], Iterable[float]]) -> None:
        """``ages`` gives, when asked, for how long each key has been worked on."""
        ...


class ControllerObserver(Protocol):
    """Hears of the reconciles of one controller."""

    @property
    def queue(self) -> QueueObserver:
        """The observer of the controller's work queue."""
        ...

    def limit(self, concurrency: int) -> None:
        """How many reconciles may run at once."""
        ...

    def started(self) -> None:
        """A reconcile began."""
        ...

    def finished(self, result: str, seconds: float) -> None:
        """One ended with success, error, terminal, timeout, requeue or requeue_after."""
        ...


class ReflectorObserver(Protocol):
    """Hears how the list and watch of one kind fares."""

    def state(self, state: str) -> None:
        """It is now missing, listing, watching or broken."""
        ...

    def listed(self, seconds: float) -> None:
        """A complete list took that long."""
        ...

    def received(self, event: str) -> None:
        """One watch event of that type."""
        ...


class LeaderObserver(Protocol):
    """Hears whether this process leads."""

    def leading(self, *, leads: bool) -> None:
        """Leadership was won or lost."""
        ...


class EventObserver(Protocol):
    """Hears of Kubernetes Events that were not sent."""

    def dropped(self) -> None:
        """One was given up: too many, or the server refused it."""
        ...


class Silent:
    """Every observer at once; hears and forgets."""

    @property
    def queue(self) -> "Silent":
        """Itself."""
        return self

    def called(self, method: str, host: str, code: str, seconds: float) -> None:
        """Nothing."""

    def added(self, depth: int) -> None:
        """Nothing."""

    def retried(self) -> None:
        """Nothing."""

    def taken(self, depth: int, waited_seconds: float) -> None:
        """Nothing."""

    def observe_running(self, ages: Callable[[], Iterable[float]]) -> None:
        """Nothing."""

    def limit(self, concurrency: int) -> None:
        """Nothing."""

    def state(self, state: str) -> None:
        """Nothing."""

    def listed(self, seconds: float) -> None:
        """Nothing."""

    def received(self, event: str) -> None:
        """Nothing."""

    def leading(self, *, leads: bool) -> None:
        """Nothing."""

    def dropped(self) -> None:
        """Nothing."""


class SilentQueue(Silent):
    """A queue's observer that hears nothing."""

    def finished(self, seconds: float) -> None:
        """Nothing."""


class SilentController(Silent):
    """A controller's observer that hears nothing."""

    @property
    def queue(self) -> "SilentQueue":
        """A silent one."""
        return SilentQueue()

    def started(self) -> None:
        """Nothing."""

    def finished(self, result: str, seconds: float) -> None:
        """Nothing."""
