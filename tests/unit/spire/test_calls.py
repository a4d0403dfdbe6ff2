"""Calls that write pass the gate, whichever client makes them."""

from collections.abc import Awaitable, Callable

import pytest

from devcluster.spire.authority import Authority
from devcluster.spire.server import SpireServer
from registrar.identity.bundle import Bundle
from registrar.identity.relationship import Relationship
from registrar.spire.bundles import BundleClient
from registrar.spire.connection import Connection
from registrar.spire.entries import EntryClient
from registrar.spire.errors import NotLeading
from registrar.spire.federation import FederationClient
from tests.support.entries import make_entry

BUNDLE = Bundle("other.test", (Authority("other.test").certificate_der,))
RELATIONSHIP = Relationship("other.test", "https://other.test/bundle", "https_web")


class Clients:
    """The three clients that write, behind one gate."""

    def __init__(self, connection: Connection) -> None:
        self.is_open = False
        self.entries = EntryClient(connection, gate=lambda: self.is_open)
        self.bundles = BundleClient(connection, gate=lambda: self.is_open)
        self.federation = FederationClient(connection, gate=lambda: self.is_open)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda c: c.entries.create([make_entry("a")]), id="create entries"),
        pytest.param(
            lambda c: c.entries.update([make_entry("a")], frozenset({"hint"})), id="update entries"
        ),
        pytest.param(lambda c: c.entries.delete(["a"]), id="delete entries"),
        pytest.param(lambda c: c.bundles.set_federated(BUNDLE), id="set a bundle"),
        pytest.param(lambda c: c.bundles.delete_federated("other.test"), id="delete a bundle"),
        pytest.param(lambda c: c.federation.create(RELATIONSHIP), id="create a relationship"),
        pytest.param(lambda c: c.federation.update(RELATIONSHIP), id="update a relationship"),
        pytest.param(lambda c: c.federation.delete("other.test"), id="delete a relationship"),
    ],
)
async def test_nothing_is_sent_through_a_closed_gate(
    server: SpireServer,
    connection: Connection,
    write: Callable[[Clients], Awaitable[object]],
) -> None:
    clients, before = Clients(connection), server.calls.copy()
    with pytest.raises(NotLeading):
        await write(clients)
    assert server.calls == before


async def test_reading_needs_no_gate(connection: Connection) -> None:
    clients = Clients(connection)
    assert await clients.bundles.trust_domain()
    assert await clients.federation.list() == {}
    clients.is_open = True
    await clients.federation.create(RELATIONSHIP)
    assert await clients.federation.list() == {"other.test": RELATIONSHIP}
