"""The release pass: delete from SPIRE what nobody claims any more, within the budget.

Everything that is to go is judged together, so that a mass deletion is seen as
one, whether a relist, a template edit or a person caused it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable

from api.spiffeid.v1beta1.spireentry import SpireEntry
from controllers.confirmation import Confirmation
from controllers.lastgood import ENTRY_ID_INDEX
from controllers.ports import Mirror, SpireWriter
from controllers.shared import SharedState
from registrar.backoff import Backoff
from registrar.claims.budget import DeletionBudget
from registrar.claims.outcome import State
from registrar.identity.entry import Entry, EntryKey
from registrar.kube.store import Store
from registrar.spire.errors import NotFound, SpireError
from registrar.telemetry.logging import kv
from registrar.telemetry.rounds import attempt

log = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 1.0, 60.0
_HELD_SECONDS = 0.2


class ReleasePass:
    """Gathers keys that may be free and deletes their entries. One pass at a time.

    ``look_at_held`` adds what was held for an object in doubt and is no more.
    """

    def __init__(  # noqa: PLR0913 - collaborators, all by keyword
        self,
        shared: SharedState,
        *,
        objects: Store[SpireEntry],
        writer: SpireWriter,
        budget: DeletionBudget,
        confirmation: Confirmation,
        mirror: Mirror,
        clock: Callable[[], float],
        look_at_held: Callable[[], None],
    ) -> None:
        self._shared = shared
        self._objects = objects
        self._writer = writer
        self._budget = budget
        self._confirmation = confirmation
        self._mirror = mirror
        self._clock = clock
        self._look_at_held = look_at_held
        self._pending: set[EntryKey] = set()
        self._leaving: Counter[EntryKey] = Counter()
        self._dirty = asyncio.Event()
        self._is_passing = False
        self._rested = asyncio.Event()
        self._opened = asyncio.Event()
        self._backoff = Backoff(_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS)
        self._has_failed = False
        self._later: asyncio.TimerHandle | None = None
        self._is_held_changed = True
        shared.last_good.on_change = self._held_changed

    def add(self, key: EntryKey) -> None:
        """Look at a key in the next pass."""
        self._pending.add(key)
        self._dirty.set()

    def look_again(self) -> None:
        """Judge what is withheld anew: the confirmation or the time has changed."""
        if self._pending:
            self._dirty.set()

    def open(self) -> None:
        """Allow passes: every source was looked at; those that failed hold what may be theirs."""
        self._opened.set()
        self._dirty.set()

    def withheld(self) -> list[Entry]:
        """The entries whose deletion is withheld, for people to agree to."""
        return self._doomed()[0] if self._shared.withheld else []

    def _held_changed(self) -> None:
        """What may be for an object in doubt must be judged anew, once for many changes."""
        if not self._is_held_changed:
            self._is_held_changed = True
            asyncio.get_running_loop().call_later(_HELD_SECONDS, self._dirty.set)

    async def run(self) -> None:
        """Run passes until cancelled."""
        await self._opened.wait()
        while True:
            if not self._dirty.is_set():
                self._rested.set()
            await self._dirty.wait()
            self._rested.clear()
            self._dirty.clear()
            self._is_passing = True
            # One turn of the loop lets a burst of releases become one pass.
            await asyncio.sleep(0)
            self._has_failed = False
            if not await attempt("release pass", self._pass):
                self._has_failed = True
            self._is_passing = False
            if self._has_failed:
                self._look_later()
            else:
                self._backoff.reset()

    @property
    def is_busy(self) -> bool:
        """Whether a pass is due or under way."""
        is_due = self._dirty.is_set() or (self._opened.is_set() and self._is_held_changed)
        return is_due or self._is_passing

    async def settled(self) -> None:
        """Wait until no pass is due or under way."""
        while self.is_busy:
            self._rested.clear()
            await self._rested.wait()

    async def _pass(self) -> None:
        if self._is_held_changed:
            self._is_held_changed = False
            self._look_at_held()
        doomed, urgent = self._doomed()
        # What a Pod must not have goes at once, and so does a privilege that nobody asks for any
        # more: no budget keeps an administrator. Nor does one protect a Pod that is gone.
        await self._delete_all(urgent, is_counted=False)
        ruling = self._budget.rule(
            wanted=len(doomed),
            held=len(self._mirror.own),
            confirmed=self._confirmation.confirmed(),
            now=self._clock(),
        )
        if not ruling.allowed:
            self._show_withheld(ruling.message, len(doomed))
            return
        if ruling.by_confirmation or self._shared.withheld:
            await self._confirmation.used()
        self._show_withheld("", 0)
        await self._delete_all(doomed, is_counted=True)

    async def _delete_all(self, entries: Iterable[Entry], *, is_counted: bool) -> None:
        async with asyncio.TaskGroup() as tasks:
            for entry in entries:
                tasks.create_task(self._delete(entry, is_counted=is_counted))

    def _doomed(self) -> tuple[list[Entry], list[Entry]]:
        """The entries to delete, and apart those that no budget may keep.

        Those are refused or privileged, or those of Pods and Nodes that were seen to go.

        Keys that are claimed (again) leave the pending set.
        """
        doomed: list[Entry] = []
        urgent: list[Entry] = []
        for key in list(self._pending):
            if key not in self._shared.index and self._shared.last_good.holds(key):
                self._pending.discard(key)
                continue
            entries = list(self._mirror.entries_of(key))
            if not self._is_free(key):
                self._pending.discard(key)
                self._shared.departed.done(key)
                kept = self._shared.outcomes.get(key).entry_id
                entries = [entry for entry in entries if kept and entry.id != kept]
            for entry in entries:
                is_refused = key in self._shared.index and self._is_free(key)
                is_gone = self._shared.departed.has_left(key)
                is_urgent = is_refused or is_gone or entry.attributes.is_privileged
                (urgent if is_urgent else doomed).append(entry)
            if not entries:
                self._pending.discard(key)
                self._done(key, "")
        return doomed, urgent

    def _is_free(self, key: EntryKey) -> bool:
        if key not in self._shared.index:
            return not self._shared.last_good.holds(key)
        return self._shared.outcomes.get(key).state is State.REFUSED

    async def _delete(self, entry: Entry, *, is_counted: bool) -> None:
        """Delete one entry; on failure it stays pending for a later pass.

        ``is_counted``: it counts against the budget.
        """
        key = entry.key
        if not self._is_free(key) and self._shared.outcomes.get(key).entry_id in {"", entry.id}:
            # Claimed meanwhile; which of several entries stays is known once SPIRE was asked.
            self._pending.discard(key)
            return
        was_privileged = key.spiffe_id in self._mirror.privileged_ids
        is_leaving = self._is_free(key)
        if is_leaving:
            self._leaving[key] += 1
            self._shared.leaving.add(key)
        try:
            await self._writer.delete(entry.id)
        except NotFound:
            pass
        except SpireError:
            self._has_failed = True
            return
        finally:
            if is_leaving:
                self._left(key)
        if is_counted:
            self._budget.spend(1, self._clock())
        self._pending.discard(key)
        self._done(key, entry.id)
        if was_privileged and key.spiffe_id not in self._mirror.privileged_ids:
            self._shared.wake_same_id(key.spiffe_id)

    def _left(self, key: EntryKey) -> None:
        """A deletion is over, however it went: who claimed the key meanwhile has waited for it."""
        shared = self._shared
        self._leaving[key] -= 1
        if self._leaving[key]:
            return  # the entries of one key go together
        del self._leaving[key]
        shared.leaving.discard(key)
        if key in shared.index:
            if shared.outcomes.get(key).state is not State.REFUSED:
                shared.outcomes.forget(key)
            shared.wake.entry(key)

    def _done(self, key: EntryKey, entry_id: str) -> None:
        """Let the records follow, and put the entry back if it was claimed meanwhile."""
        shared = self._shared
        shared.departed.done(key)
        shared.wake.released(key)
        if key in shared.index:
            if shared.outcomes.get(key).state is not State.REFUSED:
                shared.wake.entry(key)
            return
        # What is recorded goes next; whoever claims the key meanwhile must not find it set.
        shared.outcomes.forget(key)
        # It may have been recorded in an earlier term alone, and the entry may have gone unseen:
        # the answer to a deletion was lost, or somebody else deleted it.
        names = {shared.name_of(key)}
        if entry_id:
            names |= {k.name for k in self._objects.by_index(ENTRY_ID_INDEX, entry_id)}
        shared.released |= names
        for name in names:
            shared.wake.record(name)

    def _look_later(self) -> None:
        """Pass again after a while, which grows with each pass in which something failed."""
        if self._later is not None:
            self._later.cancel()
        seconds = self._backoff.next_seconds()
        self._later = asyncio.get_running_loop().call_later(seconds, self._dirty.set)

    def _show_withheld(self, why: str, count: int) -> None:
        """Let people see why deletions are withheld, or that they are no more."""
        shared = self._shared
        if (shared.withheld, shared.withheld_count) == (why, count):
            return
        is_new = bool(why) and not shared.withheld
        if is_new:
            how = self._confirmation.how(count)
            log.warning("deletions are withheld", extra=kv(why=why, remedy=how))
        shared.withheld, shared.withheld_count = why, count
        self._confirmation.show(why, is_new=is_new)
