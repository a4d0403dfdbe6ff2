"""What an init container waits for, against servers that come later."""

import asyncio
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.codec import JSONObject
from api.meta import ObjectKey
from devcluster.cluster import Cluster
from devcluster.spire.authority import Authority
from devcluster.spire.workload import WorkloadAPI
from registrar.errors import InvalidField
from registrar.kube.session import connect
from tests.support.waiting import until
from topology.conditions import (
    Given,
    Open,
    Published,
    parse_address,
    parse_configmap,
    parse_object,
)
from topology.waiting import Condition

DONE = "it holds"


@asynccontextmanager
async def waited_for(condition: Condition) -> AsyncIterator[list[str]]:
    """The reasons that are said while the block makes it true; it holds at the end."""
    reasons: list[str] = []

    async def met() -> None:
        await condition.met(reasons.append)
        reasons.append(DONE)

    async with asyncio.TaskGroup() as group:
        group.create_task(met())
        yield reasons
    assert reasons[-1] == DONE


def because(reasons: list[str], text: str) -> Callable[[], bool]:
    return lambda: any(text in reason for reason in reasons)


def a_configmap(**data: str) -> JSONObject:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "bundle", "namespace": "default"},
        "data": {**data},
    }


async def test_an_entry_of_a_configmap_is_followed_from_before_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / "bundle.pem"
    async with (
        Cluster.serve(tmp_path) as cluster,
        connect(cluster.kubeconfig, user_agent="test") as session,
    ):
        key = ObjectKey("default", "bundle")
        async with waited_for(Published(session, key, "bundle.pem", file)) as reasons:
            await until(because(reasons, "there is no such ConfigMap yet"))
            await cluster.apply([a_configmap(other="x")])
            await until(because(reasons, "the ConfigMap has no such entry yet"))
            await cluster.apply([a_configmap(**{"bundle.pem": ""})])
            await cluster.apply([a_configmap(**{"bundle.pem": "text\n"})])
    assert file.read_text() == "text\n"
    # Whoever reads it next may be another user.
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


async def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    async with (
        Cluster.serve(tmp_path) as cluster,
        connect(cluster.kubeconfig, user_agent="test") as session,
    ):
        await cluster.apply([a_configmap(**{"bundle.pem": "text"})])
        missing = tmp_path / "none/bundle.pem"
        published = Published(session, ObjectKey("default", "bundle"), "bundle.pem", missing)
        with pytest.raises(InvalidField, match=r"--write: .*none/bundle.pem.*No such file"):
            await published.met(lambda _: None)


async def test_an_identity_is_asked_for_until_the_agent_gives_one(tmp_path: Path) -> None:
    socket = tmp_path / "api.sock"
    async with waited_for(Given(socket)) as reasons:
        await until(because(reasons, "there is no such socket yet"))
        async with WorkloadAPI.serve(
            socket_path=socket,
            authority=Authority("example.org"),
            spiffe_id="spiffe://example.org/a",
        ) as agent:
            agent.withdraw()
            await until(because(reasons, "no entry yet"))
            agent.rotate()
            await until(lambda: reasons[-1] == DONE)


async def test_a_port_is_waited_for_until_somebody_listens() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with waited_for(Open("127.0.0.1", port)) as reasons:
        await until(because(reasons, "refused"))
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
    server.close()
    await server.wait_closed()


def test_names_are_read() -> None:
    assert parse_configmap("spire/a.b:c_d.pem", path="--configmap") == (
        ObjectKey("spire", "a.b"),
        "c_d.pem",
    )
    assert parse_object("spire/a", path="--secret") == ObjectKey("spire", "a")
    assert parse_address("server.spire.svc:8081", path="--tcp") == ("server.spire.svc", 8081)
    assert parse_address("[fd00::1]:80", path="--tcp") == ("fd00::1", 80)


@pytest.mark.parametrize(
    "text", ["", "a", "a/b", "a/b:", "/b:c", "a/:c", "A/b:c", "a/b:c/d", "a/b/c:d", "../b:c"]
)
def test_a_configmap_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InvalidField, match="NAMESPACE/NAME:KEY"):
        parse_configmap(text, path="--configmap")


@pytest.mark.parametrize(
    "text", ["", "a", "a:", ":1", "a:b", "a:0", "a:65536", "a:" + "9" * 5000, "fd00::1", "::1:80"]
)
def test_an_address_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InvalidField, match="--tcp"):
        parse_address(text, path="--tcp")
