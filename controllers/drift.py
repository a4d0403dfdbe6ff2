"""The drift check: what changed on the SPIRE server behind our back is put right."""

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from controllers.shared import SharedState
from controllers.source import AnySource
from registrar.claims.ownership import is_join_token
from registrar.identity.entry import Entry, EntryKey
from registrar.kube.slots import BACKLOG
from registrar.spire.errors import SpireError
from registrar.spire.mirror import EntryMirror
from registrar.telemetry.logging import kv
from registrar.telemetry.rounds import attempt

log = logging.getLogger(__name__)

_REST = 9
"""So many times as long as a look took passes before the next one, whatever the interval: to list
hundreds of thousands of entries keeps the server busy for a minute."""
_SLOWEST_SECONDS = 0.001
"""For one entry. What a look takes beyond that is no work of the server's: it hung meanwhile."""
_PATIENCE_INTERVALS = 3
_LOOK_SECONDS = 0.2


class DriftCheck:
    """Compares the SPIRE server with the claims, about every ``interval_seconds``.

    It is later where a look takes a tenth of the time, or while a mass of entries waits.

    ``repaired`` counts what it found, by kind: changed, vanished or orphan.
    ``checked`` is called after each look, failed or not, and so is what the ``sources`` have to
    compare with the SPIRE server besides their entries.
    """

    def __init__(
        self,
        shared: SharedState,
        *,
        mirror: EntryMirror,
        interval_seconds: float,
        repaired: Callable[[str], None],
        checked: Callable[[], None],
        sources: Sequence[AnySource],
    ) -> None:
        self._shared = shared
        self._mirror = mirror
        self._interval = interval_seconds
        self._repaired = repaired
        self._checked = checked
        self._sources = sources
        self._took = 0.0

    async def run(self) -> None:
        """Check until cancelled; an unreachable server changes nothing."""
        while True:
            # Jitter keeps the registrars of many clusters from listing at once.
            pause = self._interval * random.uniform(0.8, 1.0)  # noqa: S311 - no secret
            await asyncio.sleep(max(pause, _REST * self._took))
            await self._until_quiet()
            await attempt("drift check", self._round)

    async def _until_quiet(self) -> None:
        """Let a mass of entries be written first, for a few intervals at most.

        To list all entries keeps the server from writing for as long.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_INTERVALS * self._interval):
                while self._shared.backlog() >= BACKLOG:  # noqa: ASYNC110 - it falls by itself
                    await asyncio.sleep(_LOOK_SECONDS)

    async def _round(self) -> None:
        loop = asyncio.get_running_loop()
        # How long a server took that did not answer says nothing of the next look.
        began, self._took = loop.time(), 0.0
        try:
            await self.check()
            entries = len(self._mirror.own) + self._mirror.foreign_count
            self._took = min(loop.time() - began, entries * _SLOWEST_SECONDS)
        except SpireError as error:
            log.warning("drift check failed", extra=kv(error=error.message))
        finally:
            self._checked()
            for source in self._sources:
                source.drifted()

    async def check(self) -> None:
        """Look once. Raises SpireError when the server cannot be read."""
        privileged = frozenset(self._mirror.privileged_ids)
        drift = await self._mirror.refresh()
        self._inherit(drift.appeared)
        put_right: Counter[str] = Counter()
        for kind, entries in (("changed", drift.changed), ("vanished", drift.vanished)):
            for entry in entries:
                if kind == "vanished" and any(s.gives_up(entry) for s in self._sources):
                    continue
                self._shared.wake.entry(entry.key)
                put_right[kind] += 1
        for spiffe_id in privileged ^ frozenset(self._mirror.privileged_ids):
            for key in self._shared.index.keys_of(spiffe_id):
                self._shared.wake.entry(key)
        for key in (*self._shared.outcomes.waiting_for_others(), *self._shared.index.yielding()):
            self._shared.wake.entry(key)
        if put_right:
            log.warning("others changed our entries, putting them right", extra=kv(**put_right))
        put_right["orphan"] += self.sweep()
        for kind in put_right.elements():
            self._repaired(kind)

    def sweep(self) -> int:
        """Hand what nobody claims, and second entries of one key, to the release pass."""
        found = 0
        doubled: set[EntryKey] = set()
        seen: set[EntryKey] = set()
        for entry in self._mirror.own.values():
            if entry.key in seen:
                doubled.add(entry.key)
            seen.add(entry.key)
            if not self._is_nobodys(entry):
                continue
            self._shared.wake.release(entry.key)
            found += 1
        for key in doubled:
            self._shared.wake.release(key)
        return found + len(doubled)

    def _inherit(self, appeared: Iterable[Entry]) -> None:
        """What appeared under our IDs may be for an object in doubt, as what was there before."""
        for entry in appeared:
            if entry.key not in self._shared.index:
                self._shared.last_good.inherit(entry)

    def look_at_held(self) -> None:
        """Hand to the release pass what was held for an object in doubt and is no more."""
        for key in self._shared.last_good.released():
            if any(self._is_nobodys(entry) for entry in self._mirror.entries_of(key)):
                self._shared.wake.release(key)
        self._shared.last_good.report()

    def _is_nobodys(self, entry: Entry) -> bool:
        """Whether an entry of ours may go: nobody claims it, nor may do so."""
        if entry.key in self._shared.index or is_join_token(entry.key):
            return False
        if self._shared.last_good.holds(entry.key):
            return False
        return not any(source.takes_up(entry) for source in self._sources)
