"""Bytes to and from one API server: authentication, TLS, deadlines, errors as KubeError.

A Session owns its connections. Whatever must not wait behind other traffic
(the Lease) takes a Session of its own.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from registrar.kube.config import Credentials
from registrar.kube.errors import (
    KubeError,
    NotLeading,
    Unauthorized,
    Unavailable,
    error_for,
    read_status,
)
from registrar.kube.gatedbody import Gate, GatedBody
from registrar.kube.login import Login
from registrar.telemetry.observers import CallObserver, Silent

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
DEADLINE_SECONDS = 30.0
"""For a call that does not say otherwise."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call. ``deadline_seconds`` covers everything from connecting to the last byte.

    ``gate`` is asked when the first byte is about to be sent, after all that may have taken time,
    such as a new login or a new connection; NotLeading is raised where it says no.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    content_type: str = "application/json"
    accept: str = "application/json"
    deadline_seconds: float = DEADLINE_SECONDS
    gate: Gate | None = None


class _Pool:
    """Connections of one generation of credentials, with how many calls use them now."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http
        self._users = 0
        self._is_retired = False

    @asynccontextmanager
    async def used(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Use the connections until the block ends."""
        self._users += 1
        try:
            yield self.http
        finally:
            self._users -= 1
            await self._close_if_idle()

    async def retire(self) -> None:
        """Close them as soon as the last call that uses them has ended; a watch may take long."""
        self._is_retired = True
        await self._close_if_idle()

    async def _close_if_idle(self) -> None:
        if self._is_retired and not self._users:
            await self.http.close()


class API(Protocol):
    """An API server, as whoever reads or writes objects asks it. A Session is one."""

    @property
    def host(self) -> str:
        """Host and port, for logs and metrics."""
        ...

    async def call(self, request: Request) -> bytes:
        """Make the call and give the body of the reply. Raises KubeError."""
        ...

    def stream(
        self, request: Request, *, read_seconds: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Make a GET whose reply never ends by itself; gives its bytes."""
        ...


class Session:
    """An authenticated connection pool to one API server; made by ``connect``."""

    def __init__(
        self,
        open_pool: Callable[[], aiohttp.ClientSession],
        credentials: Credentials,
        observer: CallObserver,
    ) -> None:
        self._open_pool = open_pool
        self._pool = _Pool(open_pool())
        self._retired: list[_Pool] = []
        self._generation = credentials.generation
        self._credentials = credentials
        self._observer = observer
        self.host = URL(credentials.login.host).authority
        """Host and port of the API server, for logs and metrics."""

    async def call(self, request: Request) -> bytes:
        """Make the call and give the body of the reply. Raises KubeError."""
        limits = aiohttp.ClientTimeout(total=request.deadline_seconds, sock_connect=CONNECT_SECONDS)
        async with self._open(request, limits) as response:
            return await response.read()

    async def headers(self, request: Request) -> Mapping[str, str]:
        """Make the call and give the headers of the reply. Raises KubeError."""
        limits = aiohttp.ClientTimeout(total=request.deadline_seconds, sock_connect=CONNECT_SECONDS)
        async with self._open(request, limits) as response:
            return response.headers

    @asynccontextmanager
    async def stream(
        self, request: Request, *, read_seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Make a GET whose reply never ends by itself; gives its bytes in pieces of any size.

        ``read_seconds`` is the longest silence: Unavailable after it. The
        whole stream ends at ``deadline_seconds``.
        """
        limits = aiohttp.ClientTimeout(
            total=request.deadline_seconds, sock_connect=CONNECT_SECONDS, sock_read=read_seconds
        )
        async with self._open(request, limits) as response:
            yield response.content.iter_any()

    @asynccontextmanager
    async def _open(
        self, request: Request, limits: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        call = f"{request.method} {request.path}"
        try:
            async with AsyncExitStack() as used:
                yield await self._answered(request, limits, used)
        except TimeoutError as error:
            raise Unavailable(f"{call}: no answer in time", 0, "Timeout") from error
        except (aiohttp.ClientError, OSError) as error:
            text = str(error) or type(error).__name__
            raise Unavailable(f"{call}: {text}", 0, "Network") from error

    async def _answered(
        self, request: Request, limits: aiohttp.ClientTimeout, used: AsyncExitStack
    ) -> aiohttp.ClientResponse:
        """The reply, which lasts as long as ``used`` does."""
        login = await self._credentials.fresh()
        try:
            response = await self._send(request, limits, login, used)
        except aiohttp.ClientSSLError:
            # The cluster's CA may have been replaced: read it for the next call.
            await self._credentials.renew(login)
            raise
        except Unauthorized:
            # A refused call has done nothing: one more try with a new login is safe.
            renewed = await self._credentials.renew(login)
            if renewed is login:
                raise
            response = await self._send(request, limits, renewed, used)
        return await used.enter_async_context(response)

    async def close(self) -> None:
        """Close all connections."""
        for pool in (self._pool, *self._retired):
            await pool.http.close()

    async def _current_pool(self) -> _Pool:
        """The connections to use: new ones after the client certificate or CA has changed."""
        if self._generation != self._credentials.generation:
            self._generation = self._credentials.generation
            retired, self._pool = self._pool, _Pool(self._open_pool())
            self._retired = [pool for pool in self._retired if not pool.http.closed] + [retired]
            await retired.retire()
        return self._pool

    async def _send(
        self,
        request: Request,
        limits: aiohttp.ClientTimeout,
        login: Login,
        used: AsyncExitStack,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": request.accept}
        if login.authorization:
            headers["Authorization"] = login.authorization
        if request.body:
            headers["Content-Type"] = request.content_type
        target = login.host + request.path
        if request.query:
            target += "?" + urlencode(request.query)
        body: GatedBody | bytes | None = request.body or None
        if request.gate is not None:
            if not request.gate():
                raise _not_leading(request)
            body = GatedBody(request.body, request.gate, content_type=request.content_type)
        started = time.monotonic()
        code = "<error>"
        try:
            pool = await used.enter_async_context((await self._current_pool()).used())
            response = await pool.request(
                request.method,
                URL(target, encoded=True),
                headers=headers,
                data=body,
                timeout=limits,
                proxy=login.proxy,
                server_hostname=login.server_name,
                allow_redirects=False,
            )
            code = str(response.status)
            if response.status >= 300:
                raise await _refusal(request, response)
        except aiohttp.ClientError as error:
            if isinstance(body, GatedBody) and body.was_refused:
                raise _not_leading(request) from error
            raise
        else:
            return response
        finally:
            self._observer.called(request.method, self.host, code, time.monotonic() - started)


def _not_leading(request: Request) -> NotLeading:
    call = f"{request.method} {request.path}"
    return NotLeading(f"{call}: not the leader any more", 0, "NotLeading")


async def _refusal(request: Request, response: aiohttp.ClientResponse) -> KubeError:
    async with response:
        body = await response.read()
    retry_after = response.headers.get("Retry-After", "")
    return error_for(
        response.status,
        read_status(body),
        call=f"{request.method} {request.path}",
        retry_after=float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0,
    )


@asynccontextmanager
async def connect(
    kubeconfig: Path | None,
    *,
    user_agent: str,
    context: str = "",
    observer: CallObserver | None = None,
) -> AsyncIterator[Session]:
    """A Session with its own connections, closed at the end.

    A ``kubeconfig`` of None means as kubectl finds one, or the Pod's own; a
    ``context`` is one of its contexts.

    Connects only when it is used: the API server may come later. Raises
    InvalidField when the configuration is missing or wrong. ``observer``
    hears of every call, watches included.
    """
    credentials = await Credentials.load(kubeconfig, context=context)
    session = Session(lambda: _pool(credentials, user_agent), credentials, observer or Silent())
    try:
        yield session
    finally:
        await session.close()


def _pool(credentials: Credentials, user_agent: str) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        # The callers bound their own concurrency; a limit here would let watches starve writes.
        limit=0,
        ssl=credentials.context if credentials.context is not None else True,
        # Less than the API server's own, so that it does not close one under a write.
        keepalive_timeout=60.0,
    )
    return aiohttp.ClientSession(
        connector=connector,
        # Within a cluster bandwidth is cheaper than the CPU time of compressing.
        headers={
            "User-Agent": user_agent,
            "Accept-Encoding": "identity",
        },
        read_bufsize=2**18,
    )
