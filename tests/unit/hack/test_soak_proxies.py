"""The proxies of the soak pass everything on, and make just the trouble that they are told to."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import grpc
import grpc.aio
import pytest
from aiohttp import web

from api.proto.entry_pb2 import (
    BatchCreateEntryRequest,
    BatchCreateEntryResponse,
    CountEntriesResponse,
)
from api.proto.types_pb2 import Entry
from hack.credentials import Authority, write_secret
from hack.soak.apiproxy import APIProxy, Dropped, Write
from hack.soak.apiproxy import Trouble as APITrouble
from hack.soak.spireproxy import SpireProxy
from hack.soak.spireproxy import Trouble as SpireTrouble
from tests.support.waiting import eventually

ENTRY = "/spire.api.server.entry.v1.Entry"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/spire/leases"


@dataclass
class Upstream:
    """An API server that remembers what came, and never ends a watch by itself."""

    url: str = ""
    came: list[str] = field(default_factory=list)
    ends: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.came.append(f"{request.method} {request.path} {request.headers['Authorization']}")
        if request.query.get("watch"):
            response = web.StreamResponse()
            response.enable_chunked_encoding()
            await response.prepare(request)
            await response.write(b'{"type":"ADDED"}\n')
            await self.ends.wait()
            return response
        if request.path.endswith("/leases/ours"):
            return web.json_response({"spec": {"holderIdentity": "me"}})
        return web.json_response({"path": request.path, "body": (await request.read()).decode()})


@pytest.fixture
async def upstream(tmp_path: Path) -> AsyncIterator[Upstream]:
    authority = Authority()
    pair = authority.for_server("upstream")
    (tmp_path / "upstream-ca.crt").write_bytes(authority.certificate)
    (tmp_path / "upstream.crt").write_bytes(pair.certificate)
    write_secret(tmp_path / "upstream.key", pair.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "upstream.crt", tmp_path / "upstream.key")
    made = Upstream()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    made.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    made.ends.set()
    await runner.cleanup()


@pytest.fixture
async def proxy(upstream: Upstream, tmp_path: Path) -> AsyncIterator[APIProxy]:
    made = APIProxy(upstream.url, tmp_path / "upstream-ca.crt", tmp_path)
    async with made.serving():
        yield made


@pytest.fixture
async def http(proxy: APIProxy) -> AsyncIterator[aiohttp.ClientSession]:
    tls = ssl.create_default_context(cafile=str(proxy.ca_file))
    async with aiohttp.ClientSession(
        proxy.url,
        headers={"Authorization": "Bearer me"},
        connector=aiohttp.TCPConnector(ssl=tls),
    ) as made:
        yield made


async def status(http: aiohttp.ClientSession, method: str = "GET") -> int:
    async with http.request(method, "/api/v1/pods") as answer:
        return answer.status


async def test_passes_a_request_on_as_who_sent_it(
    http: aiohttp.ClientSession, upstream: Upstream
) -> None:
    async with http.post("/api/v1/pods?dryRun=All", data="{}") as answer:
        assert await answer.json() == {"path": "/api/v1/pods", "body": "{}"}
    assert upstream.came == ["POST /api/v1/pods Bearer me"]


@pytest.mark.parametrize("refusal", [409, 429, 500])
async def test_refuses_and_stops_refusing(
    http: aiohttp.ClientSession, proxy: APIProxy, upstream: Upstream, refusal: int
) -> None:
    proxy.trouble.refusal = refusal
    assert await status(http, "POST") == refusal
    assert await status(http) == (200 if refusal == 409 else refusal)
    proxy.trouble = APITrouble()
    assert await status(http, "POST") == 200
    assert len(upstream.came) == (2 if refusal == 409 else 1)


async def test_cuts_a_watch_in_the_middle_of_a_line(
    http: aiohttp.ClientSession, proxy: APIProxy
) -> None:
    async with http.get("/api/v1/pods?watch=true") as watch:
        assert await watch.content.readline() == b'{"type":"ADDED"}\n'
        assert await proxy.cut_watches() == 1
        with pytest.raises(aiohttp.ClientPayloadError):
            await watch.content.read()


async def test_expires_watches_alone(http: aiohttp.ClientSession, proxy: APIProxy) -> None:
    proxy.trouble.expires_watches = True
    async with http.get("/api/v1/pods?watch=true") as watch:
        assert watch.status == 410
    assert await status(http) == 200


async def test_loses_the_answer_of_a_write_that_was_done(
    http: aiohttp.ClientSession, proxy: APIProxy, upstream: Upstream
) -> None:
    proxy.trouble.loses_answers = True
    with pytest.raises(aiohttp.ClientError):
        await status(http, "POST")
    assert upstream.came == ["POST /api/v1/pods Bearer me"]


@pytest.mark.parametrize(("when", "done"), [("before", 0), ("after", 1)])
async def test_drops_a_write_before_or_after_it_is_done(
    http: aiohttp.ClientSession, proxy: APIProxy, upstream: Upstream, when: str, done: int
) -> None:
    async def drop(write: Write) -> None:
        assert write == Write(0, "PATCH /api/v1/pods")
        raise Dropped

    setattr(proxy, when, drop)
    with pytest.raises(aiohttp.ClientError):
        await status(http, "PATCH")
    assert len(upstream.came) == done


async def test_knows_who_its_replica_is_and_who_holds_the_lease(
    http: aiohttp.ClientSession, proxy: APIProxy
) -> None:
    assert await proxy.holder() == ""
    elsewhere = LEASES.replace("spire", "kube-public")
    for path, name in ((elsewhere, "prefix"), (LEASES, "ours")):
        lease = {"metadata": {"name": name}, "spec": {"holderIdentity": name}}
        async with http.post(path, data=json.dumps(lease)):
            pass
    assert (proxy.identity, proxy.lease_path) == ("ours", f"{LEASES}/ours")
    assert await proxy.holder() == "me"


class Entries(grpc.GenericRpcHandler):
    """A SPIRE server's Entry API, as much as is asked here."""

    def __init__(self) -> None:
        self.created = 0

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes]":
        is_count = handler_call_details.method == f"{ENTRY}/CountEntries"
        return grpc.unary_unary_rpc_method_handler(self._count if is_count else self._create)

    async def _count(self, _request: bytes, _context: object) -> bytes:
        return CountEntriesResponse(count=self.created).SerializeToString()

    async def _create(self, request: bytes, _context: object) -> bytes:
        entries = BatchCreateEntryRequest.FromString(request).entries
        self.created += len(entries)
        results = [BatchCreateEntryResponse.Result(entry=entry) for entry in entries]
        return BatchCreateEntryResponse(results=results).SerializeToString()


@dataclass
class Spire:
    entries: Entries
    proxy: SpireProxy
    channel: grpc.aio.Channel

    async def call(self, name: str, request: bytes = b"", timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - gRPC's own
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
        method = self.channel.unary_unary(f"{ENTRY}/{name}")
        return await method(request, timeout=timeout)

    async def count(self) -> int:
        return CountEntriesResponse.FromString(await self.call("CountEntries")).count

    async def create(self) -> BatchCreateEntryResponse:
        request = BatchCreateEntryRequest(entries=[Entry(id="a"), Entry(id="b")])
        answer = await self.call("BatchCreateEntry", request.SerializeToString())
        return BatchCreateEntryResponse.FromString(answer)


@pytest.fixture
async def spire(tmp_path: Path) -> AsyncIterator[Spire]:
    entries, server = Entries(), grpc.aio.server()
    server.add_generic_rpc_handlers((entries,))
    server.add_insecure_port(f"unix:{tmp_path / 'up.sock'}")
    await server.start()
    proxy = SpireProxy(tmp_path / "up.sock", tmp_path / "s.sock")
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(server.stop, 0)
        await stack.enter_async_context(proxy.serving())
        options = [("grpc.default_authority", "localhost")]
        channel = grpc.aio.insecure_channel(f"unix:{proxy.socket}", options=options)
        await stack.enter_async_context(channel)
        yield Spire(entries, proxy, channel)


async def test_passes_every_call_on(spire: Spire) -> None:
    assert [result.entry.id for result in (await spire.create()).results] == ["a", "b"]
    assert await spire.count() == 2
    assert (spire.proxy.calls, spire.proxy.writes) == (2, 1)


async def test_is_unavailable_until_it_is_not(spire: Spire) -> None:
    spire.proxy.trouble.is_unavailable = True
    with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
        await spire.count()
    spire.proxy.trouble = SpireTrouble()
    assert await spire.count() == 0


async def test_spoils_the_items_of_a_write_that_never_happens(spire: Spire) -> None:
    spire.proxy.trouble.spoils_items = True
    assert [result.status.code for result in (await spire.create()).results] == [13, 13]
    assert await spire.count() == 0


async def test_loses_the_answer_to_a_write_that_happens(spire: Spire) -> None:
    spire.proxy.trouble.loses_answers = True
    with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
        await spire.create()
    assert await spire.count() == 2


async def test_a_call_that_is_given_up_is_given_up_there_too(spire: Spire) -> None:
    spire.proxy.trouble.delay_seconds = 60.0
    with pytest.raises(grpc.aio.AioRpcError, match="DEADLINE_EXCEEDED"):
        await spire.call("CountEntries", timeout=0.05)
    spire.proxy.trouble = SpireTrouble()

    async def answers() -> bool:
        return await spire.count() == 0

    await eventually(answers)
