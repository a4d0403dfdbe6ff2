"""Who takes over waits until a store holds what the API server holds now."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from api.codec import JSONObject, JSONValue, encode
from api.core import Lease
from api.kinds import LEASE
from api.meta import ObjectKey
from registrar.kube.barrier import EVENTS_SECONDS, Barrier, patience_seconds
from registrar.kube.errors import Forbidden, KubeError, NotFound
from registrar.kube.reflector import Reflector
from registrar.kube.session import connect
from registrar.kube.store import Store
from tests.support.scripted_api import json_reply, scripted_api, status_reply
from tests.support.waiting import until


def a_lease(name: str, version: int) -> JSONObject:
    return {
        "metadata": {
            "name": name,
            "namespace": "spire",
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
        },
        "spec": {"holderIdentity": "x"},
    }


class Script:
    """An API server of one kind, whose watch says what the test lets it say."""

    def __init__(self) -> None:
        self.version = 10
        self.names = ["a"]
        self.lists = 0
        self.asked = 0
        self.refusals: list[int] = []
        """Of questions about the version, and of lists: status codes to answer with."""
        self.is_missing = False
        self.events: asyncio.Queue[bytes] = asyncio.Queue()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if self.is_missing:
            return status_reply(404, "NotFound")
        if request.query.get("watch"):
            return await self._watch(request)
        is_question = request.query.get("limit") == "1"
        self.asked += is_question
        if is_question and self.refusals:
            return status_reply(self.refusals.pop(0), "InternalError")
        self.lists += not is_question
        items: list[JSONValue] = [a_lease(name, 5) for name in self.names]
        return json_reply({"metadata": {"resourceVersion": str(self.version)}, "items": items})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(await self.events.get())

    def say(self, kind: str, document: JSONObject) -> None:
        """Let the watch carry an event."""
        self.events.put_nowait(encode({"type": kind, "object": document}) + b"\n")


class Case:
    """A reflector that has listed, and a barrier before it."""

    def __init__(self, script: Script, reflector: Reflector[Lease], store: Store[Lease]) -> None:
        self.script = script
        self.reflector = reflector
        self.store = store
        self.barrier = Barrier(
            reflector,
            name=LEASE.resource,
            may_lack=lambda error: isinstance(error, NotFound | Forbidden),
            is_lacking=lambda: reflector.is_missing,
            patience=lambda _: 1.0,
        )

    async def passed(self) -> bool:
        return await self.barrier.passed(asyncio.get_running_loop().time())

    def has(self, name: str) -> bool:
        return ObjectKey("spire", name) in self.store


@asynccontextmanager
async def case(folder: Path) -> AsyncIterator[Case]:
    script, store = Script(), Store[Lease]()
    async with (
        scripted_api(script) as api,
        connect(api.kubeconfig(folder), user_agent="test") as session,
        asyncio.TaskGroup() as tasks,
    ):
        reflector = Reflector(
            session=session, kind=LEASE, store=store, on_change=lambda _: None, namespace="spire"
        )
        running = tasks.create_task(reflector.run())
        await store.synced.wait()
        await until(lambda: reflector.state == "watching")
        yield Case(script, reflector, store)
        running.cancel()


async def test_a_store_at_the_present_version_is_not_waited_for(tmp_path: Path) -> None:
    async with case(tmp_path) as one:
        assert not await one.passed()
        assert (one.script.asked, one.script.lists) == (1, 1)


async def test_what_was_listed_later_is_not_even_asked_about(tmp_path: Path) -> None:
    async with case(tmp_path) as one:
        assert not await one.barrier.passed(one.reflector.listed_from)
        assert one.script.asked == 0


def event(one: Case) -> None:
    one.script.say("ADDED", a_lease("b", 12))


def bookmark(one: Case) -> None:
    one.script.say("ADDED", a_lease("b", 11))
    one.script.say("BOOKMARK", {"metadata": {"resourceVersion": "12"}})


@pytest.mark.parametrize("said", [event, bookmark])
async def test_events_that_are_on_their_way_are_waited_for(
    tmp_path: Path, said: Callable[[Case], None]
) -> None:
    async with case(tmp_path) as one, asyncio.TaskGroup() as tasks:
        one.script.version, one.script.names = 12, ["a", "b"]
        passing = tasks.create_task(one.passed())
        await until(lambda: "up to version 12" in one.barrier.problem)
        assert not one.has("b")
        said(one)
        assert not await passing
        assert one.has("b")
        assert one.script.lists == 1


async def test_a_kind_whose_watch_says_nothing_is_listed_anew(tmp_path: Path) -> None:
    async with case(tmp_path) as one:
        one.script.version, one.script.names = 12, ["b"]
        assert await one.passed()
        assert one.script.lists == 2
        assert one.has("b")
        assert not one.has("a")


def test_a_small_kind_is_listed_sooner_than_a_large_one() -> None:
    assert patience_seconds(10) < patience_seconds(1000) < EVENTS_SECONDS
    assert patience_seconds(10**6) == EVENTS_SECONDS


async def test_an_api_server_that_went_back_in_time_is_listed_anew(tmp_path: Path) -> None:
    async with case(tmp_path) as one:
        one.script.version, one.script.names = 7, ["b"]
        assert await one.passed()
        assert one.has("b")


async def test_a_question_that_fails_is_asked_again_and_says_why_it_waits(tmp_path: Path) -> None:
    async with case(tmp_path) as one, asyncio.TaskGroup() as tasks:
        one.script.refusals = [500, 503, 500]
        passing = tasks.create_task(one.passed())
        await until(lambda: "cannot see whether it is up to date: GET" in one.barrier.problem)
        assert not await passing
        assert one.script.asked == 4


async def test_a_list_that_fails_is_asked_for_again(tmp_path: Path) -> None:
    async with case(tmp_path) as one, asyncio.TaskGroup() as tasks:
        one.script.version, one.script.names = 12, ["b"]
        passing = tasks.create_task(one.passed())
        await until(lambda: one.script.asked == 1)
        one.script.say("ERROR", {"code": 500, "reason": "InternalError"})
        await until(lambda: one.reflector.state == "broken")
        assert await passing
        assert one.has("b")


async def test_a_kind_that_is_gone_or_forbidden_is_done_without(tmp_path: Path) -> None:
    async with case(tmp_path) as one:
        one.script.refusals = [403]
        assert not await one.passed()
        one.script.is_missing = True
        assert not await one.passed()
        # What was last known stays, as whenever a kind is missing.
        assert one.has("a")


async def test_a_kind_that_goes_while_it_is_listed_anew_is_done_without(tmp_path: Path) -> None:
    async with case(tmp_path) as one, asyncio.TaskGroup() as tasks:
        one.script.version = 12
        passing = tasks.create_task(one.passed())
        await until(lambda: "up to version 12" in one.barrier.problem)
        one.script.is_missing = True
        assert await passing
        assert one.reflector.is_missing


async def test_a_kind_that_was_missing_is_taken_up_at_once(tmp_path: Path) -> None:
    async with case(tmp_path) as one:
        one.script.is_missing = True
        one.script.say("ERROR", {"code": 404, "reason": "NotFound"})
        await until(lambda: one.reflector.is_missing)
        failures = one.reflector.failures
        await until(lambda: one.reflector.failures > failures)
        # Its next look by itself may be seconds away.
        one.script.is_missing, one.script.version, one.script.names = False, 12, ["b"]
        assert await one.passed()
        assert one.has("b")


async def test_a_kind_that_must_be_there_is_waited_for(tmp_path: Path) -> None:
    async with case(tmp_path) as one, asyncio.TaskGroup() as tasks:
        never: Callable[[KubeError], bool] = lambda _: False  # noqa: E731 - one line, typed
        barrier = Barrier(one.reflector, name="leases", may_lack=never, is_lacking=lambda: False)
        one.script.is_missing = True
        passing = tasks.create_task(barrier.passed(asyncio.get_running_loop().time()))
        await until(lambda: "cannot see whether it is up to date" in barrier.problem)
        one.script.is_missing = False
        assert not await passing
