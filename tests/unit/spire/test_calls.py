"""Calls that write pass the gate, whichever client makes them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from devcluster.spire.authority import Authority
from devcluster.spire.server import SpireServer
from registrar.ending import Ending
from registrar.identity.bundle import Bundle
from registrar.identity.relationship import Relationship
from registrar.spire.bundles import BundleClient
from registrar.spire.connection import Connection
from registrar.spire.entries import EntryClient
from registrar.spire.errors import NotLeading
from registrar.spire.federation import FederationClient
from tests.support.entries import make_entry
from tests.support.waiting import until

BUNDLE = Bundle("other.test", (Authority("other.test").certificate_der,))
RELATIONSHIP = Relationship("other.test", "https://other.test/bundle", "https_web")


class Clients:
    """The three clients that write, behind one gate."""

    def __init__(self, connection: Connection) -> None:
        self.is_open = False
        self.ending = Ending()
        self.codes: list[str] = []
        """How each call ended."""
        self.entries = EntryClient(
            connection, gate=self.may_write, ending=self.ending, observer=self
        )
        self.bundles = BundleClient(
            connection, gate=self.may_write, ending=self.ending, observer=self
        )
        self.federation = FederationClient(
            connection, gate=self.may_write, ending=self.ending, observer=self
        )

    def may_write(self) -> bool:
        return self.is_open

    def called(self, method: str, code: str, seconds: float) -> None:  # noqa: ARG002 - as asked
        self.codes.append(code)

    def batched(self, method: str, size: int) -> None:
        pass


every_write = pytest.mark.parametrize(
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


@every_write
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


HELD = (
    *("BatchCreateEntry", "BatchUpdateEntry", "BatchDeleteEntry"),
    *("BatchSetFederatedBundle", "BatchDeleteFederatedBundle"),
    *("BatchCreateFederationRelationship", "BatchUpdateFederationRelationship"),
    "BatchDeleteFederationRelationship",
)


@every_write
@pytest.mark.parametrize("is_told_to_end", [True, False])
async def test_a_write_that_is_under_way_is_finished_where_the_process_is_told_to_end(
    server: SpireServer,
    connection: Connection,
    write: Callable[[Clients], Awaitable[object]],
    *,
    is_told_to_end: bool,
) -> None:
    clients, before = Clients(connection), server.calls.total()
    clients.is_open = True

    async def begin() -> None:
        await write(clients)

    async with asyncio.TaskGroup() as tasks:
        with contextlib.ExitStack() as held:
            for method in HELD:
                held.enter_context(server.faults.held(method))
            task = tasks.create_task(begin())
            await until(lambda: server.calls.total() > before)
            if is_told_to_end:
                clients.ending.begin()
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait({task})
        assert task.cancelled()
    assert (clients.codes == ["CANCELLED"]) is not is_told_to_end
