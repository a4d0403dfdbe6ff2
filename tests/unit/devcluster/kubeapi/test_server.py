"""The handle: stop and start, faults, the collector."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from devcluster.kubeapi.documents import JSONObject, obj, objects, text
from devcluster.kubeapi.server import KubeAPI

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
async def server() -> AsyncIterator[KubeAPI]:
    async with KubeAPI.serve() as running:
        yield running


@pytest.fixture
async def http(server: KubeAPI) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session


async def status(http: aiohttp.ClientSession, method: str, path: str, body: object = None) -> int:
    async with http.request(method, path, json=body) as answer:
        await answer.read()
        return answer.status


async def create(http: aiohttp.ClientSession, name: str, **meta: object) -> JSONObject:
    body = {"metadata": {"name": name, **meta}}
    async with http.post(CONFIG_MAPS, json=body) as answer:
        assert answer.status == 201, await answer.text()
        return obj(await answer.json())


@contextlib.asynccontextmanager
async def watching(http: aiohttp.ClientSession) -> AsyncIterator[aiohttp.StreamReader]:
    async with http.get(CONFIG_MAPS) as answer:
        revision = text(await answer.json(), "metadata", "resourceVersion")
    query = {"watch": "true", "resourceVersion": revision}
    async with http.get(CONFIG_MAPS, params=query) as answer:
        yield answer.content


async def rest(stream: aiohttp.StreamReader) -> list[JSONObject]:
    async with asyncio.timeout(45):
        return [obj(json.loads(line)) for line in (await stream.read()).splitlines()]


async def test_objects_outlive_a_stop_and_the_port_stays(
    server: KubeAPI, http: aiohttp.ClientSession
) -> None:
    await create(http, "a")
    url = server.url
    async with watching(http) as stream:
        await server.stop()
        assert await rest(stream) == []
    with pytest.raises(aiohttp.ClientConnectionError):
        await status(http, "GET", CONFIG_MAPS)
    await server.start()
    assert server.url == url
    assert await status(http, "GET", f"{CONFIG_MAPS}/a") == 200


async def test_the_kubeconfig_points_at_the_server(server: KubeAPI) -> None:
    config = server.kubeconfig()
    assert text(objects(config, "clusters")[0], "cluster", "server") == server.url
    assert text(objects(config, "contexts")[0], "context", "namespace") == "default"


async def test_the_system_namespace_has_a_uid(http: aiohttp.ClientSession) -> None:
    async with http.get("/api/v1/namespaces/kube-system") as answer:
        assert len(text(await answer.json(), "metadata", "uid")) == 36


async def test_so_many_requests_fail_as_asked(server: KubeAPI, http: aiohttp.ClientSession) -> None:
    server.faults.fail(2, 503, method="create", resource="configmaps")
    body = {"metadata": {"name": "a"}}
    assert await status(http, "GET", CONFIG_MAPS) == 200
    assert await status(http, "POST", CONFIG_MAPS, body) == 503
    assert await status(http, "POST", CONFIG_MAPS, body) == 503
    assert await status(http, "POST", CONFIG_MAPS, body) == 201


async def test_faults_go_on_until_they_are_cleared(
    server: KubeAPI, http: aiohttp.ClientSession
) -> None:
    server.faults.fail(None, 409, reason="Conflict")
    for _ in range(3):
        async with http.get(CONFIG_MAPS) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (409, "Conflict")
    server.faults.clear()
    assert await status(http, "GET", CONFIG_MAPS) == 200


async def test_a_delay_holds_the_answer_back(server: KubeAPI, http: aiohttp.ClientSession) -> None:
    server.faults.delay(30, times=1, resource="configmaps")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await status(http, "GET", CONFIG_MAPS)
    assert await status(http, "GET", CONFIG_MAPS) == 200


async def test_dropped_watches_end_and_can_be_resumed(
    server: KubeAPI, http: aiohttp.ClientSession
) -> None:
    async with watching(http) as stream:
        await create(http, "a")
        server.faults.drop_watches()
        events = await rest(stream)
    assert [event["type"] for event in events] == ["ADDED"]
    async with watching(http):
        pass


async def test_expired_watches_get_an_error_and_cannot_be_resumed(
    server: KubeAPI, http: aiohttp.ClientSession
) -> None:
    first = await create(http, "a")
    query = {"watch": "true", "resourceVersion": text(first, "metadata", "resourceVersion")}
    async with watching(http) as stream:
        server.faults.expire_watches()
        events = await rest(stream)
    assert [event["type"] for event in events] == ["ERROR"]
    assert obj(events[0]["object"])["code"] == 410
    async with http.get(CONFIG_MAPS, params=query) as answer:
        assert answer.status == 410
    server.faults.expire_watches(as_status=False)
    async with http.get(CONFIG_MAPS, params=query) as answer:
        assert answer.status == 200
        assert [event["type"] for event in await rest(answer.content)] == ["ERROR"]
    async with watching(http):
        await create(http, "b")


async def test_settled_waits_for_the_collector(
    server: KubeAPI, http: aiohttp.ClientSession
) -> None:
    owner = await create(http, "owner")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner"}
    reference["uid"] = text(owner, "metadata", "uid")
    for number in range(200):
        await create(http, f"d{number}", ownerReferences=[reference])
    await status(http, "DELETE", f"{CONFIG_MAPS}/owner")
    await server.settled()
    async with http.get(CONFIG_MAPS) as answer:
        assert objects(await answer.json(), "items") == []


async def test_a_stopped_server_collects_nothing_until_it_is_back(
    server: KubeAPI, http: aiohttp.ClientSession
) -> None:
    owner = await create(http, "owner", finalizers=["example.com/wait"])
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner"}
    reference["uid"] = text(owner, "metadata", "uid")
    await create(http, "d", ownerReferences=[reference])
    await status(http, "DELETE", f"{CONFIG_MAPS}/owner")
    patch = {"metadata": {"finalizers": None}}
    headers = {"Content-Type": "application/merge-patch+json"}
    async with http.patch(f"{CONFIG_MAPS}/owner", json=patch, headers=headers) as answer:
        assert answer.status == 200
    await server.stop()
    await server.start()
    await server.settled()
    assert await status(http, "GET", f"{CONFIG_MAPS}/d") == 404


async def test_without_a_collector_dependents_stay() -> None:
    async with (
        KubeAPI.serve(garbage_collection=False) as server,
        aiohttp.ClientSession(server.url) as http,
    ):
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "none"}
        await create(http, "d", ownerReferences=[reference])
        await server.settled()
        assert await status(http, "GET", f"{CONFIG_MAPS}/d") == 200


async def test_many_watchers_see_the_same_events(http: aiohttp.ClientSession) -> None:
    async with contextlib.AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(watching(http)) for _ in range(20)]
        await create(http, "a")
        async with asyncio.timeout(45):
            lines = {await stream.readline() for stream in streams}
    assert len(lines) == 1
    assert json.loads(lines.pop())["type"] == "ADDED"
