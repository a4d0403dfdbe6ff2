"""A server on a real socket, and the client's parts against it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devcluster.spire.server import SpireServer
from registrar.settings.model import UnixAddress
from registrar.spire.connection import Connection, open_connection
from registrar.spire.entries import EntryClient
from registrar.spire.mirror import EntryMirror
from registrar.spire.writer import EntryWriter
from tests.support.entries import is_ours


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[SpireServer]:
    async with SpireServer.serve(socket_path=tmp_path / "spire.sock") as running:
        yield running


@pytest.fixture
async def connection(server: SpireServer) -> AsyncIterator[Connection]:
    address = UnixAddress(server.socket_path)
    async with open_connection(address, trust_domain=server.trust_domain) as opened:
        yield opened


@pytest.fixture
def client(connection: Connection) -> EntryClient:
    return EntryClient(connection)


@pytest.fixture
def mirror(client: EntryClient) -> EntryMirror:
    return EntryMirror(client, is_ours=is_ours)


@pytest.fixture
async def writer(client: EntryClient, mirror: EntryMirror) -> AsyncIterator[EntryWriter]:
    made = EntryWriter(client, mirror)
    async with made.running():
        yield made
