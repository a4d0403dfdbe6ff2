"""Stored objects and the log of their changes: one revision counter, no old versions kept.

A read at an older revision undoes the changes that the log still has; a log that was compacted
past it cannot, and the reader hears that the revision expired. Watches are cursors into the
log, so a slow reader costs nothing and holds nothing back.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from devcluster.kubeapi.documents import JSONObject, encode, make_child
from devcluster.kubeapi.resources import StoreKey

ObjectKey: TypeAlias = tuple[str, str]
"""Namespace (empty for cluster scope) and name."""

LOG_LENGTH = 10_000


class Compacted(Exception):  # noqa: N818 - an answer more than an error
    """The log does not reach back to the revision."""

    def __init__(self, asked: int, oldest: int) -> None:
        super().__init__(f"revision {asked} is compacted, the oldest is {oldest}")
        self.asked = asked
        self.oldest = oldest


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored document, its revision and its bytes. Nobody changes the document."""

    document: JSONObject
    revision: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """One write: what stood under the key before and what stands there after it.

    `last` is set instead of `after` when the object went: its last state, at this revision.
    """

    revision: int
    key: ObjectKey
    before: Stored | None
    after: Stored | None
    last: Stored | None = None
    lines: dict[str, bytes] = field(default_factory=dict, compare=False)


Observer: TypeAlias = Callable[[StoreKey, Change], None]


def _stored(document: JSONObject, revision: int) -> Stored:
    make_child(document, "metadata")["resourceVersion"] = str(revision)
    return Stored(document=document, revision=revision, raw=encode(document))


class Table:
    """The objects of one resource and the log of their changes."""

    def __init__(self, revision: int) -> None:
        self._objects: dict[ObjectKey, Stored] = {}
        self._order: list[ObjectKey] | None = []
        self._log: deque[Change] = deque()
        self._first = 0
        self._compacted = revision
        self._waiting: set[asyncio.Event] = set()
        self.gone = False

    def get(self, key: ObjectKey) -> Stored | None:
        """What stands under the key."""
        return self._objects.get(key)

    def __len__(self) -> int:
        return len(self._objects)

    @property
    def compacted(self) -> int:
        """The oldest revision that a reader may start from."""
        return self._compacted

    @property
    def end(self) -> int:
        """The cursor of a reader that has seen everything."""
        return self._first + len(self._log)

    def items(self) -> Iterator[tuple[ObjectKey, Stored]]:
        """Everything, in the order of the keys."""
        if self._order is None:
            self._order = sorted(self._objects)
        for key in list(self._order):
            yield key, self._objects[key]

    def items_at(self, revision: int) -> Iterator[tuple[ObjectKey, Stored]]:
        """Everything as it stood at the revision.

        Raises:
            Compacted: The log does not reach back that far.
        """
        later = self.since(revision)
        if not later:
            yield from self.items()
            return
        then = dict(self._objects)
        for change in reversed(later):
            if change.before is None:
                then.pop(change.key, None)
            else:
                then[change.key] = change.before
        for key in sorted(then):
            yield key, then[key]

    def since(self, revision: int) -> list[Change]:
        """The changes after the revision, oldest first.

        Raises:
            Compacted: The log does not reach back that far.
        """
        if revision < self._compacted:
            raise Compacted(revision, self._compacted)
        later: list[Change] = []
        for change in reversed(self._log):
            if change.revision <= revision:
                break
            later.append(change)
        later.reverse()
        return later

    def read(self, cursor: int) -> list[Change] | None:
        """The changes from the cursor on; None if the log was cut off behind it."""
        if cursor < self._first:
            return None
        count = self.end - cursor
        if count == 0:
            return []
        if count == 1:
            return [self._log[-1]]
        return [self._log[index] for index in range(cursor - self._first, len(self._log))]

    def record(self, change: Change) -> None:
        """Makes the change, writes it down, and wakes who waits."""
        if change.after is None:
            self._objects.pop(change.key, None)
            self._order = None
        else:
            if change.before is None:
                self._order = None
            self._objects[change.key] = change.after
        self._log.append(change)
        if len(self._log) > LOG_LENGTH:
            self._drop_oldest()
        self.wake()

    def _drop_oldest(self) -> None:
        self._compacted = self._log.popleft().revision
        self._first += 1

    def compact(self, revision: int) -> None:
        """Forgets the changes up to the revision."""
        while self._log and self._log[0].revision <= revision:
            self._drop_oldest()
        self._compacted = max(self._compacted, revision)

    def wake(self) -> None:
        """Wakes everyone who waits for a change."""
        for event in self._waiting:
            event.set()

    def subscribe(self, event: asyncio.Event) -> None:
        """Sets the event at every change from now on."""
        self._waiting.add(event)

    def unsubscribe(self, event: asyncio.Event) -> None:
        """Leaves the event alone from now on."""
        self._waiting.discard(event)


class Store:
    """Every table, and the one revision counter."""

    def __init__(self) -> None:
        self._revision = 1
        self._tables: dict[StoreKey, Table] = {}
        self._observers: list[Observer] = []

    @property
    def revision(self) -> int:
        """The revision of the last write."""
        return self._revision

    def table(self, key: StoreKey) -> Table:
        """The table of a resource, made when first asked for."""
        found = self._tables.get(key)
        if found is None:
            # Of a table that was just made nothing is missing in the log.
            found = self._tables[key] = Table(0)
        return found

    def tables(self) -> list[tuple[StoreKey, Table]]:
        """Every table."""
        return list(self._tables.items())

    def drop_table(self, key: StoreKey) -> None:
        """Forgets an emptied table; its readers find it gone and end."""
        table = self._tables.pop(key, None)
        if table is not None:
            table.gone = True
            table.wake()

    def observe(self, observer: Observer) -> None:
        """Calls the observer after every change."""
        self._observers.append(observer)

    def get(self, table: StoreKey, key: ObjectKey) -> Stored | None:
        """What stands under the key."""
        found = self._tables.get(table)
        return None if found is None else found.get(key)

    def put(self, table: StoreKey, key: ObjectKey, document: JSONObject) -> Stored:
        """Stores the document, which belongs to the store from then on."""
        target = self.table(table)
        self._revision += 1
        after = _stored(document, self._revision)
        change = Change(revision=self._revision, key=key, before=target.get(key), after=after)
        self._finish(table, target, change)
        return after

    def remove(self, table: StoreKey, key: ObjectKey, last: JSONObject) -> Stored:
        """Removes the object; `last` is its last state, which watchers are shown."""
        target = self.table(table)
        self._revision += 1
        shown = _stored(last, self._revision)
        change = Change(
            revision=self._revision, key=key, before=target.get(key), after=None, last=shown
        )
        self._finish(table, target, change)
        return shown

    def _finish(self, key: StoreKey, table: Table, change: Change) -> None:
        table.record(change)
        for observer in self._observers:
            observer(key, change)

    def compact(self) -> None:
        """Forgets every change so far: whoever resumes from before has to list again."""
        self._revision += 1
        for table in self._tables.values():
            table.compact(self._revision)
            table.wake()
