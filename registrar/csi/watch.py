"""Volumes that have their files: what becomes wrong with them is told, and when it is over.

A kubelet reports a volume's condition only with an alpha feature gate, so nobody may rely on it.
"""

from registrar.csi.ailments import PATIENT, Ailment
from registrar.csi.notices import Notices
from registrar.csi.volume import Volume

LOOK_SECONDS = 2.0
_LASTING_SECONDS = 60.0
"""What passes by itself more often than not is told when it has lasted so long."""


class Watch:
    """``patience_seconds`` is the longest time that anything passing may last untold."""

    def __init__(self, notices: Notices, *, patience_seconds: float) -> None:
        self._notices = notices
        self._lasting = min(_LASTING_SECONDS, patience_seconds)
        self._since: dict[str, tuple[str, float]] = {}

    def look(self, volume: Volume, ailment: Ailment | None, now: float) -> None:
        """How a volume stands now; ``now`` is any clock that is not set."""
        if ailment is None:
            self._since.pop(volume.id, None)
            self._notices.end(volume, "it is up to date again")
            return
        reason, since = self._since.get(volume.id, ("", now))
        if reason != ailment.reason:
            since = now
            self._since[volume.id] = (ailment.reason, now)
        if ailment.reason not in PATIENT or now - since >= self._lasting:
            self._notices.begin(volume, ailment)

    def forget(self, volume_id: str) -> None:
        """A volume is not there any more."""
        self._since.pop(volume_id, None)
