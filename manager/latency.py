"""How long it takes from seeing a Pod that wants an identity to its entry on the SPIRE server."""

from collections.abc import Callable

from registrar.claims.claim import Claim, Claimant
from registrar.kube.controller import WAITED_SECONDS

_MOST_WAITING = 50_000


class PodLatency:
    """Feeds the pod-to-entry histogram. ``clock`` is monotonic seconds.

    ``waited`` tells for how long the Pod that is looked at had waited for that.

    Pods found at start are not counted: their wait was for us to start.
    """

    def __init__(
        self,
        *,
        observe: Callable[[float], None],
        clock: Callable[[], float],
        waited: Callable[[], float] = WAITED_SECONDS.get,
    ) -> None:
        self._observe = observe
        self._waited = waited
        self._clock = clock
        self._seen: dict[Claimant, float] = {}
        self._counting = False

    def begin(self) -> None:
        """Count from now on."""
        self._counting = True

    def pod_seen(self, source: Claimant) -> None:
        """A Pod that wants an identity was seen for the first time; ``source`` will claim it."""
        if not self._counting:
            return
        self._seen[source] = self._clock() - self._waited()
        if len(self._seen) > _MOST_WAITING:
            # Pods that never got their entry, most likely deleted since.
            del self._seen[next(iter(self._seen))]

    def entry_set(self, claim: Claim) -> None:
        """The entry of a claim is on the SPIRE server."""
        since = self._seen.pop(claim.source, None)
        if since is not None:
            self._observe(self._clock() - since)
