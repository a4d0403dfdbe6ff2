"""Bytes of any kind to the port of metrics and to an API server's client, over real sockets."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import strategies as st

from api.core import Namespace
from api.kinds import NAMESPACE
from api.meta import ObjectKey
from registrar.kube.reflector import Reflector
from registrar.kube.session import connect
from registrar.kube.store import Store
from registrar.telemetry.connection import Limits
from registrar.telemetry.health import Checks, Heartbeat, serve
from registrar.telemetry.metrics import Metrics
from tests.fuzz.drawn import drawn
from tests.fuzz.kubernetes import WATCH
from tests.fuzz.mutation import mutated
from tests.support.rawhttp import connected
from tests.support.scripted_api import (
    a_list_document,
    a_namespace_document,
    event_line,
    json_reply,
    scripted_api,
)
from tests.support.waiting import until

pytestmark = pytest.mark.slow

_SEEDS = (
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain; version=1.0.0\r\n\r\n",
    b"GET /readyz?verbose HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nabc",
)
_MARKS = (
    b"Content-Length: 5\r\n",
    b"Content-Length: " + b"9" * 5000,
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"Accept: application/openmetrics-text; version=" + b"9" * 5000 + b"\r\n",
    b"Accept: text/plain; version=1.x; escaping=\xff\r\n",
    b"\r\n\r\n",
    b"\n\n",
)
_ACCEPTED = st.builds(
    lambda media, version, escaping: (
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: "
        + f"{media}; version={version}; escaping={escaping}".encode()
        + b"\r\nConnection: close\r\n\r\n"
    ),
    st.sampled_from(["application/openmetrics-text", "text/plain", "*/*", ""]),
    st.sampled_from(["1.0.0", "0.0.1", "9" * 5000, "x", "1.", "", "1.0.0, text/plain", "-1", "é"]),
    st.sampled_from(["underscores", "allow-utf-8", "dots", "", "x" * 3000]),
)


async def test_whatever_comes_to_the_port_of_metrics_the_next_one_is_served() -> None:
    metrics = Metrics()
    limits = Limits(connections=4, header_seconds=0.05, request_seconds=5.0, idle_seconds=0.05)
    async with serve(
        "127.0.0.1:0",
        metrics=metrics,
        checks=Checks(),
        heartbeat=Heartbeat(metrics),
        limits=limits,
    ) as server:
        for data in drawn(st.one_of(mutated(_SEEDS, _MARKS), _ACCEPTED), 40):
            async with connected(server.port) as client:
                client.send(data)
                # Answered, hung up on, or both: in any case it ends.
                await client.is_cut()
        async with connected(server.port) as client:
            client.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await client.answer() == (200, "ok\n")


@pytest.mark.parametrize("version", ["9" * 5000, "x", "1.0.0\t", "-1", "1.0"])
async def test_an_odd_version_of_metrics_is_no_error(version: str) -> None:
    metrics = Metrics()
    async with (
        serve(
            "127.0.0.1:0", metrics=metrics, checks=Checks(), heartbeat=Heartbeat(metrics)
        ) as server,
        connected(server.port) as client,
    ):
        accept = f"Accept: application/openmetrics-text; version={version}"
        client.send(f"GET /metrics HTTP/1.1\r\nHost: x\r\n{accept}\r\n\r\n".encode())
        assert await client.status() == 200


async def test_whatever_a_watch_brings_a_later_object_is_seen(tmp_path: Path) -> None:
    """Each line of garbage may end its watch: the next one goes on."""
    garbage, store = iter(drawn(WATCH.inputs, 40)[-4:]), Store[Namespace]()
    last = event_line("ADDED", a_namespace_document("last", 1000))

    async def answer(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return json_reply(a_list_document(10))
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(next(garbage, last)[:100_000])
        return response

    async with (
        scripted_api(answer) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
        asyncio.TaskGroup() as tasks,
    ):
        reflector = Reflector(
            session=session, kind=NAMESPACE, store=store, on_change=lambda _: None
        )
        running = tasks.create_task(reflector.run())
        await until(lambda: store.get(ObjectKey("", "last")) is not None, seconds=90)
        assert not running.done()
        running.cancel()
