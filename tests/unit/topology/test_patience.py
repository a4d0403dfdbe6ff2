"""Calls that are made again while the API server is only busy."""

from pathlib import Path

import pytest
from aiohttp import web

from registrar.kube.errors import Forbidden
from registrar.kube.session import Request, connect
from tests.support.scripted_api import json_reply, scripted_api, status_reply
from topology.patience import patiently


async def test_a_server_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    replies = [status_reply(503, "ServiceUnavailable"), json_reply({"a": 1})]

    async def answer(_: web.Request) -> web.StreamResponse:
        return replies.pop(0)

    async with (
        scripted_api(answer) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
    ):
        assert b'"a"' in await patiently(session, Request("GET", "/api"))
    assert replies == []


async def test_a_refusal_is_final(tmp_path: Path) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return status_reply(403, "Forbidden")

    async with (
        scripted_api(refuse) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
    ):
        with pytest.raises(Forbidden):
            await patiently(session, Request("GET", "/api"))
        assert len(api.asked) == 1
