"""The Secret of the upstream authority is made once, and stays."""

import asyncio
from functools import partial
from pathlib import Path

from aiohttp import web

from api.core import Secret
from api.meta import ObjectKey, ObjectMeta
from devcluster.cluster import Cluster
from registrar.kube.client import KubeClient
from registrar.kube.session import connect
from tests.support.scripted_api import json_reply, scripted_api, status_reply
from tests.support.waiting import until
from topology.certificate import ensure
from topology.program import Exit

KEY = ObjectKey("default", "upstream-authority")


def a_secret(value: str = "eA==") -> Secret:
    metadata = ObjectMeta(name=KEY.name, namespace=KEY.namespace)
    return Secret(metadata=metadata, type="Opaque", data={"tls.key": value})


async def test_the_secret_is_made_and_one_that_is_there_stays(tmp_path: Path) -> None:
    said: list[str] = []
    async with (
        Cluster.serve(tmp_path) as cluster,
        connect(cluster.kubeconfig, user_agent="test") as session,
    ):
        kube = KubeClient(session)
        for value in ("eA==", "eQ=="):
            code = await ensure(
                kube, KEY, partial(a_secret, value), say=said.append, timeout_seconds=None
            )
            assert code is Exit.DONE
        stored = await cluster.client.get(f"/api/v1/namespaces/default/secrets/{KEY.name}")
    assert stored["data"] == {"tls.key": "eA=="}
    assert said == [
        "made the Secret default/upstream-authority",
        "the Secret default/upstream-authority is there, and stays as it is",
    ]


async def test_rights_that_come_later_are_waited_for_with_the_same_key(tmp_path: Path) -> None:
    refuses = True
    said: list[str] = []

    async def answer(_: web.Request) -> web.StreamResponse:
        if refuses:
            return status_reply(403, "Forbidden")
        return json_reply({"metadata": {"name": KEY.name, "namespace": KEY.namespace}})

    async with (
        scripted_api(answer) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
        asyncio.TaskGroup() as group,
    ):
        ensuring = group.create_task(
            ensure(KubeClient(session), KEY, a_secret, say=said.append, timeout_seconds=None)
        )
        await until(lambda: len(api.bodies) > 1)
        refuses = False
        assert await ensuring is Exit.DONE
    assert len(set(api.bodies)) == 1
    assert len(said) == 2
    assert "waits until the Secret default/upstream-authority can be made" in said[0]


async def test_the_time_limit_ends_it(tmp_path: Path) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return status_reply(403, "Forbidden")

    said: list[str] = []
    async with (
        scripted_api(refuse) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
    ):
        code = await ensure(
            KubeClient(session), KEY, a_secret, say=said.append, timeout_seconds=0.3
        )
    assert code is Exit.TIME_LIMIT
    assert said[-1].startswith("gave up: the Secret default/upstream-authority is not made: ")


async def test_what_can_never_be_made_is_a_failure(tmp_path: Path) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return status_reply(422, "Invalid")

    said: list[str] = []
    async with (
        scripted_api(refuse) as api,
        connect(api.kubeconfig(tmp_path), user_agent="test") as session,
    ):
        code = await ensure(
            KubeClient(session), KEY, a_secret, say=said.append, timeout_seconds=None
        )
    assert code is Exit.FAILED
