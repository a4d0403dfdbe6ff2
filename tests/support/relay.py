"""A relay before an API server, embedded or real, whose watches can be made late."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web
from yarl import URL

from tests.support.scripted_api import ScriptedAPI, scripted_api
from tests.support.setup import Setup

_FOREVER = aiohttp.ClientTimeout(total=None)
_HEADERS = ("Accept", "Content-Type", "User-Agent")


class Relay:
    """Passes everything on, in both directions; what was asked is counted."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.late: set[str] = set()
        """Plurals whose watches say nothing until they are taken out again."""
        self._changed = asyncio.Event()
        self.lists: Counter[str] = Counter()
        """Complete lists by plural: one of a single object is none."""
        self.held_back: Counter[str] = Counter()
        """Pieces of late watches that wait, by plural."""

    def let_go(self) -> None:
        """No watch is late any more."""
        self.late.clear()
        self._changed.set()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        plural = request.path.rpartition("/")[2]
        is_watch = "watch" in request.query
        if request.method == "GET" and not is_watch and "labelSelector" not in request.query:
            self.lists[plural] += request.query.get("limit") != "1"
        async with self._setup.http.request(
            request.method,
            URL(self._setup.url + request.path_qs, encoded=True),
            headers={name: request.headers[name] for name in _HEADERS if name in request.headers},
            data=await request.read() or None,
            timeout=_FOREVER,
        ) as reply:
            answer = web.StreamResponse(
                status=reply.status, headers={"Content-Type": reply.headers["Content-Type"]}
            )
            await answer.prepare(request)
            async for piece in reply.content.iter_any():
                if is_watch:
                    await self._wait(plural)
                await answer.write(piece)
            await answer.write_eof()
            return answer

    async def _wait(self, plural: str) -> None:
        while plural in self.late:
            self.held_back[plural] += 1
            self._changed.clear()
            await self._changed.wait()


@asynccontextmanager
async def relayed(setup: Setup, folder: Path) -> AsyncIterator[tuple[Relay, Path]]:
    """A relay before the setup's API server, and the kubeconfig in ``folder`` that leads to it."""
    relay = Relay(setup)
    api: ScriptedAPI
    async with scripted_api(relay) as api:
        yield relay, api.kubeconfig(folder)
