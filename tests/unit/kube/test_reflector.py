"""List and watch against scripted replies: what reaches the store, and what never does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from api.codec import DecodeError, JSONObject, convert
from api.core import Namespace
from api.kinds import NAMESPACE
from api.meta import ObjectKey
from registrar.kube.reflector import Change, Reflector
from registrar.kube.session import connect
from registrar.kube.store import Store
from tests.support.scripted_api import (
    a_list_document,
    a_namespace_document,
    event_line,
    json_reply,
    scripted_api,
    status_reply,
)
from tests.support.waiting import until


class Script:
    """A list and a watch that the test writes as it goes."""

    def __init__(self) -> None:
        self.version = 10
        self.objects: dict[str, JSONObject] = {}
        self.list_refusals: list[web.Response] = []
        self.watch_refusals: list[web.Response] = []
        self.lists = 0
        self.watches: list[str] = []
        self.page_size = 500
        self._lines: asyncio.Queue[bytes] = asyncio.Queue()

    def has(self, name: str, version: int, **labels: str) -> JSONObject:
        document = a_namespace_document(name, version, **labels)
        self.objects[name] = document
        self.version = max(self.version, version)
        return document

    def send(self, kind: str, document: JSONObject) -> None:
        self._lines.put_nowait(event_line(kind, document))

    def send_bytes(self, chunk: bytes) -> None:
        self._lines.put_nowait(chunk)

    def end_watch(self) -> None:
        self._lines.put_nowait(b"")

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await self._watch(request)
        if self.list_refusals:
            return self.list_refusals.pop(0)
        self.lists += 1
        start = int(request.query.get("continue", "0"))
        items = list(self.objects.values())
        end = start + self.page_size
        token = str(end) if end < len(items) else ""
        return json_reply(a_list_document(self.version, *items[start:end], token=token))

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        self.watches.append(request.query["resourceVersion"])
        if self.watch_refusals:
            return self.watch_refusals.pop(0)
        reply = web.StreamResponse()
        await reply.prepare(request)
        while chunk := await self._lines.get():
            await reply.write(chunk)
        return reply


class Running:
    """A reflector at work on a script."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.store: Store[Namespace] = Store()
        self.changes: list[Change[Namespace]] = []
        self.reflector: Reflector[Namespace]

    def names(self) -> set[str]:
        return {key.name for key in set(self.store.keys())}


@asynccontextmanager
async def reflecting(
    tmp_path: Path, script: Script, transform: Callable[[Namespace], Namespace] | None = None
) -> AsyncIterator[Running]:
    running = Running(script)
    async with (
        scripted_api(script) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
        asyncio.TaskGroup() as group,
    ):
        running.reflector = Reflector(
            session=session,
            kind=NAMESPACE,
            store=running.store,
            on_change=running.changes.append,
            transform=transform,
        )
        task = group.create_task(running.reflector.run())
        yield running
        task.cancel()


@pytest.fixture
def script() -> Script:
    script = Script()
    script.has("a", 3)
    script.has("b", 4)
    return script


async def test_the_first_list_fills_the_store_and_announces_everything(
    tmp_path: Path, script: Script
) -> None:
    async with reflecting(tmp_path, script) as running:
        await running.store.synced.wait()
        assert running.names() == {"a", "b"}
        assert [(c.key.name, c.old) for c in running.changes] == [("a", None), ("b", None)]
        await until(lambda: script.watches == ["10"])
        assert running.reflector.state == "watching"


async def test_a_list_in_pages_is_one_list(tmp_path: Path, script: Script) -> None:
    script.page_size = 1
    script.has("c", 5)
    async with reflecting(tmp_path, script) as running:
        await running.store.synced.wait()
        assert running.names() == {"a", "b", "c"}
        assert script.lists == 3


async def test_watch_events_change_the_store(tmp_path: Path, script: Script) -> None:
    async with reflecting(tmp_path, script) as running:
        script.send("ADDED", a_namespace_document("c", 11))
        script.send("MODIFIED", a_namespace_document("a", 12, team="red"))
        script.send("DELETED", a_namespace_document("b", 13))
        await until(lambda: running.names() == {"a", "c"})
        changed = running.store.get(ObjectKey("", "a"))
        assert changed is not None
        assert changed.metadata.labels == {"team": "red"}
        last = running.changes[-1]
        assert last.new is None
        assert last.old is not None


async def test_a_watch_that_ends_is_resumed_where_it_was(tmp_path: Path, script: Script) -> None:
    async with reflecting(tmp_path, script) as running:
        script.send("ADDED", a_namespace_document("c", 11))
        script.send("BOOKMARK", {"kind": "Namespace", "metadata": {"resourceVersion": "25"}})
        script.end_watch()
        await until(lambda: script.watches == ["10", "25"])
        assert script.lists == 1
        assert running.store.seen_version == 25


async def test_an_event_may_be_cut_anywhere(tmp_path: Path, script: Script) -> None:
    line = event_line("ADDED", a_namespace_document("c", 11, text="x" * 300_000))
    async with reflecting(tmp_path, script) as running:
        await running.store.synced.wait()
        for start in range(0, len(line), 70_001):
            script.send_bytes(line[start : start + 70_001])
        await until(lambda: "c" in running.names())


@pytest.mark.slow
@pytest.mark.parametrize("as_event", [True, False], ids=["event", "status"])
async def test_an_expired_watch_leads_to_a_list_that_announces_the_difference(
    tmp_path: Path, script: Script, *, as_event: bool
) -> None:
    async with reflecting(tmp_path, script) as running:
        await until(lambda: script.watches == ["10"])
        running.changes.clear()
        del script.objects["a"]
        script.has("b", 21, team="red")
        script.has("c", 22)
        if as_event:
            status: JSONObject = {"kind": "Status", "status": "Failure", "code": 410}
            script.send("ERROR", {**status, "reason": "Expired"})
        else:
            script.watch_refusals.append(status_reply(410, "Expired"))
            script.end_watch()
        await until(lambda: running.names() == {"b", "c"})
        assert {(c.key.name, c.new is None) for c in running.changes} == {
            ("a", True),
            ("b", False),
            ("c", False),
        }


async def test_a_missing_kind_is_waited_for_and_takes_nothing_out(
    tmp_path: Path, script: Script
) -> None:
    async with reflecting(tmp_path, script) as running:
        await until(lambda: script.watches == ["10"])
        script.list_refusals += [status_reply(404, "NotFound")]
        script.watch_refusals += [status_reply(404, "NotFound")]
        script.end_watch()
        await until(lambda: running.reflector.state == "missing")
        assert running.names() == {"a", "b"}
        assert running.reflector.last_error


async def test_a_refused_list_is_reported_and_tried_again(tmp_path: Path, script: Script) -> None:
    script.list_refusals += [status_reply(403, "Forbidden", "not yours")]
    async with reflecting(tmp_path, script) as running:
        await until(lambda: running.reflector.state == "broken")
        assert "not yours" in running.reflector.last_error
        assert not running.store.synced.is_set()
        await running.store.synced.wait()
        assert running.reflector.state == "watching"
        assert running.reflector.last_error == ""


@pytest.mark.slow
async def test_a_server_that_errs_takes_nothing_out(tmp_path: Path, script: Script) -> None:
    async with reflecting(tmp_path, script) as running:
        await until(lambda: script.watches == ["10"])
        script.watch_refusals += [status_reply(500, "InternalError") for _ in range(3)]
        script.end_watch()
        await until(lambda: script.lists == 2)
        assert running.names() == {"a", "b"}


async def test_one_object_that_does_not_decode_does_not_hide_the_others(
    tmp_path: Path, script: Script
) -> None:
    bad = script.has("bad", 5)
    bad["metadata"] = {**a_meta("bad", 5), "generation": "many"}
    async with reflecting(tmp_path, script) as running:
        await running.store.synced.wait()
        assert running.names() == {"a", "b"}


def a_meta(name: str, version: int) -> JSONObject:
    metadata = a_namespace_document(name, version)["metadata"]
    assert isinstance(metadata, dict)
    return metadata


async def test_a_handler_that_fails_does_not_end_the_watch(tmp_path: Path, script: Script) -> None:
    def fail(_: Change[Namespace]) -> None:
        raise KeyError("bug")

    store: Store[Namespace] = Store()
    async with (
        scripted_api(script) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
        asyncio.TaskGroup() as group,
    ):
        reflector = Reflector(session=session, kind=NAMESPACE, store=store, on_change=fail)
        task = group.create_task(reflector.run())
        await store.synced.wait()
        script.send("ADDED", a_namespace_document("c", 11))
        await until(lambda: len(store) == 3)
        task.cancel()


async def test_an_error_that_nobody_foresaw_does_not_end_the_process(
    tmp_path: Path, script: Script
) -> None:
    odd = True

    def transform(obj: Namespace) -> Namespace:
        if odd and obj.metadata.name == "odd":
            raise OverflowError("a bug")
        return obj

    async with reflecting(tmp_path, script, transform) as running:
        await until(lambda: script.watches == ["10"])
        script.send("ADDED", script.has("odd", 11))
        await until(lambda: running.reflector.state == "broken")
        assert "OverflowError: a bug" in running.reflector.last_error
        # What was known stays, and the object is taken up as soon as it can be.
        assert running.names() == {"a", "b"}
        odd = False
        await until(lambda: running.names() == {"a", "b", "odd"})


async def test_the_selectors_are_part_of_list_and_watch(tmp_path: Path, script: Script) -> None:
    store: Store[Namespace] = Store()
    async with (
        scripted_api(script) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
        asyncio.TaskGroup() as group,
    ):
        reflector = Reflector(
            session=session,
            kind=NAMESPACE,
            store=store,
            on_change=lambda _: None,
            label_selector="team=red",
            field_selector="metadata.name!=x",
        )
        task = group.create_task(reflector.run())
        await until(lambda: bool(script.watches))
        task.cancel()
    assert all("labelSelector=team%3Dred" in asked for asked in api.asked)
    assert all("fieldSelector=metadata.name%21%3Dx" in asked for asked in api.asked)


@pytest.mark.slow
async def test_own_writes_are_not_undone_by_a_list_that_is_older(
    tmp_path: Path, script: Script
) -> None:
    async with reflecting(tmp_path, script) as running:
        await until(lambda: script.watches == ["10"])
        assert running.store.assume(convert(a_namespace_document("ours", 30), Namespace))
        script.watch_refusals.append(status_reply(410, "Expired"))
        script.end_watch()
        await until(lambda: script.lists == 2 and len(script.watches) == 3)
        assert "ours" in running.names()


@pytest.mark.parametrize(
    "junk",
    [
        b'{"type":"ADDED","object":{"spec":' + b"[" * 100_000 + b"]" * 100_000 + b"}}\n",
        b"[" * 100_000 + b"\n",
        b'{"type":"ERROR","object":{"code":' + b"9" * 5000 + b"}}\n",
    ],
    ids=["deep object", "brackets", "long number"],
)
async def test_a_hostile_watch_line_ends_the_watch_and_not_the_reflector(
    tmp_path: Path, script: Script, junk: bytes
) -> None:
    async with reflecting(tmp_path, script) as running:
        await running.store.synced.wait()
        script.send_bytes(junk)
        await until(lambda: len(script.watches) > 1)
        # The server's side of the watch that was given up waits for a line too, and is the first.
        script.end_watch()
        script.send("ADDED", script.has("c", 20))
        await until(lambda: running.names() == {"a", "b", "c"})


@pytest.mark.parametrize(
    "line",
    [
        event_line("ERROR", {"kind": "Status", "code": 500, "message": "etcd is away"}),
        event_line("ERROR", {"kind": "Status", "message": "no code"}),
        event_line("ERROR", {"kind": "Status", "code": 403, "reason": "Forbidden"}),
        b"no json\n",
    ],
    ids=["error", "error without a code", "forbidden", "junk"],
)
async def test_a_watch_that_opens_and_carries_nothing_but_errors_leads_to_a_list(
    tmp_path: Path, script: Script, line: bytes
) -> None:
    async with reflecting(tmp_path, script) as running:
        await running.store.synced.wait()
        script.has("c", 20)
        for _ in range(3):
            script.send_bytes(line)
            # The server's side of the watch that was given up ends too.
            script.end_watch()
        await until(lambda: running.names() == {"a", "b", "c"})
        assert script.lists == 2
        assert script.watches[:3] == ["10"] * 3


async def test_errors_with_news_between_them_lead_to_no_list(
    tmp_path: Path, script: Script
) -> None:
    error = event_line("ERROR", {"kind": "Status", "code": 500, "message": "etcd is away"})
    async with reflecting(tmp_path, script) as running:
        for number in range(5):
            script.send("ADDED", script.has(f"n{number}", 20 + number))
            script.send_bytes(error)
            script.end_watch()
        await until(lambda: len(script.watches) == 6)
        assert script.lists == 1
        assert running.names() == {"a", "b", *(f"n{number}" for number in range(5))}


async def test_a_hostile_list_is_asked_for_again(tmp_path: Path, script: Script) -> None:
    bodies = [
        b'{"items":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"metadata":{"resourceVersion":"\xff"}}',
    ]
    script.list_refusals = [
        web.Response(body=body, content_type="application/json") for body in bodies
    ]
    async with reflecting(tmp_path, script) as running:
        await until(lambda: running.names() == {"a", "b"})


async def test_a_resource_version_that_is_no_number_counts_as_none(
    tmp_path: Path, script: Script
) -> None:
    async with reflecting(tmp_path, script) as running:
        await running.store.synced.wait()
        document = a_namespace_document("c")
        document["metadata"] = {"name": "c", "resourceVersion": "9" * 5000}
        script.send("ADDED", document)
        await until(lambda: "c" in running.names())


async def test_an_object_that_cannot_be_packed_is_broken_and_stops_no_other(
    tmp_path: Path, script: Script
) -> None:
    def pack(obj: Namespace) -> Namespace:
        if obj.metadata.name in {"b", "d"}:
            raise DecodeError("no")
        return obj

    async with reflecting(tmp_path, script, pack) as running:
        await until(lambda: running.names() == {"a"})
        script.send("ADDED", script.has("d", 20))
        script.send("ADDED", script.has("c", 21))
        await until(lambda: running.names() == {"a", "c"})
        assert {key.name for key in running.store.broken} == {"b", "d"}
