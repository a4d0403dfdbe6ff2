"""What the status page grants to whoever reaches its port, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from manager.process import Process
from manager.statuspage.server import LIMITS, is_own_host, serving
from registrar.errors import InvalidField
from registrar.settings.model import Settings, UnixAddress
from registrar.telemetry.connection import Limits
from tests.support.rawhttp import connected
from tests.support.statuspage import Browser, browsing

SETTINGS = Settings(cluster="c", trust_domain="example.org", spire=UnixAddress(Path("/none.sock")))
START = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


@asynccontextmanager
async def page(limits: Limits = LIMITS) -> AsyncIterator[Browser]:
    """The page of a process that has not begun."""
    async with browsing(Process(SETTINGS), limits=limits) as browser:
        yield browser


async def test_every_answer_tells_browsers_to_run_and_fetch_nothing() -> None:
    async with page() as browser:
        for answer in (
            await browser.get(),
            await browser.get("/style.css"),
            await browser.search("shop/web-1"),
            await browser.search("<script>"),
            await browser.get("/none"),
            await browser.get(method="POST"),
            await browser.get(host="evil.example"),
        ):
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == "no-store"
            assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/search", "/style.css"])
async def test_it_can_only_be_read(method: str, path: str) -> None:
    async with page() as browser:
        answer = await browser.get(path, method=method)
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET,HEAD"


async def test_the_head_of_a_page_is_that_of_the_page() -> None:
    async with page() as browser:
        whole, head = await browser.get(), await browser.get(method="HEAD")
        assert (head.status, head.text) == (200, "")
        assert head.headers["Content-Length"] == whole.headers["Content-Length"]


async def test_the_pages_of_others_cannot_be_shown_it_under_their_name() -> None:
    async with page() as browser:
        for host in ("evil.example", "evil.example:8083", "127.0.0.1.evil.example", "", "[::1"):
            answer = await browser.get(host=host)
            assert answer.status == 421, host
        for host in ("localhost:1", "LOCALHOST", "127.0.0.1:80", "[::1]:9", "10.1.2.3"):
            assert (await browser.get(host=host)).status == 200, host


def test_the_host_of_the_setting_may_be_asked_for() -> None:
    assert is_own_host("status.example:80", "status.example")
    assert not is_own_host("status.example:80", "")


async def test_a_body_is_refused_before_it_is_read() -> None:
    async with page() as browser:
        assert (await browser.get(body=b"x")).status == 413
        async with connected(browser.server.port) as client:
            client.send(START + b"Content-Length: 1000000000\r\n\r\n")
            assert await client.status() == 413


async def test_a_header_that_is_huge_is_refused() -> None:
    async with page() as browser, connected(browser.server.port) as client:
        client.send(START + b"X-A: b\r\n" * 10_000)
        assert await client.status() == 431


async def test_a_query_that_is_huge_is_refused() -> None:
    async with page() as browser:
        assert (await browser.search("x" * 4000)).status == 400
        async with connected(browser.server.port) as client:
            client.send(b"GET /search?q=" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await client.status() == 400


@pytest.mark.parametrize(
    "query",
    [b"q=%ff%fe", b"q=%00", b"q=%ED%A0%80", b"kind=%3Cb%3E&q=%3Cb%3E", b"q=a&q=b", b"=&&;", b"%"],
)
async def test_a_query_that_is_none_is_answered_all_the_same(query: bytes) -> None:
    async with page() as browser, connected(browser.server.port) as client:
        client.send(b"GET /search?" + query + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, text = await client.answer()
        assert status in {400, 503}
        assert "<b>" not in text


async def test_who_sends_no_whole_request_is_cut_off_and_others_are_answered() -> None:
    async with (
        page(Limits(header_seconds=0.2, connections=4)) as browser,
        connected(browser.server.port) as slow,
    ):
        slow.send(START)
        await slow.is_cut()
        assert (await browser.get()).status == 200


async def test_connections_that_say_nothing_keep_nobody_out() -> None:
    async with page() as browser:
        silent = [
            await asyncio.open_connection("127.0.0.1", browser.server.port)
            for _ in range(LIMITS.connections + 4)
        ]
        assert (await browser.get()).status == 200
        for _, writer in silent:
            writer.close()


async def test_a_port_that_is_taken_is_refused_by_name() -> None:
    async with page() as browser:
        taken = f"127.0.0.1:{browser.server.port}"
        with pytest.raises(InvalidField, match=r"statusPage\.bindAddress.*cannot listen there"):
            async with serving(Process(SETTINGS), taken, field="statusPage.bindAddress"):
                pass


async def test_turned_off_nothing_listens() -> None:
    async with serving(Process(SETTINGS), "0", field="f") as server:
        assert server.port == 0


async def test_a_fault_of_the_program_is_a_page_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with page() as browser:
        with monkeypatch.context() as patch:
            patch.setattr(Process, "working", lambda _: 1 // 0)
            answer = await browser.get()
        assert answer.status == 500
        assert "This went wrong" in answer.page.text
        assert "ZeroDivisionError" not in answer.text
        assert "unexpected error, going on" in caplog.text
        assert (await browser.get()).status == 200
