"""Looks at one registrar again and again, and watches the SpireEntries of its cluster."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from api.spiffeid.v1beta1.spireentry import SpireEntry
from manager.caches.cache import SpireEntryCache, spire_entry_cache
from manager.top.frame import Frame, frame_of, time_of
from manager.top.records import History, Records
from manager.top.scrape import NotReached, Scrape, scraped
from registrar.kube.session import connect
from registrar.kube.store import Change
from registrar.spire.background import background
from registrar.telemetry.metrics import Metrics

USER_AGENT = "spire-registrar-top"
FIRST_LOOK_SECONDS = 10.0
"""How long a single frame waits for the SpireEntries."""
_NOT_NAMED = "name a cluster with --kubeconfig or --context to see them"


class Watching:
    """One registrar and its records; made by ``watching``."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url = url
        self._http = http
        self._last: tuple[float, Scrape] | None = None
        self._history = History()
        self._cache: SpireEntryCache | None = None
        self._why_not = _NOT_NAMED

    async def look(self) -> Frame:
        """Look once; a registrar that is not there is said to be gone, and looked for again."""
        loop = asyncio.get_running_loop()
        before, problem, seconds = self._last, "", 0.0
        try:
            found = await scraped(self._http, self._url)
        except NotReached as error:
            problem = str(error)
        else:
            now = loop.time()
            seconds = 0.0 if before is None else now - before[0]
            self._last = (now, found)
        return frame_of(
            url=self._url,
            at=time.time(),
            last=None if self._last is None else self._last[1],
            before=None if before is None or problem else before[1],
            seconds=seconds,
            problem=problem,
            records=self._records(),
        )

    async def records_are_read(self) -> None:
        """Wait until the SpireEntries were listed, or cannot be; not for ever."""
        if self._cache is None:
            return
        try:
            async with asyncio.timeout(FIRST_LOOK_SECONDS):
                await self._cache.looked()
        except TimeoutError:
            self._why_not = f"not listed within {FIRST_LOOK_SECONDS:g} s"

    def watch(self, cache: SpireEntryCache) -> None:
        """Show what is heard of the SpireEntries from now on."""
        self._cache = cache
        cache.listen(self._hear)

    def _hear(self, change: Change[SpireEntry]) -> None:
        is_first = self._cache is None or not self._cache.store.synced.is_set()
        self._history.heard(change, at=time_of(time.time()), is_first=is_first)

    def _records(self) -> Records:
        cache = self._cache
        if cache is None:
            return Records(not_watched=self._why_not)
        if cache.store.synced.is_set():
            return self._history.records()
        return Records(not_watched=cache.why_not_synced() or self._missing(cache))

    def _missing(self, cache: SpireEntryCache) -> str:
        reflector = cache.reflector
        error = "" if reflector is None else reflector.last_error
        return error or f"{cache.name}: they are being listed"


@asynccontextmanager
async def watching(url: str, kubeconfig: Path | None, context: str) -> AsyncIterator[Watching]:
    """Watch until the block ends. Raises InvalidField for a kubeconfig that is wrong.

    Without a kubeconfig or context that is named, the metrics alone are looked at.
    """
    async with aiohttp.ClientSession() as http, background() as tasks:
        seen = Watching(url, http)
        if kubeconfig is None and not context:
            yield seen
            return
        async with connect(kubeconfig, context=context, user_agent=USER_AGENT) as session:
            cache = spire_entry_cache(optional=True)
            seen.watch(cache)
            cache.start(session, tasks, Metrics())
            yield seen
