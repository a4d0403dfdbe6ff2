"""Reaching the server: unix socket, mTLS with a server that is checked, rotation, restarts."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from api.proto import types_pb2
from devcluster.spire.authority import Authority
from devcluster.spire.server import SpireServer, TLSOptions
from devcluster.spire.workload import WorkloadAPI
from registrar.settings.model import TCPAddress, UnixAddress
from registrar.spire.bundles import BundleClient
from registrar.spire.connection import Connection, open_connection
from registrar.spire.entries import EntryClient
from registrar.spire.errors import PermissionDenied, SpireError, Unavailable
from tests.support.entries import make_entry
from tests.support.waiting import until

OUR_ID = "spiffe://example.org/registrar"


def admin_entry() -> types_pb2.Entry:
    return types_pb2.Entry(
        id="admin",
        spiffe_id=types_pb2.SPIFFEID(trust_domain="example.org", path="/registrar"),
        parent_id=types_pb2.SPIFFEID(trust_domain="example.org", path="/node"),
        selectors=[types_pb2.Selector(type="k8s", value="sa:registrar")],
        admin=True,
    )


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[SpireServer]:
    path = tmp_path / "spire.sock"
    async with SpireServer.serve(socket_path=path, tcp=TLSOptions()) as server:
        server.state.put(admin_entry())
        yield server


@pytest.fixture
async def agent(remote: SpireServer, tmp_path: Path) -> AsyncIterator[WorkloadAPI]:
    async with WorkloadAPI.serve(
        socket_path=tmp_path / "agent.sock", authority=remote.authority, spiffe_id=OUR_ID
    ) as workload_api:
        yield workload_api


async def eventually(client: EntryClient) -> None:
    """Call until the server lets us in."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(SpireError):
                await client.get("admin")
                return


def tcp(server: SpireServer, socket_path: Path) -> TCPAddress:
    return TCPAddress("127.0.0.1", server.tcp_port, socket_path)


@pytest.fixture
async def over_tcp(remote: SpireServer, agent: WorkloadAPI) -> AsyncIterator[Connection]:
    address = tcp(remote, agent.socket_path)
    async with open_connection(address, trust_domain="example.org") as connection:
        yield connection


async def test_over_a_unix_socket_the_server_is_reached(connection: Connection) -> None:
    assert await BundleClient(connection).trust_domain() == "example.org"


async def test_over_tcp_the_server_is_reached_with_our_svid(over_tcp: Connection) -> None:
    client = EntryClient(over_tcp)
    (created,) = await client.create([make_entry()])
    assert created == await client.get("ours.web")


async def test_a_socket_without_server_is_unavailable(tmp_path: Path) -> None:
    address = UnixAddress(tmp_path / "nobody.sock")
    async with open_connection(address, trust_domain="example.org") as connection:
        with pytest.raises(Unavailable):
            await EntryClient(connection, timeout_seconds=5).get("x")


async def test_a_caller_without_admin_entry_is_denied(
    remote: SpireServer, over_tcp: Connection
) -> None:
    remote.state.delete("admin")
    with pytest.raises(PermissionDenied):
        await EntryClient(over_tcp).get("x")


async def test_a_server_with_another_spiffe_id_is_refused(tmp_path: Path) -> None:
    impostor = TLSOptions(spiffe_id="spiffe://example.org/web")
    async with (
        SpireServer.serve(socket_path=tmp_path / "spire.sock", tcp=impostor) as server,
        WorkloadAPI.serve(
            socket_path=tmp_path / "agent.sock", authority=server.authority, spiffe_id=OUR_ID
        ) as workload_api,
        open_connection(
            tcp(server, workload_api.socket_path), trust_domain="example.org"
        ) as connection,
    ):
        server.state.put(admin_entry())
        with pytest.raises(Unavailable) as caught:
            await EntryClient(connection).create([make_entry()])
        assert "spiffe://example.org/web, not spiffe://example.org/spire/server" in str(
            caught.value
        )
        assert not server.calls


async def test_a_server_of_another_authority_is_refused(
    remote: SpireServer, tmp_path: Path
) -> None:
    other = Authority("example.org")
    async with (
        WorkloadAPI.serve(
            socket_path=tmp_path / "other.sock", authority=other, spiffe_id=OUR_ID
        ) as workload_api,
        open_connection(
            tcp(remote, workload_api.socket_path), trust_domain="example.org"
        ) as connection,
    ):
        with pytest.raises(Unavailable) as caught:
            await EntryClient(connection).create([make_entry()])
        assert "certificate verify failed" in str(caught.value)
        assert not remote.calls


async def test_a_server_of_a_trust_domain_unknown_to_the_agent_is_refused(
    remote: SpireServer, agent: WorkloadAPI
) -> None:
    address = tcp(remote, agent.socket_path)
    async with open_connection(address, trust_domain="other.test") as connection:
        with pytest.raises(Unavailable) as caught:
            await EntryClient(connection).get("x")
        assert "no authorities" in str(caught.value)


async def test_no_call_is_lost_while_the_svid_rotates(
    agent: WorkloadAPI, over_tcp: Connection
) -> None:
    client = EntryClient(over_tcp)
    failures: list[SpireError] = []
    done = 0
    is_over = False

    async def call() -> None:
        nonlocal done
        while not is_over:
            try:
                await client.create([make_entry()])
            except SpireError as error:
                failures.append(error)
            done += 1

    async def twenty_more() -> None:
        seen = done
        await until(lambda: done > seen + 20)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(call())
        for _ in range(5):
            await twenty_more()
            agent.rotate()
        await twenty_more()
        is_over = True
    assert failures == []


async def test_a_call_under_way_ends_on_the_connection_that_it_began_on(
    remote: SpireServer, agent: WorkloadAPI, over_tcp: Connection
) -> None:
    client = EntryClient(over_tcp)
    async with asyncio.TaskGroup() as tasks:
        with remote.faults.held("BatchCreateEntry"):
            call = tasks.create_task(client.create([make_entry()]))
            await until(lambda: remote.calls["BatchCreateEntry"] == 1)
            async with over_tcp.use() as before:
                agent.rotate()
                await until(lambda: over_tcp.current is not before)
            # Another call goes through on the new connection meanwhile.
            await client.get("admin")
        results = await call
    assert [type(result).__name__ for result in results] == ["Entry"]


async def test_after_rotation_new_connections_show_the_new_svid(
    remote: SpireServer, agent: WorkloadAPI, over_tcp: Connection
) -> None:
    client = EntryClient(over_tcp)
    await client.get("admin")
    # The old SPIFFE ID is no administrator any more: only the new SVID gets in.
    entry = admin_entry()
    entry.spiffe_id.path = "/other"
    remote.state.put(entry)
    agent.give(remote.authority.issue("spiffe://example.org/other"))

    await eventually(client)


async def test_calls_work_again_after_the_server_came_back(
    remote: SpireServer, over_tcp: Connection
) -> None:
    client = EntryClient(over_tcp)
    await client.get("admin")
    await remote.stop()
    with pytest.raises(Unavailable):
        await client.get("admin")
    await remote.start()
    await eventually(client)


async def test_without_svid_calls_say_what_is_missing(
    remote: SpireServer, agent: WorkloadAPI, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    agent.withdraw()
    address = tcp(remote, agent.socket_path)
    async with open_connection(address, trust_domain="example.org") as connection:
        client = EntryClient(connection, timeout_seconds=1)
        with pytest.raises(Unavailable) as caught:
            await client.get("admin")
        assert "no identity issued: the agent has no entry" in caught.value.message
        assert "make one with -admin" in caught.value.message
        # As soon as there is one, calls go through.
        agent.rotate()
        await eventually(client)
    said = [r.message for r in caplog.records if r.name == "registrar.spire.workload"]
    assert said == ["no SVID from the Workload API", "the Workload API gave an SVID"]


async def test_the_stream_is_opened_again_when_the_agent_restarts(
    agent: WorkloadAPI, over_tcp: Connection
) -> None:
    client = EntryClient(over_tcp)
    await client.get("admin")
    await agent.stop()
    await client.get("admin")
    await agent.start()
    await until(lambda: agent.streams == 1)
    async with over_tcp.use() as before:
        agent.rotate()
        await until(lambda: over_tcp.current is not before)
    await client.get("admin")


async def test_another_process_cannot_use_our_connection(
    over_tcp: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    await EntryClient(over_tcp).get("admin")
    assert over_tcp.target.startswith("unix-abstract:")
    script = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect('\\0' + sys.argv[1]); "
        "s.sendall(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n'); sys.exit(len(s.recv(1)))"
    )
    name = over_tcp.target.removeprefix("unix-abstract:")
    for _ in range(2):
        process = await asyncio.create_subprocess_exec("python3", "-c", script, name)
        # Nothing comes back: 0 bytes, or the reset that ends the script with 1 and a traceback.
        assert await process.wait() in {0, 1}
    # Whoever tries can neither fill the log nor make us look broken.
    assert caplog.messages.count("another process tried to use our connection") == 1
    assert not over_tcp.problem


async def test_a_deadline_is_kept(server: SpireServer, connection: Connection) -> None:
    client = EntryClient(connection, timeout_seconds=0.05)
    with server.faults.held("GetEntry"), pytest.raises(Unavailable) as caught:
        await client.get("x")
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "0.05 s" in caught.value.message
