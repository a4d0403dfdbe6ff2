"""The status page as a browser and its reader have it: fetched, read, and held to its rules."""

import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

import aiohttp
from multidict import CIMultiDictProxy

from manager.process import Process
from manager.statuspage.server import LIMITS, StatusPage, serving
from registrar.telemetry.connection import Limits

_ALONE = frozenset({"meta", "link", "input", "br", "wbr"})
_MAY_STAND = frozenset(
    {"html", "head", "meta", "title", "link", "body", "header", "main", "section", "h1", "h2", "h3"}
    | {"p", "a", "dl", "dt", "dd", "div", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    | {"ol", "ul", "li", "form", "label", "select", "option", "input", "button", "span"}
)
"""The page needs no others: none that runs, fetches or frames something."""


@dataclass
class Read(HTMLParser):
    """A page, read. Made by ``read``, which checks what holds for every page."""

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    headings: list[tuple[int, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    """The text of each dt, dd, p, li, th and td."""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _MAY_STAND, tag
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice: {tag} {names}"
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _ALONE:
            self._open.append((tag, []))

    def handle_endtag(self, tag: str) -> None:
        opened, parts = self._open.pop()
        assert opened == tag, f"{opened} is closed by {tag}"
        text = "".join(parts)
        if tag in {"h1", "h2", "h3"}:
            self.headings.append((int(tag[1]), text))
        if tag in {"dt", "dd", "p", "li", "th", "td", "caption"}:
            self.lines.append(text)
        if self._open:
            self._open[-1][1].append(text)

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1][1].append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")

    def of(self, tag: str) -> list[dict[str, str]]:
        """The attributes of each element of that name."""
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        """Everything that stands in its lines."""
        return "\n".join([*(text for _, text in self.headings), *self.lines])

    def check(self) -> None:
        """What holds for every page: it can be used by everybody, and fetches nothing."""
        assert not self._open, self._open
        assert self.of("html") == [{"lang": "en"}]
        for landmark in ("header", "main", "title"):
            assert len(self.of(landmark)) == 1, landmark
        levels = [level for level, _ in self.headings]
        assert levels.count(1) == 1
        assert levels[0] == 1
        assert all(b - a <= 1 for a, b in itertools.pairwise(levels)), levels
        ids = [a["id"] for _, a in self.tags if "id" in a]
        assert len(ids) == len(set(ids))
        labelled = {label["for"] for label in self.of("label")}
        assert {a["id"] for tag, a in self.tags if tag in {"input", "select"}} <= labelled
        assert len(self.of("caption")) == len(self.of("table"))
        assert all(th["scope"] in {"col", "row"} for th in self.of("th"))
        assert self.of("a")[0]["href"] == "#content"
        for tag, attributes in self.tags:
            for name, value in attributes.items():
                assert not name.startswith("on"), (tag, name)
                assert name != "style"
                if name in {"href", "action", "src"}:
                    assert value == "data:," or value[0] in "/#", (tag, value)
                    assert not value.startswith("//")


def read(html: str) -> Read:
    """A page, which must be well formed and keep its rules."""
    assert html.startswith("<!DOCTYPE html>\n")
    page = Read()
    page.feed(html.removeprefix("<!DOCTYPE html>"))
    page.close()
    page.check()
    return page


@dataclass
class Answer:
    """What the server answered."""

    status: int
    headers: CIMultiDictProxy[str]
    text: str

    @property
    def page(self) -> Read:
        """The page, read."""
        assert self.headers["Content-Type"] == "text/html; charset=utf-8"
        return read(self.text)


@dataclass
class Browser:
    """Fetches pages from one server."""

    server: StatusPage
    http: aiohttp.ClientSession

    async def get(
        self,
        path: str = "/",
        *,
        method: str = "GET",
        host: str | None = None,
        body: bytes | None = None,
        **query: str,
    ) -> Answer:
        """Fetch something; ``query`` stands behind the path."""
        async with self.http.request(
            method,
            f"http://127.0.0.1:{self.server.port}{path}",
            params=query,
            data=body,
            headers={} if host is None else {"Host": host},
        ) as response:
            return Answer(response.status, response.headers, await response.text())

    async def search(self, written: str, kind: str = "any") -> Answer:
        """Search for something."""
        return await self.get("/search", kind=kind, q=written)


@contextlib.asynccontextmanager
async def browsing(process: Process, *, limits: Limits = LIMITS) -> AsyncIterator[Browser]:
    """Serve the page of a process until the block ends."""
    async with (
        serving(process, "127.0.0.1:0", field="status_page_addr", limits=limits) as server,
        aiohttp.ClientSession() as http,
    ):
        yield Browser(server, http)
