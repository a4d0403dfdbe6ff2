"""Looks at the SPIRE server all the time: nothing may be missing for a moment, nothing touched.

It lists without waiting for anybody. What it saw is held against the ledger as soon as nobody is
in the middle of changing an object, so that a look from before a change is never blamed on it.
"""

import dataclasses
import threading
import time

from hack.background import Background
from hack.soak.judge import Ledger
from hack.soak.spirelook import Entry, LookError, SpireLook

_PAUSE_SECONDS = 0.02
_MOST = 20
"""Findings of one round that are worth reading."""


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """All entries of one moment."""

    begun: float
    entries: list[Entry]


class Recorder(Background):
    """Records until the block ends; `ledger` is read and changed under `lock` alone."""

    def __init__(self, look: SpireLook, foreign: dict[str, Entry]) -> None:
        self.lock = threading.Lock()
        self.ledger = Ledger()
        self.findings: list[str] = []
        self.looks = 0
        self.failed_looks = 0
        self._look = look
        self._foreign = foreign
        self._counts_from = time.monotonic()
        super().__init__("recorder")

    def forget_before_now(self) -> None:
        """Looks that began before now count no more; call it with the lock held."""
        self._counts_from = time.monotonic()

    def take(self) -> list[str]:
        """Return what was found since the last time."""
        with self.lock:
            found, self.findings = self.findings, []
        return found

    def _run(self) -> None:
        while not self._ends.wait(_PAUSE_SECONDS):
            begun = time.monotonic()
            try:
                entries = self._look.entries()
            except LookError:
                self.failed_looks += 1
                continue
            self.looks += 1
            with self.lock:
                self._hold(Look(begun, entries))

    def _hold(self, look: Look) -> None:
        if look.begun < self._counts_from or len(self.findings) >= _MOST:
            return
        there = {entry.id: entry for entry in look.entries}
        found = self.ledger.lost(look.entries)
        found += [
            f"the entry {name}, which is not ours, is {there.get(name)}"
            for name, entry in self._foreign.items()
            if there.get(name) != entry
        ]
        keys = [entry.key for entry in look.entries]
        found += [f"two entries at one time for {key}" for key in {*keys} if keys.count(key) > 1]
        if found:
            at = time.strftime("%H:%M:%S")
            self.findings += [f"{at} {each}" for each in found]
            # Each is said once: nothing is owed until all is right again.
            self.ledger.suspend()
