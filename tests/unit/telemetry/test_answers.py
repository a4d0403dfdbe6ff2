"""Strangers who send no HTTP cost a line a minute, and no stack."""

import asyncio

import pytest
from aiohttp import web

from registrar.telemetry.answers import answer_bytes
from registrar.telemetry.connection import Limits
from registrar.telemetry.listening import listen
from tests.support.rawhttp import GET, connected


def test_an_answer_without_a_request_is_http() -> None:
    assert answer_bytes(408, "late").split(b"\r\n") == [
        b"HTTP/1.1 408 Request Timeout",
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Length: 5",
        b"Connection: close",
        b"",
        b"late\n",
    ]


async def test_broken_requests_are_said_once_and_without_a_stack(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with listen(web.Application(), "127.0.0.1", 0, shutdown_seconds=0.1) as port:
        for _ in range(3):
            async with connected(port) as broken:
                broken.send(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n")
                assert await broken.status() == 400
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.exc_info is None


async def test_a_handler_that_fails_is_said_once_with_its_stack(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(_: web.Request) -> web.Response:
        await asyncio.sleep(0)
        raise LookupError("a bug")

    application = web.Application()
    application.router.add_get("/", fail)
    limits = Limits()
    async with listen(application, "127.0.0.1", 0, limits=limits, shutdown_seconds=0.1) as port:
        for _ in range(3):
            async with connected(port) as asking:
                asking.send(GET)
                assert await asking.status() == 500
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.exc_info
