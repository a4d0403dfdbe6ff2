"""What became of objects that nobody can write a status into: said once in the log."""

import logging

from api.meta import ObjectKey
from controllers.shared import SharedState
from registrar.claims.claim import Claimant
from registrar.kube.controller import Done, Result
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)


class OutcomeLogger:
    """Says of each object of one kind what is new. No remote call."""

    def __init__(self, shared: SharedState, kind: str) -> None:
        self._shared = shared
        self._kind = kind
        self._said: dict[ObjectKey, tuple[str, str]] = {}

    async def reconcile(self, key: ObjectKey) -> Result:
        """Look at one object."""
        source = Claimant(self._kind, key.namespace, key.name)
        problem, claims = self._shared.problems.get(source), self._shared.index.of_source(source)
        if problem is not None:
            said, is_set = (problem.reason, problem.message), False
        elif claims:
            outcome = self._shared.outcomes.get(claims[0].key)
            said, is_set = (outcome.reason, outcome.message), outcome.is_set
        else:
            self._said.pop(key, None)
            return Done()
        if said[0] and self._said.get(key) != said:
            self._said[key] = said
            level = logging.INFO if is_set else logging.WARNING
            log.log(level, said[1], extra=kv(object=str(source), reason=said[0]))
        return Done()
