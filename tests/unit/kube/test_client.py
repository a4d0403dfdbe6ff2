"""The client: what goes over the wire, and what its refusals are called."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from api.core import Namespace
from api.kinds import LEASE, NAMESPACE, POD
from api.meta import ObjectKey, ObjectMeta
from registrar.kube import errors
from registrar.kube.client import KubeClient
from registrar.kube.session import Request, connect
from tests.support.scripted_api import (
    a_list_document,
    a_namespace_document,
    json_reply,
    scripted_api,
    status_reply,
)

KEY = ObjectKey("", "a")


async def a_namespace(_: web.Request) -> web.StreamResponse:
    return json_reply(a_namespace_document("a", 7))


async def test_an_object_is_read_into_its_type(tmp_path: Path) -> None:
    async with (
        scripted_api(a_namespace) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
    ):
        namespace = await KubeClient(session).get(NAMESPACE, KEY)
        assert (namespace.key, namespace.metadata.resource_version) == (KEY, "7")
        assert api.asked == ["GET /api/v1/namespaces/a"]


async def test_a_created_object_says_what_kind_it_is(tmp_path: Path) -> None:
    async with (
        scripted_api(a_namespace) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
    ):
        await KubeClient(session).create(NAMESPACE, Namespace(metadata=ObjectMeta(name="a")))
        assert api.asked == ["POST /api/v1/namespaces"]
        assert msgspec.json.decode(api.bodies[0]) == {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "a"},
        }


async def test_a_deletion_carries_its_preconditions(tmp_path: Path) -> None:
    async with (
        scripted_api(a_namespace) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
    ):
        await KubeClient(session).delete(NAMESPACE, KEY, uid="u", resource_version="7")
        assert msgspec.json.decode(api.bodies[0])["preconditions"] == {
            "uid": "u",
            "resourceVersion": "7",
        }


async def test_a_patch_names_its_type_and_its_subresource(tmp_path: Path) -> None:
    types: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        types.append(request.content_type)
        return await a_namespace(request)

    async with (
        scripted_api(answer) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
    ):
        await KubeClient(session).merge_patch(NAMESPACE, KEY, {"a": 1}, subresource="status")
        assert api.asked == ["PATCH /api/v1/namespaces/a/status"]
        assert types == ["application/merge-patch+json"]


async def test_no_write_passes_a_closed_gate(tmp_path: Path) -> None:
    async with (
        scripted_api(a_namespace) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
    ):
        client = KubeClient(session, gate=lambda: False)
        with pytest.raises(errors.NotLeading):
            await client.merge_patch(NAMESPACE, KEY, {})
        with pytest.raises(errors.NotLeading):
            await client.delete(NAMESPACE, KEY)
        with pytest.raises(errors.NotLeading):
            await client.create(NAMESPACE, Namespace())
        assert api.asked == []
        await client.get(NAMESPACE, KEY)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda client: client.create(NAMESPACE, Namespace()), id="create"),
        pytest.param(lambda client: client.merge_patch(NAMESPACE, KEY, {}), id="patch"),
        pytest.param(lambda client: client.delete(NAMESPACE, KEY), id="delete"),
    ],
)
@pytest.mark.parametrize("asked_before", [1, 2])
async def test_a_gate_that_closes_while_a_write_is_on_its_way_holds_it_back(
    tmp_path: Path, write: Callable[[KubeClient], Awaitable[object]], asked_before: int
) -> None:
    # Asked at the call; again with the login at hand; and at last by the first byte.
    answers = iter([*[True] * asked_before, False])
    async with (
        scripted_api(a_namespace) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
    ):
        with pytest.raises(errors.NotLeading):
            await write(KubeClient(session, gate=lambda: next(answers)))
        assert api.asked == []
        assert list(answers) == []


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (400, "BadRequest", errors.Invalid),
        (403, "Forbidden", errors.Forbidden),
        (404, "NotFound", errors.NotFound),
        (409, "Conflict", errors.Conflict),
        (409, "AlreadyExists", errors.AlreadyExists),
        (410, "Expired", errors.Gone),
        (422, "Invalid", errors.Invalid),
        (429, "TooManyRequests", errors.TooManyRequests),
        (500, "InternalError", errors.Unavailable),
        (504, "Timeout", errors.Unavailable),
        (418, "", errors.KubeError),
    ],
)
async def test_a_refusal_is_named_by_code_and_reason(
    tmp_path: Path, code: int, reason: str, expected: type[errors.KubeError]
) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return status_reply(code, reason, "a long story " * 100)

    async with (
        scripted_api(refuse) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
    ):
        with pytest.raises(errors.KubeError) as caught:
            await KubeClient(session).get(NAMESPACE, KEY)
        assert type(caught.value) is expected
        assert (caught.value.status, caught.value.reason) == (code, reason)
        assert len(str(caught.value)) <= 256


async def test_throttling_says_how_long_to_wait(tmp_path: Path) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": "7"}, text="slow down")

    async with (
        scripted_api(refuse) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
    ):
        with pytest.raises(errors.TooManyRequests) as caught:
            await KubeClient(session).get(NAMESPACE, KEY)
        assert caught.value.retry_after == 7


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    async with scripted_api(a_namespace) as api:
        kubeconfig = api.kubeconfig(tmp_path)
    async with connect(kubeconfig, user_agent="test") as session:
        with pytest.raises(errors.Unavailable):
            await KubeClient(session).get(NAMESPACE, KEY)


async def test_a_reply_that_does_not_come_ends_at_the_deadline(tmp_path: Path) -> None:
    async def hang(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse()
        await reply.prepare(request)
        await reply.write(b"{")
        await asyncio.Event().wait()
        return reply

    async with (
        scripted_api(hang) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
    ):
        with pytest.raises(errors.Unavailable):
            await session.call(Request("GET", "/", deadline_seconds=0.05))


async def test_a_reply_of_the_wrong_shape_is_an_error_of_its_own(tmp_path: Path) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return json_reply({"metadata": {"name": 5}})

    async with (
        scripted_api(answer) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
    ):
        with pytest.raises(errors.Invalid, match=r"metadata\.name"):
            await KubeClient(session).get(NAMESPACE, KEY)


@pytest.mark.parametrize("name", ["../secrets/x", "..", "a/b", "a?b", "a%2fb"])
async def test_a_name_cannot_lead_to_another_object(tmp_path: Path, name: str) -> None:
    async with (
        scripted_api(a_namespace) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
    ):
        with pytest.raises(errors.Invalid):
            await KubeClient(session).get(LEASE, ObjectKey("default", name))
        assert api.asked == []


async def test_pages_are_asked_for_one_after_the_other(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if "continue" in request.query:
            return json_reply(a_list_document(9, a_namespace_document("b")))
        return json_reply(a_list_document(9, a_namespace_document("a"), token="more"))

    async with (
        scripted_api(answer) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
    ):
        client = KubeClient(session)
        first = await client.page(POD, limit=1, label_selector="a=b")
        second = await client.page(POD, limit=1, continue_token=first.continue_token)
        assert (len(first.items), first.resource_version) == (1, "9")
        assert second.continue_token == ""
        assert api.asked == [
            "GET /api/v1/pods?limit=1&labelSelector=a%3Db",
            "GET /api/v1/pods?limit=1&continue=more",
        ]


async def test_the_observer_hears_of_every_call(tmp_path: Path) -> None:
    heard: list[tuple[str, str]] = []

    class Observer:
        def called(self, method: str, host: str, code: str, seconds: float) -> None:
            del host, seconds
            heard.append((method, code))

    replies: list[Callable[[], web.Response]] = [
        lambda: status_reply(404, "NotFound"),
        lambda: json_reply(a_namespace_document("a")),
    ]

    async def answer(_: web.Request) -> web.StreamResponse:
        return replies.pop(0)()

    async with (
        scripted_api(answer) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test", observer=Observer()) as session,
    ):
        with pytest.raises(errors.NotFound):
            await KubeClient(session).get(NAMESPACE, KEY)
        await KubeClient(session).get(NAMESPACE, KEY)
    assert heard == [("GET", "404"), ("GET", "200")]
