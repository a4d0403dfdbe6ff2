"""What the SPIRE server holds, as far as we care: filled once, then kept by our own writes.

Our entries are held whole; of the others only the versions, to see cheaply
that they did not change, and which SPIFFE IDs are privileged. Between two
looks at the server the mirror knows what our own writes left there;
``refresh`` finds what others did meanwhile.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping, Sequence
from dataclasses import dataclass

from api.proto import types_pb2
from registrar.identity.entry import Entry, EntryKey
from registrar.spire.convert import (
    domains_from_proto,
    from_proto,
    version_mask,
)
from registrar.spire.entries import Reader
from registrar.spire.errors import NotFound
from registrar.spire.foreign import Foreign, Version
from registrar.spire.privileged import PrivilegedIDs

GET_CONCURRENCY = 8
THOROUGH_EVERY = 20
"""Every so many looks ours are read whole: versions miss what is deleted and made anew under
its ID within the second that its first making took place in."""

MOST_FOREIGN = 20_000
"""Entries of others that are held whole until the first look after the filling, to be adopted."""

RELIST_ABOVE = 200
"""With more changed entries than this, listing them all again is cheaper than one by one."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How our entries differ from what our own writes left on the server.

    ``changed`` is as the server has it now, ``vanished`` as it was,
    ``appeared`` are entries under our IDs that we did not make. An entry
    whose key was changed vanished under the one and appeared under the other.
    """

    changed: list[Entry]
    vanished: list[Entry]
    appeared: list[Entry]

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.changed or self.vanished or self.appeared)


class EntryMirror:
    """The mirror of one server.

    ``is_ours`` tells by its ID whether an entry is ours. One that ``may_be_ours`` by its ID is
    if its key ``has_our_form``; ``adopt`` adds single ones. While a read is under way it leaves
    the IDs alone that our own writes touch: the writes know better.
    """

    def __init__(
        self,
        client: Reader,
        *,
        is_ours: Callable[[str], bool],
        may_be_ours: Callable[[str], bool] = lambda _: False,
        has_our_form: Callable[[EntryKey], bool] = lambda _: False,
        most_foreign: int = MOST_FOREIGN,
    ) -> None:
        self._client = client
        self._is_ours = is_ours
        self._may_be_ours = may_be_ours
        self._has_our_form = has_our_form
        self._most_foreign = most_foreign
        self._own: dict[str, Entry] = {}
        self._by_key: dict[EntryKey, tuple[str, ...]] = {}
        self._foreign: dict[str, Version] = {}
        self._adoptable: dict[EntryKey, Entry] = {}
        self._adopted: set[str] = set()
        self._privileged = PrivilegedIDs()
        self._in_flight: dict[str, int] = {}
        self._touched: set[str] | None = None
        self._reading = asyncio.Lock()
        self._looks = 0

    @property
    def own(self) -> Mapping[str, Entry]:
        """Our entries by ID."""
        return self._own

    @property
    def privileged_ids(self) -> Mapping[str, frozenset[str]]:
        """SPIFFE IDs of all admin and downstream entries, ours or not, with the entries' IDs."""
        return self._privileged.by_spiffe_id

    @property
    def foreign_count(self) -> int:
        """How many entries are not ours."""
        return len(self._foreign)

    @property
    def foreign_ids(self) -> KeysView[str]:
        """The IDs of the entries that are not ours; copy it before waiting."""
        return self._foreign.keys()

    def entry_of(self, key: EntryKey) -> Entry | None:
        """Our entry with that key: the oldest where there are several."""
        ids = self._by_key.get(key)
        return self._own[ids[0]] if ids else None

    def entries_of(self, key: EntryKey) -> Sequence[Entry]:
        """All our entries with that key, the oldest first: several after a race of servers."""
        return [self._own[entry_id] for entry_id in self._by_key.get(key, ())]

    async def others(self, spiffe_id: str) -> list[Entry]:
        """The entries with that SPIFFE ID that are not ours, asked of the server.

        Others are not held whole, so this is a call; it is for the few who need it. Raises
        SpireError.
        """
        return [
            from_proto(message)
            async for page in self._client.pages(spiffe_id=spiffe_id)
            for message in page
            if not self._is_own(message.id)
        ]

    def adoptable(self, key: EntryKey) -> Entry | None:
        """The entry of others with that key that was there when the mirror was filled.

        For the first claims only: it spares the server creations that it would refuse, and is
        forgotten with the first look.
        """
        return self._adoptable.get(key)

    @property
    def foreign(self) -> Mapping[EntryKey, Entry]:
        """The entries of others that are held whole; see ``adoptable``."""
        return self._adoptable

    def doubt(self, key: EntryKey) -> None:
        """Forget our entries with that key: others may have deleted them.

        Creating one tells: the server answers with what it holds.
        """
        for entry_id in self._by_key.get(key, ()):
            self.removed(entry_id)

    def adopt(self, entry: Entry) -> None:
        """Count an entry that the server holds among ours, whatever its ID."""
        self._adoptable.pop(entry.key, None)
        self._adopted.add(entry.id)
        self._put(entry)
        self._touch(entry.id)

    def wrote(self, entry: Entry) -> None:
        """The server answered that it holds our entry like this now."""
        self._put(entry)
        self._touch(entry.id)

    def removed(self, entry_id: str) -> None:
        """The server answered that it holds no such entry (any more)."""
        self._forget(entry_id)
        self._adopted.discard(entry_id)
        self._touch(entry_id)

    @contextlib.contextmanager
    def writing(self, ids: Iterable[str]) -> Iterator[None]:
        """Writes to those IDs are under way in the block: their answers count, not a look."""
        names = list(ids)
        for name in names:
            self._in_flight[name] = self._in_flight.get(name, 0) + 1
            self._touch(name)
        try:
            yield
        finally:
            for name in names:
                left = self._in_flight.pop(name) - 1
                if left:
                    self._in_flight[name] = left

    async def load(self) -> None:
        """Read everything. Raises SpireError, and leaves the mirror as it was then."""
        async with self._reading:
            with self._watching_writes() as touched:
                own: list[Entry] = []
                foreign: list[Foreign] = []
                async for page in self._client.pages():
                    for message in page:
                        entry = self._as_own(message)
                        if entry is None:
                            foreign.append(Foreign.of(message))
                            if len(self._adoptable) < self._most_foreign:
                                other = from_proto(message)
                                self._adoptable.setdefault(other.key, other)
                        else:
                            own.append(entry)
                for entry_id in {*self._own, *self._foreign} - touched:
                    self._forget(entry_id)
                for seen in foreign:
                    if seen.id not in touched:
                        self._put_foreign(seen)
                for entry in own:
                    if entry.id not in touched:
                        self._put(entry)

    async def refresh(self) -> Drift:
        """Look at all versions, fetch what is new or changed, and take it over.

        Raises SpireError, and leaves the mirror as it was then.
        """
        async with self._reading:
            with self._watching_writes() as touched:
                mask = version_mask()
                seen: set[str] = set()
                wanted: set[str] = set()
                async for page in self._client.pages(mask=mask):
                    for message in page:
                        seen.add(message.id)
                        if self._differs(message):
                            wanted.add(message.id)
                wanted -= touched
                is_thorough = (self._looks + 1) % THOROUGH_EVERY == 0
                if is_thorough:
                    wanted |= self._own.keys() & seen
                fetched = await self._fetch(wanted, by_page=is_thorough)
                self._looks += 1
                self._adoptable.clear()
                # Also those that went between the look and the fetching.
                left = (seen - wanted) | fetched.keys()
                gone = {*self._own, *self._foreign} - left
                return self._take_over(fetched, gone, touched)

    def _take_over(
        self, fetched: Mapping[str, Entry], gone: Iterable[str], touched: set[str]
    ) -> Drift:
        drift = Drift([], [], [])
        for entry_id in gone:
            if entry_id in touched:
                continue
            lost = self._own.get(entry_id)
            if lost is not None:
                drift.vanished.append(lost)
            self._forget(entry_id)
            self._adopted.discard(entry_id)
        for entry_id, entry in fetched.items():
            if entry_id in touched:
                continue
            if self._is_own(entry_id) or self._is_by_form(entry):
                self._compare(entry, drift)
                self._put(entry)
            else:
                self._put_foreign(Foreign.of_entry(entry))
        return drift

    def _compare(self, entry: Entry, drift: Drift) -> None:
        before = self._own.get(entry.id)
        if before is None:
            drift.appeared.append(entry)
        elif before == entry:
            # A thorough look that found nothing.
            return
        elif before.key == entry.key:
            drift.changed.append(entry)
        else:
            drift.vanished.append(before)
            drift.appeared.append(entry)

    async def _fetch(self, wanted: set[str], *, by_page: bool) -> dict[str, Entry]:
        """Those entries as the server has them now; the ones that are gone are missing."""
        if wanted and (by_page or len(wanted) > RELIST_ABOVE):
            return {
                message.id: from_proto(message)
                async for page in self._client.pages()
                for message in page
                if message.id in wanted
            }
        found: dict[str, Entry] = {}
        waiting = iter(list(wanted))

        async def fetch_some() -> None:
            for entry_id in waiting:
                with contextlib.suppress(NotFound):
                    found[entry_id] = await self._client.get(entry_id)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(GET_CONCURRENCY, len(wanted))):
                    tasks.create_task(fetch_some())
        except BaseExceptionGroup as group:
            # All fail for the same reason, more or less: the caller wants one.
            raise group.exceptions[0] from group
        return found

    @contextlib.contextmanager
    def _watching_writes(self) -> Iterator[set[str]]:
        """The IDs that writes touched from now to the end of the block, or are touching now."""
        touched = set(self._in_flight)
        self._touched = touched
        try:
            yield touched
        finally:
            self._touched = None

    def _touch(self, entry_id: str) -> None:
        if self._touched is not None:
            self._touched.add(entry_id)

    def _is_own(self, entry_id: str) -> bool:
        return entry_id in self._adopted or self._is_ours(entry_id)

    def _as_own(self, message: types_pb2.Entry) -> Entry | None:
        """The entry if it is ours, else None."""
        if self._is_own(message.id):
            return from_proto(message)
        if not self._may_be_ours(message.id):
            return None
        entry = from_proto(message)
        return entry if self._is_by_form(entry) else None

    def _is_by_form(self, entry: Entry) -> bool:
        """Whether an entry is ours by its key; from then on it is by its ID."""
        if not self._may_be_ours(entry.id) or not self._has_our_form(entry.key):
            return False
        self._adopted.add(entry.id)
        return True

    def _differs(self, message: types_pb2.Entry) -> bool:
        """Whether an entry, as far as a look reads it, is another than the one that is known."""
        if self._version_of(message.id) != (message.revision_number, message.created_at):
            return True
        own = self._own.get(message.id)
        if own is None:
            return False
        return domains_from_proto(message) != set(own.attributes.federates_with)

    def _version_of(self, entry_id: str) -> Version | None:
        entry = self._own.get(entry_id)
        if entry is not None:
            return (entry.revision_number, entry.created_at)
        return self._foreign.get(entry_id)

    def _put(self, entry: Entry) -> None:
        self._forget(entry.id)
        self._own[entry.id] = entry
        if entry.attributes.is_privileged:
            self._privileged.set(entry.id, entry.key.spiffe_id)
        others = self._by_key.get(entry.key, ())
        if not others:
            self._by_key[entry.key] = (entry.id,)
            return
        ids = [*others, entry.id]
        ids.sort(key=lambda entry_id: (self._own[entry_id].created_at, entry_id))
        self._by_key[entry.key] = tuple(ids)

    def _put_foreign(self, other: Foreign) -> None:
        self._forget(other.id)
        self._foreign[other.id] = other.version
        if other.privileged_id:
            self._privileged.set(other.id, other.privileged_id)

    def _forget(self, entry_id: str) -> None:
        self._foreign.pop(entry_id, None)
        self._privileged.drop(entry_id)
        entry = self._own.pop(entry_id, None)
        if entry is None:
            return
        left = tuple(other for other in self._by_key[entry.key] if other != entry_id)
        if left:
            self._by_key[entry.key] = left
        else:
            del self._by_key[entry.key]
