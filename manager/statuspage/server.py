"""Serves the status page: only to read, to few at a time, and to nobody's pages but its own."""

import asyncio
import contextlib
import ipaddress
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from manager.explain.explain import answered
from manager.explain.model import Explanation
from manager.explain.reading import Reading
from manager.explain.running import Asked, Running
from manager.explain.subjects import Subject
from manager.process import Process, Working
from manager.statuspage.markup import Markup
from manager.statuspage.overview import overview_of, standby_of
from manager.statuspage.pages import error_page, explanation_page, overview_page
from manager.statuspage.search import ANYTHING, FIELD, searched
from manager.statuspage.style import STYLE
from registrar.errors import InvalidField
from registrar.telemetry.connection import Limits
from registrar.telemetry.health import parse_address
from registrar.telemetry.listening import listen
from registrar.telemetry.logging import kv
from registrar.telemetry.recent import Recent, recent
from registrar.telemetry.rounds import attempt

log = logging.getLogger(__name__)

LIMITS = Limits(connections=16, body_bytes=0, request_seconds=15.0)
AT_ONCE = 1
"""Questions that are answered at one time; what the registrar is there for comes first."""
MOST_WAITING = 8
"""Questions that wait for that; more are sent away."""
ANSWER_SECONDS = 10.0

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_RETRY = {"Retry-After": "5"}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StatusPage:
    """The page of one process; made by ``serving``."""

    def __init__(self, process: Process, lines: Recent, host: str) -> None:
        self._process = process
        self._lines = lines
        self._host = host
        self._asked: tuple[Working, Asked] | None = None
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self.port = 0
        """The port it listens on, also where 0 was asked for."""

    def application(self) -> web.Application:
        """What answers requests."""
        application = web.Application(client_max_size=1, middlewares=[self._guarded])
        application.router.add_get("/", self._overview)
        application.router.add_get("/search", self._search)
        application.router.add_get("/style.css", self._style)
        return application

    async def _overview(self, _request: web.Request) -> web.Response:
        return _html(overview_page(overview_of(self._process, self._lines)))

    async def _style(self, _request: web.Request) -> web.Response:
        return web.Response(text=STYLE, content_type="text/css", charset="utf-8")

    async def _search(self, request: web.Request) -> web.Response:
        kind, written = request.query.get("kind", ANYTHING), request.query.get(FIELD, "")
        try:
            subject = searched(kind, written, trust_domain=self._process.settings.trust_domain)
        except InvalidField as error:
            return _html(error_page("This cannot be searched", str(error), kind, written), 400)
        working = self._process.working()
        if working is None:
            why = standby_of(self._process) or f"Not ready: {self._process.why_not_ready()}."
            return _html(error_page("Nothing is known here", why, kind, written), 503)
        if self._waiting >= MOST_WAITING:
            why = "Too many questions are being answered: ask again in a few seconds."
            return _html(error_page("Busy", why, kind, written), 503)
        self._waiting += 1
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._turn:
                found = await self._explained(working, subject)
        except TimeoutError:
            why = f"No answer within {ANSWER_SECONDS:g} s: ask again, or use the command explain."
            return _html(error_page("This takes too long", why, kind, written), 503)
        finally:
            self._waiting -= 1
        return _html(explanation_page(found, kind, written))

    async def _explained(self, working: Working, subject: Subject) -> Explanation:
        if self._asked is None or self._asked[0].term is not working.term:
            asked = Asked(working.connection, working.settings.trust_domain)
            self._asked = (working, asked)
        asked = self._asked[1]
        running = await Running.of(working, asked)
        reading = Reading(running, with_events=False, agents=asked)
        return await answered(running, reading, subject, now=time.time())

    @web.middleware
    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Answer only who asks for this very host, and say to browsers what a page may do."""
        response: web.StreamResponse
        if not is_own_host(request.headers.get("Host", ""), self._host):
            response = web.Response(
                status=421, text="ask by an address, by localhost, or by the host of the setting\n"
            )
        else:
            response = await _answer(request, handler)
        response.headers.update(_HEADERS)
        return response


async def _answer(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """What the handler answers; what nobody foresaw is logged, and the registrar goes on."""
    answers: list[web.StreamResponse] = []

    async def answer() -> None:
        try:
            answers.append(await handler(request))
        except web.HTTPException as error:
            kept = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
            text = f"{error.reason}\n"
            answers.append(web.Response(status=error.status, text=text, headers=kept))

    if not await attempt("status page", answer):
        return _html(error_page("This went wrong", "What happened stands in the log."), 500)
    return answers[0]


def is_own_host(given: str, own: str) -> bool:
    """Whether a request means this server by its Host header.

    A page of somebody else can give its own name our address, and would then be shown our answers
    by the reader's browser: by an address, or a name that only this machine has, it cannot.
    ``own`` is the host that the setting names.
    """
    host = given.rpartition(":")[0] if given.rpartition(":")[2].isdecimal() else given
    host = host.removeprefix("[").removesuffix("]").lower()
    if host in {"localhost", own.lower()}:
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _html(content: Markup, status: int = 200) -> web.Response:
    return web.Response(
        text=str(content),
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers=_RETRY if status == 503 else None,
    )


@asynccontextmanager
async def serving(
    process: Process, address: str, *, field: str, limits: Limits = LIMITS
) -> AsyncIterator[StatusPage]:
    """Serve the page of a process until the block ends.

    Raises InvalidField, with the key's name ``field``, for an address that cannot be had.
    """
    where = parse_address(address, field)
    async with contextlib.AsyncExitStack() as stack:
        lines = stack.enter_context(recent())
        host, port = where or ("", 0)
        page = StatusPage(process, lines, host or "")
        if where is not None:
            listening = listen(page.application(), host, port, limits=limits, shutdown_seconds=1.0)
            try:
                page.port = await stack.enter_async_context(listening)
            except (OSError, OverflowError) as error:
                why = error.strerror if isinstance(error, OSError) else None
                remedy = f"cannot listen there: {why or error}"
                raise InvalidField(field, address, remedy) from error
            log.info("serving the status page", extra=kv(address=address, port=page.port))
        yield page


class WithStatusPage:
    """A registrar and its status page, as one program."""

    def __init__(self, process: Process, *, field: str) -> None:
        self._process = process
        self._field = field
        self.page: StatusPage | None = None

    async def run(self) -> None:
        """Work until cancelled; see Process."""
        address = self._process.settings.status_page_addr
        async with serving(self._process, address, field=self._field) as self.page:
            await self._process.run()
