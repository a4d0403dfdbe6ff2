"""The newest changes and failures, as the SpireEntries tell them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest

from api.meta import find_condition
from api.spiffeid.v1beta1.spireentry import SpireEntry
from registrar.claims.record import READY
from registrar.kube.store import Change

MOST = 12


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one entry. ``at`` is RFC 3339."""

    at: str
    what: str
    """``made``, ``changed``, ``gone``, or a reason such as ``Failed``."""
    spiffe_id: str
    name: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Records:
    """What the SpireEntries say. ``not_watched`` is why they say nothing; empty where they do."""

    not_watched: str = ""
    number: int = 0
    newest: Sequence[Line] = ()
    failing: Sequence[Line] = ()


class History:
    """Follows the SpireEntries; it holds the newest lines and those that fail, not all of them."""

    def __init__(self) -> None:
        self._newest: list[Line] = []
        self._failing: dict[str, Line] = {}
        self._number = 0

    def heard(self, change: Change[SpireEntry], *, at: str, is_first: bool) -> None:
        """A SpireEntry came, changed or went; ``is_first``: it was there before we looked."""
        old, new = change.old, change.new
        self._number += (new is not None) - (old is not None)
        self._failing.pop(change.key.name, None)
        if new is None:
            if old is not None:
                self._add(Line(at, "gone", old.spec.spiffe_id, change.key.name))
            return
        ready = find_condition(new.status.conditions, READY)
        is_bad = ready is not None and ready.status == "False"
        made = new.metadata.creation_timestamp or ""
        when = ready.last_transition_time if ready is not None else made
        line = Line(when or made, "made", new.spec.spiffe_id, change.key.name)
        if ready is not None and is_bad:
            line = Line(line.at, ready.reason, line.spiffe_id, line.name, ready.message)
            self._failing[change.key.name] = line
        elif not is_first and old is not None:
            line = Line(at, "changed", line.spiffe_id, line.name)
        self._add(line)

    def _add(self, line: Line) -> None:
        self._newest = nlargest(MOST, [line, *self._newest], key=lambda one: one.at)

    def records(self) -> Records:
        """What there is to show."""
        failing: Iterable[Line] = self._failing.values()
        return Records(
            number=self._number,
            newest=tuple(self._newest),
            failing=tuple(nlargest(MOST, failing, key=lambda one: one.at)),
        )
