"""The status page in a real browser: its style is let in, and follows what the reader prefers."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hack import browser
from hack.compilers import ToolError
from tests.support.controllermanager import NODE, Manager
from tests.support.explaining import attest
from tests.support.real import is_required
from tests.support.setup import embedded_setup, until
from tests.support.statuspage import browsing

pytestmark = pytest.mark.slow

SIZE = (1000, 960)


@pytest.fixture
def program() -> Path:
    """A Chromium; fetched where nothing may be skipped and this machine is a Debian."""
    found = browser.found()
    if found is not None:
        return found
    if not is_required():
        pytest.skip("no Chromium here; CI=true fetches Debian's")
    try:
        return browser.ensure(print)
    except ToolError as error:
        pytest.skip(str(error))


@pytest.fixture
async def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Manager]:
    monkeypatch.setenv("MY_POD_NAMESPACE", "spire")
    async with embedded_setup(tmp_path) as setup:
        yield Manager(setup)


def first_pixel(png: Path) -> tuple[int, ...]:
    """The colour of the upper left corner, which no filter of PNG changes."""
    data, body = png.read_bytes()[8:], b""
    while data:
        size, kind = int.from_bytes(data[:4], "big"), data[4:8]
        if kind == b"IDAT":
            body += data[8 : 8 + size]
        data = data[12 + size :]
    return tuple(zlib.decompressobj().decompress(body, 4)[1:])


async def test_a_browser_shows_it_light_and_dark(
    manager: Manager, program: Path, tmp_path: Path
) -> None:
    attest(manager.setup, NODE, await manager.node())
    await manager.template("web", podSelector={"matchLabels": {"app": "web"}})
    await manager.template("shop", namespaceSelector={"matchLabels": {"team": "shop"}})
    await manager.pod("web-1", labels={"app": "web"})
    async with manager.running() as process, browsing(process) as page:
        await until(lambda: len(manager.setup.entries()) == 1)
        searched = f"http://127.0.0.1:{page.server.port}/search?kind=pod&q=default/web-1"
        seen = await asyncio.to_thread(browser.document, program, searched)
        assert "web-1 gets spiffe://example.org/ns/default/sa/default" in seen
        light, dark = tmp_path / "status-page-light.png", tmp_path / "status-page-dark.png"
        await asyncio.to_thread(
            browser.picture, program, searched, light, scheme="light", size=SIZE
        )
        await asyncio.to_thread(browser.picture, program, searched, dark, scheme="dark", size=SIZE)
        assert first_pixel(light) == (0xFF, 0xFF, 0xFF)
        assert first_pixel(dark) == (0x10, 0x14, 0x18)
