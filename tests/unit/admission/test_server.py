"""What a caller of the webhook can do with one connection or many, and what goes on meanwhile."""

import asyncio
import io
import json
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from api.admission import AdmissionRequest
from registrar.admission.mutualtls import MutualTLS
from registrar.admission.review import ALLOWED, Judgement, Validator, Verdict, settled
from registrar.admission.server import LARGEST_BODY, Bounds, serve
from registrar.telemetry.connection import Limits
from registrar.telemetry.health import Checks, Heartbeat
from registrar.telemetry.health import serve as serve_health
from registrar.telemetry.metrics import Metrics
from tests.support.podwebhook import SERVICE, write_material
from tests.support.setup import until

SOON = 60.0


def review(size: int = 0, **request: object) -> bytes:
    """A question of that many bytes at least."""
    return json.dumps(
        {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {"uid": "u", "object": {"padding": "x" * size}, **request},
        }
    ).encode()


class Server:
    """A running webhook, as its caller sees it."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self.port = port
        self.context = context

    async def post(self, body: bytes | AsyncIterator[bytes], path: str = "/check") -> int:
        async with (
            asyncio.timeout(SOON),
            aiohttp.ClientSession() as http,
            http.post(
                f"https://127.0.0.1:{self.port}{path}",
                data=io.BytesIO(body) if isinstance(body, bytes) else body,
                ssl=self.context,
                server_hostname=SERVICE.host,
            ) as response,
        ):
            return response.status

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self.context, server_hostname=SERVICE.host
        )


@asynccontextmanager
async def serving(
    folder: Path,
    validator: Validator = lambda _: settled(ALLOWED),
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    bounds: Bounds = Bounds(),  # noqa: B008 - frozen
) -> AsyncIterator[Server]:
    material = write_material(folder)
    tls = await MutualTLS.load(folder / "cert.pem", folder / "key.pem", None)
    context = ssl.create_default_context(cadata=material.authority)
    async with serve(
        "127.0.0.1",
        0,
        context=tls.context,
        validators={"/check": validator, "/quick": lambda _: settled(ALLOWED)},
        limits=limits,
        bounds=bounds,
    ) as port:
        yield Server(port, context)


class Slow:
    """A validator that works, not merely waits, until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.number = 0

    def __call__(self, request: AdmissionRequest) -> Judgement:
        del request
        self.number += 1
        while not self.let_go.is_set():
            sum(range(100))
        return settled(ALLOWED)

    async def works(self) -> None:
        """Wait until it does."""
        await until(lambda: self.number > 0)


@pytest.fixture
def slow() -> Iterator[Slow]:
    made = Slow()
    yield made
    made.let_go.set()


async def test_a_slow_review_holds_up_neither_the_probes_nor_another_review(
    tmp_path: Path, slow: Slow
) -> None:
    metrics = Metrics()
    heartbeat = Heartbeat(metrics)
    async with (
        serve_health(
            "127.0.0.1:0", metrics=metrics, checks=Checks(), heartbeat=heartbeat
        ) as health,
        serving(tmp_path, slow) as server,
        asyncio.TaskGroup() as tasks,
    ):
        beating = tasks.create_task(heartbeat.run())
        asking = tasks.create_task(server.post(review()))
        await slow.works()
        async with (
            asyncio.timeout(SOON),
            aiohttp.ClientSession() as http,
            http.get(f"http://127.0.0.1:{health.port}/healthz") as answer,
        ):
            assert answer.status == 200
        assert await server.post(review(), "/quick") == 200
        assert not asking.done()
        slow.let_go.set()
        assert await asking == 200
        beating.cancel()


async def test_a_review_has_a_deadline_and_what_waits_for_it_too(
    tmp_path: Path, slow: Slow
) -> None:
    async with serving(tmp_path, slow, bounds=Bounds(review_seconds=0.2)) as server:
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(server.post(review())) for _ in range(5)]
        assert [task.result() for task in asked] == [503] * 5
        # No more threads than there may be, however many ask.
        assert slow.number == 2
        slow.let_go.set()
        async with asyncio.timeout(SOON):
            while await server.post(review(), "/quick") != 200:
                pass


async def test_a_validator_that_fails_fails_alone(tmp_path: Path) -> None:
    def failing(request: AdmissionRequest) -> Judgement:
        raise RuntimeError(request.uid)

    async with serving(tmp_path, failing) as server:
        for _ in range(3):
            assert await server.post(review()) == 500
        assert await server.post(review(), "/quick") == 200


async def test_what_belongs_to_the_loop_is_judged_there(tmp_path: Path) -> None:
    where: dict[str, int] = {}

    def validate(request: AdmissionRequest) -> Judgement:
        del request
        where["read"] = threading.get_ident()

        def judge() -> Verdict:
            where["judged"] = threading.get_ident()
            return ALLOWED

        return judge

    async with serving(tmp_path, validate) as server:
        assert await server.post(review()) == 200
    assert where["judged"] == threading.get_ident()
    assert where["read"] != threading.get_ident()


async def test_as_much_as_an_api_server_sends_is_read_and_no_more(tmp_path: Path) -> None:
    async def in_chunks() -> AsyncIterator[bytes]:
        for _ in range(LARGEST_BODY // 2**16 + 2):
            yield b"x" * 2**16

    room = LARGEST_BODY - len(review())
    async with serving(tmp_path) as server:
        assert await server.post(review(room)) == 200
        assert await server.post(in_chunks()) == 413
        # Told by its header alone: nothing of it is read.
        reader, writer = await server.connect()
        header = f"Host: x\r\nContent-Length: {LARGEST_BODY + 1}\r\n"
        writer.write(f"POST /check HTTP/1.1\r\n{header}\r\n".encode())
        async with asyncio.timeout(SOON):
            assert b" 413 " in await reader.readline()
        writer.close()


async def test_a_body_that_does_not_end_is_not_waited_for(tmp_path: Path) -> None:
    async with serving(tmp_path, bounds=Bounds(body_seconds=0.1)) as server:
        reader, writer = await server.connect()
        writer.write(b"POST /check HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        async with asyncio.timeout(SOON):
            assert b" 408 " in await reader.readline()
        writer.close()


async def test_a_handshake_that_does_not_end_is_not_waited_for(tmp_path: Path) -> None:
    async with serving(tmp_path, limits=Limits(handshake_seconds=0.1)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(SOON):
            try:
                while await reader.read(1000):
                    pass
            except ConnectionError:
                pass
        writer.close()


async def test_handshakes_that_stand_still_keep_nobody_out(tmp_path: Path) -> None:
    limits = Limits(connections=4, handshake_seconds=1000.0)
    async with serving(tmp_path, limits=limits) as server:
        idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(8)]
        assert await server.post(review()) == 200
        for _, writer in idle:
            writer.close()


@pytest.mark.parametrize(
    "body",
    [
        b'{"request":' + b'{"a":' * 200_000 + b"1" + b"}" * 200_001,
        review().replace(b'"padding": ""', b'"a":' + b"[" * 200_000 + b"]" * 200_000),
        b"[" * 1_000_000,
        b'{"kind": ' + b"9" * 5000 + b"}",
        review().replace(b'"u"', b"9" * 5000),
        b'{"kind": "\\ud800"}',
        b'{"kind": "\xff\x00"}',
        b"\x00" * 1_000_000,
        b'"' + b"\x1b" * 1_000_000,
        b"",
    ],
    ids=[
        "deep request",
        "deep object",
        "brackets",
        "long number",
        "number for a text",
        "lone surrogate",
        "no UTF-8",
        "zero bytes",
        "escapes",
        "nothing",
    ],
)
async def test_hostile_bodies_are_refused_in_words(tmp_path: Path, body: bytes) -> None:
    async with serving(tmp_path) as server:
        assert await server.post(body) == 400
