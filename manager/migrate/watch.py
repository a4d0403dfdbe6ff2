"""Watches every entry that a SPIRE server holds, all the time, while something is swapped."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from api.proto import types_pb2
from registrar.identity.entry import EntryKey
from registrar.spire.convert import from_proto
from registrar.spire.entries import Reader
from registrar.spire.errors import SpireError

_PAUSE_SECONDS = 0.1
_MASK = types_pb2.EntryMask(spiffe_id=True, parent_id=True, selectors=True)
_POD_UID, _POD_NAME, _NAMESPACE = "pod-uid:", "pod-name:", "ns:"


@dataclass(frozen=True, slots=True)
class Pods:
    """The Pods that are there: their uids, and their namespaces and names."""

    uids: frozenset[str]
    names: frozenset[tuple[str, str]]

    def has(self, key: EntryKey) -> bool:
        """Whether the Pod that an entry selects is there; True for one that selects none."""
        values = [selector.value for selector in key.selectors if selector.type == "k8s"]
        uids = [v.removeprefix(_POD_UID) for v in values if v.startswith(_POD_UID)]
        names = [v.removeprefix(_POD_NAME) for v in values if v.startswith(_POD_NAME)]
        namespaces = [v.removeprefix(_NAMESPACE) for v in values if v.startswith(_NAMESPACE)]
        if uids:
            return any(uid in self.uids for uid in uids)
        if names and namespaces:
            return (namespaces[0], names[0]) in self.names
        return True


@dataclass(frozen=True, slots=True)
class Report:
    """What was seen. ``moments`` are the listings in which an entry was missing."""

    watched: int
    listings: int
    moments: int
    missing: tuple[EntryKey, ...] = ()
    departed: int = 0
    """How many went because their Pod did, which is right."""
    unanswered: int = 0
    """How many listings the server did not answer, as while it restarts."""
    longest_gap_seconds: float = 0.0
    """The longest time between two listings that were answered."""
    is_end_unknown: bool = False
    """Whether the last listing was not answered."""


@dataclass
class Watch:
    """The entries that were there first, by ID, and each listing since."""

    _reader: Reader
    first: Mapping[str, EntryKey] = field(default_factory=dict)
    listings: int = 0
    unanswered: int = 0
    longest_gap_seconds: float = 0.0
    _missing: Counter[frozenset[EntryKey]] = field(default_factory=Counter)
    _answered_at: float = 0.0
    _is_answered: bool = True

    async def begin(self) -> None:
        """Make the first listing. Raises SpireError."""
        self.first = await self._list()
        self.listings = 1
        self._answered_at = time.monotonic()

    async def look(self) -> None:
        """Make one listing more, and compare."""
        try:
            now = await self._list()
        except SpireError:
            self.unanswered += 1
            self._is_answered = False
            return
        self._is_answered = True
        self.listings += 1
        at = time.monotonic()
        self.longest_gap_seconds = max(self.longest_gap_seconds, at - self._answered_at)
        self._answered_at = at
        # One that was made anew under another ID serves the same workloads.
        keys = set(now.values())
        gone = frozenset(
            key for id_, key in self.first.items() if id_ not in now and key not in keys
        )
        if gone:
            self._missing[gone] += 1

    async def go_on(self) -> None:
        """List without end, until cancelled."""
        while True:
            began = time.monotonic()
            await self.look()
            # Never more than half of the server's time, however many entries there are.
            await asyncio.sleep(max(_PAUSE_SECONDS, time.monotonic() - began))

    def report(self, pods: Pods | None = None) -> Report:
        """What was seen; what went together with its Pod is not missing."""
        gone = frozenset[EntryKey]().union(*self._missing)
        departed = frozenset(key for key in gone if pods is not None and not pods.has(key))
        moments = sum(number for keys, number in self._missing.items() if keys - departed)
        return Report(
            watched=len(self.first),
            listings=self.listings,
            moments=moments,
            missing=tuple(sorted(gone - departed, key=lambda key: key.spiffe_id)),
            departed=len(departed),
            unanswered=self.unanswered,
            longest_gap_seconds=self.longest_gap_seconds,
            is_end_unknown=not self._is_answered,
        )

    async def _list(self) -> dict[str, EntryKey]:
        found = {}
        async for page in self._reader.pages(mask=_MASK):
            for message in page:
                found[message.id] = from_proto(message).key
        return found


@asynccontextmanager
async def watching(reader: Reader) -> AsyncIterator[Watch]:
    """Watch until the block ends; the last listing is made after it. Raises SpireError at first."""
    watch = Watch(reader)
    await watch.begin()
    async with asyncio.TaskGroup() as tasks:
        listing = tasks.create_task(watch.go_on())
        try:
            yield watch
        finally:
            listing.cancel()
    await watch.look()
