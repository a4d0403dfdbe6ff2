"""A proxy before the API server that makes trouble: slow, refusing, cutting, losing answers.

It ends TLS with a certificate of its own and passes each request on with its token, so that the
registrar is who it is. Requests can be counted, and somebody told before and after each write.
"""

import asyncio
import contextlib
import dataclasses
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
from aiohttp import web

from hack.credentials import Authority, write_secret
from hack.processes import free_port

READS = ("GET", "HEAD", "OPTIONS")
_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "host"}
_STATUS = {409: "Conflict", 410: "Expired", 429: "TooManyRequests", 500: "InternalError"}


@dataclasses.dataclass(slots=True)
class Trouble:
    """What is wrong now. `refusal` is an HTTP status; writes alone get 409."""

    delay_seconds: float = 0.0
    refusal: int = 0
    loses_answers: bool = False
    expires_watches: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Write:
    """A write that goes through: to whom, and of which kind."""

    number: int
    name: str


Hook = Callable[[Write], Awaitable[None]]


class Dropped(Exception):  # noqa: N818 - no error: a hook asks for it
    """Raised by a hook: the write, or its answer, goes no further and the connection breaks."""


async def nothing(_write: Write) -> None:
    """Do not mind a write."""


class APIProxy:
    """One proxy, for one replica; in use as an asynchronous context manager."""

    def __init__(self, upstream: str, authority: Path, folder: Path) -> None:
        self.trouble = Trouble()
        self.before: Hook = nothing
        self.after: Hook = nothing
        self.writes = 0
        self.requests = 0
        self.refused = 0
        self.last_write = ""
        self.lease_path = ""
        self.identity = ""
        """The Lease for which this replica was heard to ask, and by what name."""
        self.url = ""
        self.ca_file = folder / "proxy-ca.crt"
        self._upstream = upstream
        self._tls = ssl.create_default_context(cafile=str(authority))
        self._folder = folder
        self._authorization = ""
        self._watches: set[web.StreamResponse] = set()
        self._http: aiohttp.ClientSession | None = None

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve until the block ends."""
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        application = web.Application(client_max_size=2**30)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False
        ) as self._http:
            await runner.setup()
            try:
                port = free_port()
                await web.TCPSite(runner, "127.0.0.1", port, ssl_context=self._context()).start()
                self.url = f"https://127.0.0.1:{port}"
                yield
            finally:
                await runner.cleanup()

    async def cut_watches(self) -> int:
        """Send half a line on every watch and cut the connection; gives their number."""
        watches = list(self._watches)
        for watch in watches:
            with contextlib.suppress(ConnectionError, RuntimeError):
                await watch.write(b'{"type":"MODIFIED","object":{"kind":"Pod","apiVer')
            _cut(watch)
        return len(watches)

    def _context(self) -> ssl.SSLContext:
        authority = Authority()
        pair = authority.for_server("proxy")
        certificate, key = self._folder / "proxy.crt", self._folder / "proxy.key"
        certificate.write_bytes(pair.certificate)
        write_secret(key, pair.key)
        self.ca_file.write_bytes(authority.certificate)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        return context

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        self._authorization = request.headers.get("Authorization", "")
        is_watch = request.query.get("watch") in ("true", "1")
        is_write = request.method not in READS
        trouble = self.trouble
        if trouble.delay_seconds:
            await asyncio.sleep(trouble.delay_seconds)
        if trouble.refusal and (is_write or trouble.refusal != 409):
            self.refused += 1
            return _refusal(trouble.refusal)
        if is_watch and trouble.expires_watches:
            self.refused += 1
            return _refusal(410)
        try:
            body = await request.read()
        except ConnectionError:
            return web.Response(status=400)  # the registrar is gone
        if not is_write:
            return await self._pass(request, body, is_watch=is_watch)
        write = Write(self.writes, f"{request.method} {request.path}")
        self.writes += 1
        self.last_write = write.name
        self._hear_of_lease(request.path, body)
        try:
            await self.before(write)
            answer = await self._pass(request, body, is_watch=False, held=write)
        except Dropped:
            _cut_request(request)
            return web.Response(status=502)
        if trouble.loses_answers:
            self.refused += 1
            _cut_request(request)
        return answer

    async def holder(self) -> str:
        """Return who holds the Lease that this replica asked for; empty where nobody can tell."""
        return await self.held_by() or ""

    async def held_by(self) -> str | None:
        """Return who holds that Lease, empty for nobody; None where it cannot be read."""
        if not self.lease_path or self._http is None:
            return None
        headers = {"Authorization": self._authorization}
        timeout = aiohttp.ClientTimeout(2.0)
        try:
            async with self._http.get(
                f"{self._upstream}{self.lease_path}", headers=headers, timeout=timeout
            ) as answer:
                document = json.loads(await answer.read())
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None
        spec = document.get("spec") if isinstance(document, dict) else None
        return str(spec.get("holderIdentity") or "") if isinstance(spec, dict) else None

    def _hear_of_lease(self, path: str, body: bytes) -> None:
        group, found, name = path.partition("/leases")
        if not found or group.endswith("/kube-public"):
            return
        with contextlib.suppress(ValueError, KeyError, TypeError):
            document = json.loads(body)
            if identity := document["spec"].get("holderIdentity"):
                self.identity = str(identity)
                self.lease_path = path if name else f"{path}/{document['metadata']['name']}"

    async def _pass(
        self, request: web.Request, body: bytes, *, is_watch: bool, held: Write | None = None
    ) -> web.StreamResponse:
        if self._http is None:
            raise RuntimeError("it does not serve")
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        try:
            async with self._http.request(
                request.method, f"{self._upstream}{request.raw_path}", headers=headers, data=body
            ) as upstream:
                back = {k: v for k, v in upstream.headers.items() if k.lower() not in _HOP}
                if held is not None or not is_watch:
                    content = await upstream.read()
                    if held is not None:
                        await self.after(held)
                    return web.Response(status=upstream.status, headers=back, body=content)
                return await self._stream(request, upstream, back)
        except aiohttp.ClientError:
            # As if there were no proxy: the connection breaks.
            _cut_request(request)
            return web.Response(status=502)

    async def _stream(
        self, request: web.Request, upstream: aiohttp.ClientResponse, headers: dict[str, str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=upstream.status, headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(request)
        self._watches.add(response)
        try:
            async for chunk in upstream.content.iter_any():
                if self.trouble.delay_seconds:
                    await asyncio.sleep(self.trouble.delay_seconds)
                await response.write(chunk)
        except aiohttp.ClientError:
            _cut(response)
        except ConnectionError:
            pass  # the registrar is gone
        finally:
            self._watches.discard(response)
        return response


def _refusal(status: int) -> web.Response:
    document = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": _STATUS[status],
        "code": status,
        "message": "trouble made by the soak",
    }
    headers = {"Retry-After": "1"} if status == 429 else {}
    return web.Response(
        status=status,
        headers=headers,
        body=json.dumps(document).encode(),
        content_type="application/json",
    )


def _cut(response: web.StreamResponse) -> None:
    request = getattr(response, "_req", None)
    if request is not None:
        _cut_request(request)


def _cut_request(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()
