"""List and watch one kind into a store, for ever.

A complete list first, then a watch from the list's resourceVersion. The watch
is resumed from the last version seen (bookmarks keep that one young); only
410 Gone, or a watch that keeps ending in an error, leads to a new list, and
a new list announces only what differs. No failure ever takes anything out of
the store: an unreachable server or a missing kind means "what we last knew".
"""

import asyncio
import contextlib
import logging
import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, Literal, TypeVar

from api.codec import DecodeError
from api.kinds import Kind
from api.meta import KubeObject, ObjectMeta
from registrar.backoff import Backoff
from registrar.kube.client import JSON, METADATA, list_request, read_page
from registrar.kube.errors import (
    Forbidden,
    Garbled,
    Gone,
    KubeError,
    NotFound,
    TooManyRequests,
)
from registrar.kube.lines import LineSplitter
from registrar.kube.received import OBJECT_EVENTS, Received
from registrar.kube.session import API, Request
from registrar.kube.store import Change, Store, version_of
from registrar.telemetry.logging import kv
from registrar.telemetry.observers import ReflectorObserver, Silent

__all__ = ["Change", "Reflector", "State"]

log = logging.getLogger(__name__)

T = TypeVar("T", bound=KubeObject)
State = Literal["listing", "watching", "missing", "broken"]

PAGE_SIZE = 500
WATCH_SECONDS = (240.0, 420.0)
"""How long the server keeps one watch open, drawn anew each time so that replicas spread."""
SILENCE_SECONDS = 100.0
"""Longest silence of a watch; bookmarks come about once a minute."""
REFUSALS_BEFORE_LIST = 3
"""A watch that ends that often in a row with an error of the server's, or with what cannot be read,
and has given nothing new in between, is not resumed any more (a restored backup, say)."""


class Reflector(Generic[T]):
    """Keeps ``store`` equal to what the API server holds of ``kind``, within the selectors.

    ``on_change`` hears of every change after it is in the store, the first
    list's objects included; it must not block. ``transform`` makes each object
    into what is kept of it. ``metadata_only`` asks the server for nothing else.
    ``state`` and ``last_error`` are for probes and metrics.
    """

    def __init__(  # noqa: PLR0913 - what to list stands beside what to do with it
        self,
        *,
        session: API,
        kind: Kind[T],
        store: Store[T],
        on_change: Callable[[Change[T]], None],
        label_selector: str = "",
        field_selector: str = "",
        namespace: str = "",
        transform: Callable[[T], T] | None = None,
        metadata_only: bool = False,
        observer: ReflectorObserver | None = None,
    ) -> None:
        self._session = session
        self._kind = kind
        self._store = store
        self._on_change = on_change
        self._label = label_selector
        self._field = field_selector
        self._namespace = namespace
        self._transform = transform
        self._metadata_only = metadata_only
        self._observer = observer or Silent()
        self._received = Received(kind)
        self._version = ""
        self._must_list = False
        self._patience: asyncio.Timeout | None = None
        self._moved = asyncio.Event()
        self._refusals = 0
        self._paged = True
        self._refused = False
        self.listed_from = -math.inf
        """When the last complete list was asked for, by the event loop's clock."""
        self.failures = 0
        """How often a list or watch ended in an error, one that has only expired left out."""
        self.state: State = "listing"
        self.last_error = ""

    @property
    def is_missing(self) -> bool:
        """Whether the kind is not installed."""
        return self.state == "missing"

    @property
    def is_forbidden(self) -> bool:
        """Whether we may not read the kind."""
        return self.state == "broken" and self._refused

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something about the store's version, or about this one's own state."""
        while not condition():
            self._moved.clear()
            await self._moved.wait()

    async def present_version(self, *, within_seconds: float) -> int:
        """The version that the API server is at now, 0 for a strange one. Raises KubeError.

        A list without a version is a consistent read, of one object as of all.
        """
        request = list_request(
            self._kind, limit=1, namespace=self._namespace, metadata_only=self._metadata_only
        )
        reply = await self._session.call(replace(request, deadline_seconds=within_seconds))
        return version_of(ObjectMeta(resource_version=read_page(reply).resource_version))

    @property
    def seen_version(self) -> int:
        """The highest version that the list or watch has delivered."""
        return self._store.seen_version

    @property
    def size(self) -> int:
        """How many objects the store holds."""
        return len(self._store)

    def list_anew(self) -> None:
        """Ask for a complete list next, whatever the watch does at this moment."""
        self._must_list = True
        self._moved.set()
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """List and watch until cancelled."""
        backoff = Backoff(base=0.2, maximum=10.0)
        missing = Backoff(base=1.0, maximum=10.0)
        while True:
            try:
                while self._must_list or not self._version:
                    self._must_list, self._version = False, ""
                    self._enter("listing")
                    await self._list()
                    missing.reset()
                self._enter("watching")
                if await self._watch():
                    backoff.reset()
                else:
                    # A server that ends its watches at once must not be asked in a tight loop.
                    await self._pause(backoff.next_seconds())
            except NotFound as error:
                self._version = ""
                self.failures += 1
                self._enter("missing", str(error))
                await self._pause(missing.next_seconds())
            except Gone as error:
                log.debug("watch expired, listing again", extra=kv(kind=self._kind.resource))
                self._paged = bool(self._version)
                self._version = ""
                self._enter("listing", str(error))
                await self._pause(backoff.next_seconds())
            except KubeError as error:
                await self._recover(error, backoff)
            except Exception as error:
                # What nobody foresaw, such as an odd object, must not end the process.
                log.exception("unexpected error, going on", extra=kv(part=self._kind.resource))
                self._version = ""
                await self._recover(KubeError(f"{type(error).__name__}: {error}"), backoff)

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer once a list is asked for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.until(lambda: self._must_list)

    async def _recover(self, error: KubeError, backoff: Backoff) -> None:
        self._refused = isinstance(error, Forbidden)
        self.failures += 1
        if error.status or isinstance(error, Garbled):
            self._refusals += 1
            if self._refusals >= REFUSALS_BEFORE_LIST:
                self._version = ""
        seconds = backoff.next_seconds()
        if isinstance(error, TooManyRequests):
            seconds = max(seconds, error.retry_after)
        if self.state != "broken":
            log.warning(
                "cannot list or watch",
                extra=kv(kind=self._kind.resource, error=str(error), retry_seconds=seconds),
            )
        self._enter("broken", str(error))
        await self._pause(seconds)

    def _enter(self, state: State, error: str = "") -> None:
        # A new attempt does not hide the last failure: only success (see _succeeded) does.
        if error:
            self.last_error = error
        elif self.state in {"broken", "missing"}:
            return
        if state != self.state:
            if state == "missing":
                log.info("the kind is not installed yet", extra=kv(kind=self._kind.resource))
            self.state = state
        self._observer.state(state)
        self._moved.set()

    def _succeeded(self, state: State) -> None:
        if self.state in {"broken", "missing"}:
            log.info("list and watch work again", extra=kv(kind=self._kind.resource))
        self.last_error = ""
        self.state = state
        self._observer.state(state)
        self._moved.set()

    # The list.

    async def _list(self) -> None:
        started = asyncio.get_running_loop().time()
        listing = self._store.begin_list()
        token, version = "", ""
        seen: set[str] = set()
        while True:
            request = list_request(
                self._kind,
                limit=PAGE_SIZE if self._paged else 0,
                continue_token=token,
                label=self._label,
                field=self._field,
                namespace=self._namespace,
                metadata_only=self._metadata_only,
            )
            reply = await self._session.call(request)
            good, bad, meta = self._received.read_list(reply)
            del reply
            if not version:
                version = meta.resource_version
                listing.begin(version_of(ObjectMeta(resource_version=version)))
            for obj in good:
                try:
                    kept = self._kept(obj)
                except DecodeError as why:
                    bad.append((obj.metadata, str(why)))
                else:
                    self._announce(listing.take(kept))
            for broken, error in bad:
                self._announce(listing.take_broken(broken, error))
            token = _next_page(meta.continue_, seen)
            if not token:
                break
            await asyncio.sleep(0)
        for number, change in enumerate(listing.finish()):
            self._announce(change)
            if number % PAGE_SIZE == PAGE_SIZE - 1:
                await asyncio.sleep(0)
        self._version = version
        self._paged = True
        self._store.synced.set()
        self._refusals = 0
        self.listed_from = started
        self._succeeded("watching")
        self._observer.listed(asyncio.get_running_loop().time() - started)

    # The watch.

    async def _watch(self) -> bool:
        """Watch until the server ends it; whether it gave anything or lasted a while."""
        seconds = random.uniform(*WATCH_SECONDS)  # noqa: S311 - spreads load, guards nothing
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(int(seconds)),
        }
        if self._label:
            query["labelSelector"] = self._label
        if self._field:
            query["fieldSelector"] = self._field
        # The server ends the watch; the deadline only catches one that forgets to.
        request = Request(
            "GET",
            self._kind.path(self._namespace),
            query,
            accept=METADATA if self._metadata_only else JSON,
            deadline_seconds=seconds + 60.0,
        )
        loop = asyncio.get_running_loop()
        started, before = loop.time(), self._version
        try:
            async with asyncio.timeout(None) as self._patience:
                await self._follow(request)
        except TimeoutError:
            log.debug("listing again, as asked to", extra=kv(kind=self._kind.resource))
        finally:
            self._patience = None
            if self._version != before:
                # That it opened says nothing: an error may be all that it ever carries.
                self._refusals = 0
        return self._must_list or self._version != before or loop.time() - started >= 1.0

    async def _follow(self, request: Request) -> None:
        """Take what a watch brings, until it ends."""
        lines = LineSplitter()
        async with self._session.stream(request, read_seconds=SILENCE_SECONDS) as chunks:
            self._succeeded("watching")
            try:
                async for chunk in chunks:
                    for line in lines.feed(chunk):
                        self._take_event(line)
                    self._moved.set()
                    # Chunks that are there already would otherwise be taken without a pause.
                    await asyncio.sleep(0)
            except TimeoutError:
                log.debug("silent watch, resuming", extra=kv(kind=self._kind.resource))

    def _take_event(self, line: bytes) -> None:
        event = self._received.read_event(line)
        self._observer.received(event.type)
        meta = event.meta
        if meta is None:
            return
        if event.type == "BOOKMARK":
            self._store.advance(version_of(meta))
        elif event.type == "DELETED":
            self._announce(self._deleted(meta))
        elif event.type in OBJECT_EVENTS:
            self._announce(self._observed(meta, event.object, event.error))
        self._version = meta.resource_version or self._version

    def _observed(self, meta: ObjectMeta, obj: T | None, error: str) -> Change[T] | None:
        if obj is not None:
            try:
                return self._store.observe(self._kept(obj))
            except DecodeError as why:
                error = str(why)
        return self._store.observe_broken(meta, error)

    def _deleted(self, meta: ObjectMeta) -> Change[T] | None:
        change = self._store.observe_deleted(meta)
        if change is not None and (self._label or self._field):
            # It may only have left what the selectors cover.
            return replace(change, is_seen_to_go=False)
        return change

    def _kept(self, obj: T) -> T:
        return obj if self._transform is None else self._transform(obj)

    def _announce(self, change: Change[T] | None) -> None:
        if change is None:
            return
        try:
            self._on_change(change)
        except Exception:  # a handler's bug must not end the watch for every other object
            log.exception(
                "a change handler failed",
                extra=kv(kind=self._kind.resource, object=str(change.key)),
            )


def _next_page(token: str, seen: set[str]) -> str:
    """The token of the page to read next. Raises Garbled for a list that would never end."""
    if token in seen:
        raise Garbled("the API server gives the same page of a list again", 0, "Endless")
    seen.add(token)
    return token
