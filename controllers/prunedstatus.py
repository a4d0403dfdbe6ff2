"""Statuses that the API server does not keep as they were sent, so that none is sent for ever.

Where the CRDs of the original tools are installed, the API server prunes the fields of a status
that they do not know: what comes back differs from what was sent.
"""

import logging

from api.codec import JSONObject, JSONValue, to_json
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)


class PrunedStatuses:
    """Remembers, by object, which status was sent and what came of it."""

    def __init__(self) -> None:
        self._pruned: dict[str, tuple[JSONValue, JSONValue]] = {}

    def forget(self, name: str) -> None:
        """The object is gone."""
        self._pruned.pop(name, None)

    def answered(self, name: str, sent: object, stored: object) -> None:
        """What the API server made of a status that was sent."""
        wanted, got = _timeless(to_json(sent)), to_json(stored)
        if wanted == _timeless(got):
            self._pruned.pop(name, None)
            return
        if not self._pruned:
            log.warning(
                "the API server leaves out parts of a status: install our CRDs (config/crd)",
                extra=kv(object=name),
            )
        self._pruned[name] = (wanted, got)

    def unread(self, name: str, sent: object, known: object) -> None:
        """The status was stored, but the object does not decode: ``known`` is its last good one."""
        self._pruned[name] = (_timeless(to_json(sent)), to_json(known))

    def is_in_vain(self, name: str, wanted: object, stored: object) -> bool:
        """Whether just this status was sent, and what is known of the object came of it."""
        known = self._pruned.get(name)
        return known is not None and known == (_timeless(to_json(wanted)), to_json(stored))


def _timeless(status: JSONValue) -> JSONValue:
    """A status without the times of its conditions, which are set anew where they are pruned."""
    if not isinstance(status, dict):
        return status
    conditions = status.get("conditions")
    if not isinstance(conditions, list):
        return status
    kept: list[JSONValue] = [_without_time(c) for c in conditions if isinstance(c, dict)]
    return {**status, "conditions": kept}


def _without_time(condition: JSONObject) -> JSONObject:
    return {name: value for name, value in condition.items() if name != "lastTransitionTime"}
