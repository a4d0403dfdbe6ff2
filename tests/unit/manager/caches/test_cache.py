"""A cache of a kind that may be missing: when its answer is known."""

import asyncio
from pathlib import Path

from aiohttp import web

from api.core import Namespace
from api.kinds import NAMESPACE
from api.meta import ObjectKey
from manager.caches.cache import Cache, Unreadable
from registrar.kube.session import connect
from registrar.kube.store import Store
from registrar.telemetry.metrics import Metrics
from tests.support.scripted_api import (
    a_list_document,
    a_namespace_document,
    json_reply,
    scripted_api,
    status_reply,
)
from tests.support.waiting import until


async def missing(_: web.Request) -> web.StreamResponse:
    return status_reply(404, "NotFound")


async def forbidden(_: web.Request) -> web.StreamResponse:
    return status_reply(403, "Forbidden")


async def overloaded(_: web.Request) -> web.StreamResponse:
    return status_reply(500, "InternalError")


async def test_a_kind_that_is_missing_again_after_a_failure_is_waited_for_no_longer(
    tmp_path: Path,
) -> None:
    cache: Cache[Namespace] = Cache(NAMESPACE, Store(), unreadable=Unreadable.KEEPS)
    async with (
        scripted_api(missing) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
        asyncio.TaskGroup() as tasks,
    ):
        cache.start(session, tasks, Metrics())
        await cache.settled()
        assert cache.is_unavailable
        api.answer = overloaded
        await until(lambda: not cache.is_unavailable)
        waiting = tasks.create_task(cache.settled())
        api.answer = missing
        await asyncio.wait_for(waiting, 30.0)
        assert cache.is_unavailable
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if task.get_name().startswith("reflector"):
                task.cancel()


async def test_what_was_read_once_is_not_known_to_be_all_where_it_may_not_be_read_now(
    tmp_path: Path,
) -> None:
    async def readable(request: web.Request) -> web.StreamResponse:
        if request.query.get("watch"):
            return await forbidden(request)
        return json_reply(a_list_document(7, a_namespace_document("shop")))

    cache: Cache[Namespace] = Cache(NAMESPACE, Store(), unreadable=Unreadable.KEEPS)
    async with (
        scripted_api(readable) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
        asyncio.TaskGroup() as tasks,
    ):
        cache.start(session, tasks, Metrics())
        await until(lambda: cache.is_available)
        api.answer = forbidden
        await cache.catch_up(asyncio.get_running_loop().time())
        await cache.settled()
        assert not cache.is_available
        assert ObjectKey("", "shop") in cache.store
        api.answer = readable
        await asyncio.wait_for(cache.available(), 30.0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if task.get_name().startswith("reflector"):
                task.cancel()
