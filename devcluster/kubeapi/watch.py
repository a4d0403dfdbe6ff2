"""Watches: the stream of changes, from a revision on or after the present state."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from devcluster.kubeapi import conversion
from devcluster.kubeapi.documents import JSONObject, copy_of, encode, make_child
from devcluster.kubeapi.listing import ListOptions, parse_revision
from devcluster.kubeapi.resources import Resource
from devcluster.kubeapi.selectors import Matcher, matcher
from devcluster.kubeapi.status import APIError, unclassified
from devcluster.kubeapi.storage import Change, Store, Stored, Table

BOOKMARK_SECONDS = 30.0

Render: TypeAlias = Callable[[Stored], bytes]
"""The bytes of an object as this watcher wants to see it."""


class Sink(Protocol):
    """Where the events go."""

    async def write(self, data: bytes) -> None:
        """Sends the bytes; raises ConnectionError when nobody reads any more."""


def _line(kind: str, raw: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + raw + b"}\n"


def gone(revision: int, oldest: int) -> APIError:
    """The answer to a watch from a revision that the log does not reach back to."""
    return APIError(410, "Expired", f"too old resource version: {revision} ({oldest})")


def error_line(error: APIError) -> bytes:
    """The event that tells of a refusal inside a stream."""
    return _line("ERROR", encode(error.document()))


@dataclass(slots=True, eq=False)
class Signal:
    """Wakes one watch, and tells it whether it is to end."""

    wake: asyncio.Event
    closed: bool = False


class Watches:
    """The open watches, so that they can be closed."""

    def __init__(self) -> None:
        self._open: set[Signal] = set()

    @contextlib.contextmanager
    def open(self) -> Iterator[Signal]:
        """Counts a watch as open while it runs."""
        signal = Signal(asyncio.Event())
        self._open.add(signal)
        try:
            yield signal
        finally:
            self._open.discard(signal)

    def close_all(self) -> None:
        """Ends every open watch; later ones are not concerned."""
        for signal in self._open:
            signal.closed = True
            signal.wake.set()


class Watch:
    """One watch of one client."""

    def __init__(
        self,
        store: Store,
        resource: Resource,
        namespace: str | None,
        options: ListOptions,
        render: Render | None,
    ) -> None:
        """Notes where to start.

        Raises:
            APIError: The selectors or the revision make no sense.
            Compacted: The log does not reach back to the revision.
        """
        self._store = store
        self._resource = resource
        self._namespace = namespace
        self._options = options
        self._render = render
        self._accepts: Matcher | None = matcher(resource, options.labels, options.fields)
        self._table: Table = store.table(resource.store_key)
        self._version = f"{resource.group}/{resource.version}"
        if options.revision and not options.revision.isdigit():
            raise unclassified(f'strconv.ParseUint: parsing "{options.revision}": invalid syntax')
        start = parse_revision(options.revision, store.revision)
        asked = options.initial_events
        self._initial = start == 0 if asked is None else asked
        self._seen = store.revision
        self._pending: list[Change] = []
        if start and not self._initial:
            self._pending = self._table.since(start)
        self._cursor = self._table.end
        self._first: list[Stored] = []
        if self._initial:
            self._first = [
                stored for key, stored in self._table.items() if self._wanted(key[0], stored)
            ]

    def _wanted(self, namespace: str, stored: Stored) -> bool:
        if self._namespace is not None and namespace != self._namespace:
            return False
        return self._accepts is None or self._accepts(stored.document)

    def _raw(self, stored: Stored) -> bytes:
        if self._render is not None:
            return self._render(stored)
        return conversion.raw(self._resource, stored)

    def _event(self, change: Change) -> bytes | None:
        """The line for a change; None where this watcher sees nothing of it."""
        namespace = change.key[0]
        before = change.before is not None and self._wanted(namespace, change.before)
        after = change.after is not None and self._wanted(namespace, change.after)
        if after and change.after is not None:
            return self._cached(change, "MODIFIED" if before else "ADDED", change.after)
        if not before or change.before is None:
            return None
        if change.last is not None:
            return self._cached(change, "DELETED", change.last)
        document = copy_of(change.before.document)
        make_child(document, "metadata")["resourceVersion"] = str(change.revision)
        last = Stored(document, change.revision, encode(document))
        return _line("DELETED", self._raw(last))

    def _cached(self, change: Change, kind: str, stored: Stored) -> bytes:
        """Encodes an event once for all watchers of this version."""
        if self._render is not None:
            return _line(kind, self._render(stored))
        name = f"{kind} {self._version}"
        line = change.lines.get(name)
        if line is None:
            line = change.lines[name] = _line(kind, conversion.raw(self._resource, stored))
        return line

    def _bookmark(self, *, initial: bool = False) -> bytes:
        meta: JSONObject = {"resourceVersion": str(self._seen)}
        if initial:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        body: JSONObject = {
            "kind": self._resource.kind,
            "apiVersion": self._resource.api_version,
            "metadata": meta,
        }
        return _line("BOOKMARK", encode(body))

    def _opening(self) -> Iterator[bytes]:
        for stored in self._first:
            yield _line("ADDED", self._raw(stored))
        if self._initial and self._options.initial_events and self._options.bookmarks:
            yield self._bookmark(initial=True)
        for change in self._pending:
            line = self._event(change)
            if line is not None:
                yield line
        self._first, self._pending = [], []

    async def run(self, sink: Sink, signal: Signal) -> None:
        """Sends events until the time is up, the log is cut off, or the signal says to end."""
        opening = b"".join(self._opening())
        if opening:
            await sink.write(opening)
        self._table.subscribe(signal.wake)
        seconds = self._options.timeout_seconds or random.uniform(1800, 3600)  # noqa: S311 - spreads reconnects
        try:
            async with asyncio.timeout(seconds):
                await self._follow(sink, signal)
        except TimeoutError:
            if self._options.bookmarks:
                await sink.write(self._bookmark())
        finally:
            self._table.unsubscribe(signal.wake)

    async def _follow(self, sink: Sink, signal: Signal) -> None:
        while not signal.closed:
            signal.wake.clear()
            if not await self._send_new(sink):
                return
            if not signal.wake.is_set() and not signal.closed:
                await self._rest(sink, signal.wake)

    async def _rest(self, sink: Sink, wake: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(BOOKMARK_SECONDS):
                await wake.wait()
        except TimeoutError:
            if self._options.bookmarks:
                await sink.write(self._bookmark())

    async def _send_new(self, sink: Sink) -> bool:
        """Sends what happened since; false when the watch is at its end."""
        seen = self._store.revision
        changes = self._table.read(self._cursor)
        if changes is None or self._seen < self._table.compacted:
            error = gone(self._seen, self._table.compacted)
            await sink.write(error_line(error))
            return False
        if changes:
            self._cursor += len(changes)
            lines = [line for change in changes if (line := self._event(change)) is not None]
            if lines:
                await sink.write(b"".join(lines))
        self._seen = seen
        return not self._table.gone
