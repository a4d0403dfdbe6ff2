"""Probes and /metrics over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from registrar.errors import InvalidField
from registrar.telemetry.health import (
    LIMITS,
    Checks,
    HealthServer,
    Heartbeat,
    parse_address,
    serve,
)
from registrar.telemetry.metrics import Metrics


@asynccontextmanager
async def serving(
    checks: Checks | None = None, *, beating: bool = True
) -> AsyncIterator[HealthServer]:
    metrics = Metrics()
    heartbeat = Heartbeat(metrics)
    async with (
        serve(
            "127.0.0.1:0", metrics=metrics, checks=checks or Checks(), heartbeat=heartbeat
        ) as server,
        asyncio.TaskGroup() as group,
    ):
        tasks = [group.create_task(heartbeat.run())] if beating else []
        await asyncio.sleep(0)
        yield server
        for task in tasks:
            task.cancel()


async def fetch(server: HealthServer, path: str, accept: str = "*/*") -> tuple[int, str, str]:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{server.port}{path}", headers={"Accept": accept}) as response,
    ):
        return response.status, await response.text(), response.headers["Content-Type"]


async def test_ready_when_every_check_says_so() -> None:
    checks = Checks()
    checks.add("spire", lambda: None)
    async with serving(checks) as server:
        assert (await fetch(server, "/readyz"))[:2] == (200, "ok\n")
        assert (await fetch(server, "/readyz?verbose"))[:2] == (200, "[+] spire: ok\nok\n")


async def test_not_ready_says_what_is_missing() -> None:
    checks = Checks()
    checks.add("caches", lambda: None)
    checks.add("spire", lambda: "not reached yet")
    async with serving(checks) as server:
        status, text, _ = await fetch(server, "/readyz")
        assert (status, text) == (503, "[-] spire: not reached yet\nnot ready\n")
        assert "[+] caches: ok" in (await fetch(server, "/readyz?verbose"))[1]


async def test_alive_while_the_heart_beats() -> None:
    async with serving() as server:
        assert (await fetch(server, "/healthz"))[:2] == (200, "ok\n")


async def test_not_alive_without_a_heartbeat() -> None:
    async with serving(beating=False) as server:
        assert (await fetch(server, "/healthz"))[0] == 503


async def test_metrics_come_in_the_format_that_was_asked_for() -> None:
    async with serving() as server:
        status, text, content_type = await fetch(server, "/metrics")
        assert status == 200
        assert "spire_registrar_entries{" in text
        assert content_type.startswith("text/plain")
        accept = "application/openmetrics-text; version=1.0.0"
        _, text, content_type = await fetch(server, "/metrics", accept)
        assert content_type.startswith("application/openmetrics-text")
        assert text.endswith("# EOF\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (":8080", (None, 8080)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("localhost:9", ("localhost", 9)),
        ("[::1]:9", ("::1", 9)),
        ("", None),
        ("0", None),
    ],
)
def test_an_address_is_host_and_port(text: str, expected: tuple[str | None, int] | None) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize("text", ["8080", "localhost", "a:b", "::1:80", ":70000", ":-1", "[::1]"])
def test_an_address_of_another_shape_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidField, match="metrics_addr"):
        parse_address(text)


async def test_a_port_that_is_taken_is_refused_by_name() -> None:
    async with serving() as server:
        metrics = Metrics()
        with pytest.raises(InvalidField, match="cannot listen"):
            async with serve(
                f"127.0.0.1:{server.port}",
                metrics=metrics,
                checks=Checks(),
                heartbeat=Heartbeat(metrics),
            ):
                pass


async def test_turned_off_nothing_is_served() -> None:
    metrics = Metrics()
    async with serve("0", metrics=metrics, checks=Checks(), heartbeat=Heartbeat(metrics)) as server:
        assert server.port == 0


@pytest.mark.slow
async def test_connections_that_say_nothing_keep_no_probe_out() -> None:
    async with serving() as server:
        silent = [
            await asyncio.open_connection("127.0.0.1", server.port)
            for _ in range(LIMITS.connections + 10)
        ]
        async with asyncio.timeout(30):
            assert (await fetch(server, "/healthz"))[0] == 200
        for _, writer in silent:
            writer.close()


async def test_a_port_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(InvalidField, match="metrics_addr"):
        parse_address(":" + "9" * 5000)
