"""What becomes of the entries of Pods that have no object of their own to say it: Events."""

from collections.abc import Callable

from api.core import Pod
from api.kinds import POD
from api.meta import ObjectKey
from controllers.podwarnings import PodWarnings
from controllers.ports import Events, reference
from controllers.shared import SharedState
from registrar.claims.claim import Claimant
from registrar.claims.federation import FEDERATION_PENDING, pending_message
from registrar.claims.outcome import State
from registrar.claims.podentry import pod_source
from registrar.kube.controller import Done, Result

FAILED = "EntryFailed"
SET = "EntrySet"


class PodEventReconciler:
    """Reports on a Pod when its entry fails, when it is set again, and what it waits for.

    An entry that is set at the first try is no news.
    """

    def __init__(
        self,
        shared: SharedState,
        *,
        pod_of: Callable[[ObjectKey], Pod | None],
        warnings: PodWarnings,
        events: Events,
    ) -> None:
        self._shared = shared
        self._pod_of = pod_of
        self._warnings = warnings
        self._events = events

    async def reconcile(self, key: ObjectKey) -> Result:
        """Say what is new of one Pod. No remote call."""
        pod = self._pod_of(key)
        if pod is None:
            self._warnings.forget(key, FAILED, FEDERATION_PENDING)
            return Done()
        failure, pending, is_set = self._found(pod_source(key))
        had_failed = self._warnings.is_said(key, FAILED)
        if failure or is_set:
            self._warnings.say(pod, FAILED, failure)
        self._warnings.say(pod, FEDERATION_PENDING, pending_message(pending) if pending else "")
        if had_failed and is_set and not failure:
            self._events.emit(
                reference(POD, pod),
                type="Normal",
                reason=SET,
                message="the SPIRE server holds the entry of this Pod now",
            )
        return Done()

    def _found(self, source: Claimant) -> tuple[str, list[str], bool]:
        """What failed, in words; the trust domains that are waited for; whether all is set."""
        failure, pending, is_set = "", set[str](), True
        for claim in self._shared.index.of_source(source):
            outcome = self._shared.outcomes.get(claim.key)
            is_set = is_set and outcome.is_set
            pending |= set(outcome.pending)
            if outcome.state in {State.FAILED, State.REFUSED}:
                failure = failure or f"{claim.key.spiffe_id}: {outcome.message}"
        return failure, sorted(pending), is_set
