"""``top`` beside a registrar: the live view by textual's own pilot, and the command for pipes."""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from prometheus_client import generate_latest
from textual.pilot import Pilot
from textual.widgets import DataTable, Static

from manager.cli import parser
from manager.commands import top
from manager.top.app import Top
from manager.top.frame import Frame
from manager.top.scrape import NotReached
from manager.top.watching import Watching, watching
from registrar.telemetry.metrics import Metrics
from tests.support.controllermanager import NODE, Manager
from tests.support.explaining import attest
from tests.support.setup import eventually, until

pytestmark = pytest.mark.usefixtures("in_spire")


@asynccontextmanager
async def metrics_at(answer: "list[web.Response]") -> AsyncIterator[str]:
    """A server that gives the first answer of a list; gives its URL."""

    async def handle(_: web.Request) -> web.Response:
        first = answer[0]
        return web.Response(text=first.text, status=first.status)

    application = web.Application()
    application.router.add_get("/metrics", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/metrics"
    finally:
        await runner.cleanup()


def text_of(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def cells(app: Top, name: str) -> list[list[str]]:
    table = app.query_one(f"#{name}", DataTable)
    return [[str(cell) for cell in table.get_row_at(row)] for row in range(table.row_count)]


def state_of(app: Top) -> str:
    return str(app.query_one("#state", Static).content)


async def shows(pilot: Pilot[None], words: str) -> None:
    """Wait until the first line has the words."""
    app = pilot.app
    assert isinstance(app, Top)
    await until(lambda: words in state_of(app))


def app_of(seen: Watching) -> Top:
    return Top(seen.look, interval_seconds=0.1)


async def test_the_live_view_follows_a_registrar_and_its_records(manager: Manager) -> None:
    attest(manager.setup, NODE, await manager.node())
    await manager.template("all")
    await manager.pod("web-1")
    kubeconfig = manager.setup.settings.kubeconfig
    async with (
        manager.running() as process,
        watching(f"http://127.0.0.1:{process.port}/metrics", kubeconfig, "") as seen,
    ):
        app = app_of(seen)
        async with app.run_test(size=(140, 48)) as pilot:
            await shows(pilot, "works")
            await until(lambda: ["set as asked for", "1"] in cells(app, "entries"))
            await until(lambda: any(row[0] == "create" for row in cells(app, "calls")))
            await until(lambda: cells(app, "latency")[0][0] == "since the start")
            await until(lambda: [row[1] for row in cells(app, "newest")] == ["made"])
            manager.spire.faults.fail_entry(lambda _: True, message="[b]no[/b]")
            await manager.pod("web-2")
            await until(lambda: len(cells(app, "failing")) == 1)
            await until(lambda: "[b]no[/b]" in cells(app, "failing")[0][3])
            manager.spire.faults.clear()
            await manager.delete_pod("web-1")
            await until(lambda: any(row[1] == "gone" for row in cells(app, "newest")))
            await pilot.press("q")
    assert app.return_code == 0


async def test_a_registrar_that_goes_and_comes_back_is_said_to_and_the_view_goes_on() -> None:
    first, second = Metrics(), Metrics()
    first.spire.entries("set", 1)
    second.spire.entries("set", 2)
    anew = text_of(second).replace("process_start_time_seconds 1", "process_start_time_seconds 2")
    answer = [web.Response(text=text_of(first))]
    async with metrics_at(answer) as url, watching(url, None, "") as seen:
        notes: list[str] = []

        async def noted() -> Frame:
            frame = await seen.look()
            notes.append(frame.note)
            return frame

        app = Top(noted, interval_seconds=0.1)
        async with app.run_test() as pilot:
            await shows(pilot, "works")
            assert app.shown is not None
            assert "--kubeconfig" in app.shown.records.not_watched
            answer[0] = web.Response(status=503)
            await shows(pilot, "gone: ")
            assert app.query_one("#state").has_class("gone")
            assert ["set as asked for", "1"] in cells(app, "entries")
            answer[0] = web.Response(text=anew)
            await until(lambda: "the registrar was started anew" in notes)
            await until(lambda: ["set as asked for", "2"] in cells(app, "entries"))
            assert not app.query_one("#state").has_class("gone")
            answer[0] = web.Response(text="<html>")
            await shows(pilot, "are no")


async def test_it_pauses_and_looks_at_once_by_keys() -> None:
    looks = 0
    metrics = [web.Response(text=text_of(Metrics()))]
    async with metrics_at(metrics) as url, watching(url, None, "") as seen:

        async def look() -> Frame:
            nonlocal looks
            looks += 1
            return await seen.look()

        app = Top(look, interval_seconds=3600)
        async with app.run_test() as pilot:
            await until(lambda: looks == 1 and app.shown is not None)
            await pilot.press("r")
            await until(lambda: looks == 2)
            await pilot.press("p")
            assert "paused" in state_of(app)
            await pilot.press("p")
            assert "paused" not in state_of(app)
            await pilot.press("tab", "down", "q")


async def test_keys_are_heard_while_nobody_answers() -> None:
    async def never() -> Frame:
        await asyncio.Event().wait()
        raise NotReached

    app = Top(never, interval_seconds=0.1)
    async with app.run_test() as pilot:
        await pilot.press("q")
    assert app.return_code == 0


def arguments(*words: str) -> argparse.Namespace:
    return parser().parse_args(["top", *words])


@pytest.mark.may_block
async def test_one_frame_for_pipes(manager: Manager, capsys: pytest.CaptureFixture[str]) -> None:
    attest(manager.setup, NODE, await manager.node())
    await manager.template("all")
    await manager.pod("web-1")
    kubeconfig = str(manager.setup.settings.kubeconfig)
    async with manager.running() as process:
        await until(lambda: len(manager.setup.entries()) == 1)
        url = f"127.0.0.1:{process.port}"

        async def is_recorded() -> bool:
            return bool(await manager.setup.spire_entries())

        await eventually(is_recorded)
        given = ("--once", "--url", url, "--kubeconfig", kubeconfig)
        assert await asyncio.to_thread(top.main, arguments(*given)) == 0
        text = capsys.readouterr().out
        assert "ENTRIES" in text
        assert "spiffe://example.org/ns/default/sa/default" in text
        assert await asyncio.to_thread(top.main, arguments(*given, "-o", "json")) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["entries"]["set"] == 1
        assert found["spireEntries"]["number"] == 1
        assert found["problem"] == ""


def test_one_frame_of_a_registrar_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    code = top.main(arguments("--once", "--url", "127.0.0.1:1", "-o", "yaml"))
    captured = capsys.readouterr()
    assert code == top.EXIT_GONE
    assert "http://127.0.0.1:1/metrics is not reached" in captured.err
    assert "state: 'gone: " in captured.out or "state: gone" in captured.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--once", "--url", "ftp://a"), "--url"),
        (("--once", "--kubeconfig", "/none"), "kubeconfig"),
        (("-o", "json"), "--once"),
    ],
)
def test_a_mistake_is_named(
    words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert top.main(arguments(*words)) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("interval", ["0", "1ms", "2h", "x", "-2s"])
def test_an_interval_that_makes_no_sense_is_refused(
    interval: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments(f"--interval={interval}")
    assert ended.value.code == 2
    assert "--interval" in capsys.readouterr().err


def test_without_textual_it_says_what_brings_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(top, "find_spec", lambda _: None)
    assert top.main(arguments()) == 2
    told = capsys.readouterr().err
    assert "pip install 'spire-registrar[top]'" in told
    assert "--once" in told


def test_the_default_of_the_flag_is_that_of_the_view() -> None:
    from manager.top.scrape import DEFAULT_URL  # noqa: PLC0415

    assert arguments().url == DEFAULT_URL
