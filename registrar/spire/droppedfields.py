"""Attributes that the SPIRE server drops, learnt from what it answers to our own writes.

An old server does not know every attribute of an entry. It takes the entry
without a word, and what comes back lacks them: compared naively the entry
would be updated for ever. No probe entry is needed to know: a write that
somebody wanted anyhow shows it.
"""

from collections.abc import Callable, Collection

from registrar.identity.entry import Attributes
from registrar.spire.convert import DROPPABLE

Changed = Callable[[frozenset[str], frozenset[str]], None]

_DEFAULTS = Attributes()


def _ignore(_: frozenset[str], __: frozenset[str]) -> None:
    """Nobody listens."""


class DroppedFields:
    """What one server is known to drop. ``on_change`` hears what came to it and what left it.

    A field that came back once is known to the server: should it be missing
    from a later answer, somebody else is the cause.
    """

    def __init__(self, *, on_change: Changed = _ignore) -> None:
        self.on_change = on_change
        self._dropped: frozenset[str] = frozenset()
        self._kept: frozenset[str] = frozenset()

    @property
    def fields(self) -> frozenset[str]:
        """Names of the attributes that we sent and that came back empty."""
        return self._dropped

    def learn(
        self, sent: Attributes, held: Attributes, *, written: Collection[str] = DROPPABLE
    ) -> None:
        """Compare what was sent with the answer. Only the ``written`` attributes say anything."""
        dropped, kept = set(self._dropped), set(self._kept)
        for name in DROPPABLE:
            asked, got = getattr(sent, name), getattr(held, name)
            if name not in written or asked == getattr(_DEFAULTS, name):
                continue
            if got == asked:
                kept.add(name)
            elif got == getattr(_DEFAULTS, name):
                dropped.add(name)
        self._kept = frozenset(kept)
        self._set(frozenset(dropped - kept))

    def forget(self) -> None:
        """Begin anew: the server was away, and another version may have come back."""
        self._kept = frozenset()
        self._set(frozenset())

    def _set(self, dropped: frozenset[str]) -> None:
        before, self._dropped = self._dropped, dropped
        if before != dropped:
            self.on_change(dropped - before, before - dropped)
