"""Troubles that many have at one time: a line when they begin, and one when they are over.

What a hundred volumes wait for is one trouble, not a hundred. Its line says how many have it, so
it is written a moment after the first one has; the line of its end when the last is rid of it.
"""

import asyncio
import logging
from dataclasses import dataclass, field

from registrar.telemetry.logging import kv

_GATHER_SECONDS = 1.0
"""Within it the others have noticed too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The messages of the two lines, and what is counted in them."""

    begun: str
    over: str
    counted: str


@dataclass(slots=True)
class _Kind:
    """One kind of trouble, as long as somebody has any."""

    why: str
    timer: asyncio.TimerHandle
    having: set[str] = field(default_factory=set)


class Troubles:
    """Who has which trouble now. ``log`` is the logger of those who have them."""

    def __init__(self, words: Words, log: logging.Logger) -> None:
        self._words = words
        self._log = log
        self._kinds: dict[str, _Kind] = {}
        self._uncounted: set[str] = set()
        self._ever: set[str] = set()
        self._began_at = 0.0

    def has(self, who: str, kind: str, why: str, *, is_counted: bool = True) -> None:
        """Somebody has a trouble of that kind, and no other any more.

        ``is_counted`` False: not one of those whose number is told.
        """
        loop = asyncio.get_running_loop()
        if not self._ever:
            self._began_at = loop.time()
        self._ever.add(who)
        if not is_counted:
            self._uncounted.add(who)
        self._forget(who, but=kind)
        found = self._kinds.get(kind)
        if found is None:
            timer = loop.call_later(_GATHER_SECONDS, self._tell, kind)
            found = self._kinds[kind] = _Kind(why, timer)
        found.having.add(who)

    def is_rid(self, who: str) -> None:
        """Somebody has no trouble any more, or is not there any more."""
        if who not in self._ever:
            return
        self._forget(who)
        if not self._kinds:
            self._end()

    def _forget(self, who: str, *, but: str = "") -> None:
        """Somebody has no trouble any more, of a kind but that one."""
        for name, kind in list(self._kinds.items()):
            if name != but:
                kind.having.discard(who)
            if not kind.having:
                kind.timer.cancel()
                del self._kinds[name]

    def _tell(self, name: str) -> None:
        kind = self._kinds[name]
        words: dict[str, str | int] = {self._words.counted: len(kind.having - self._uncounted)}
        self._log.warning(self._words.begun, extra=kv(reason=name, why=kind.why, **words))

    def _end(self) -> None:
        seconds = round(asyncio.get_running_loop().time() - self._began_at, 1)
        words: dict[str, str | int] = {self._words.counted: len(self._ever - self._uncounted)}
        self._log.info(self._words.over, extra=kv(seconds=seconds, **words))
        self._uncounted.clear()
        self._ever.clear()
