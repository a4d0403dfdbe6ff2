"""The client of the Entry API against a server."""

from dataclasses import replace

import grpc
import pytest

from api.proto import types_pb2
from devcluster.spire.server import SpireServer
from registrar.identity.entry import Attributes, Entry
from registrar.spire.connection import Connection
from registrar.spire.convert import version_mask
from registrar.spire.entries import EntryClient
from registrar.spire.errors import (
    AlreadyExists,
    FederatedBundleMissing,
    Internal,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from tests.support.entries import foreign, make_entry


class Heard:
    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def called(self, method: str, code: str, seconds: float) -> None:
        assert seconds >= 0
        self.calls.append((method, code))

    def batched(self, method: str, size: int) -> None:
        raise AssertionError(f"the client gathers nothing: {method} {size}")


async def test_each_item_has_its_own_result_in_order(client: EntryClient) -> None:
    bad = make_entry("bad", Attributes(x509_svid_ttl=-1))
    too_large = make_entry("large", Attributes(x509_svid_ttl=2**40))
    lonely = make_entry("lonely", Attributes(federates_with=("nobody.test",)))
    results = await client.create([make_entry("a"), bad, too_large, lonely, make_entry("b")])
    assert [type(result).__name__ for result in results] == [
        "Entry",
        "InvalidArgument",
        "InvalidArgument",
        "FederatedBundleMissing",
        "Entry",
    ]
    assert isinstance(results[1], InvalidArgument)
    assert not results[1].retryable
    assert isinstance(results[3], FederatedBundleMissing)
    assert results[3].retryable


async def test_what_comes_back_is_what_was_sent(client: EntryClient) -> None:
    given = make_entry(
        "full",
        Attributes(
            x509_svid_ttl=60,
            jwt_svid_ttl=30,
            dns_names=("b.test", "a.test"),
            admin=True,
            downstream=True,
            store_svid=True,
            hint="h",
        ),
    )
    (created,) = await client.create([given])
    assert isinstance(created, Entry)
    held = await client.get(given.id)
    assert held == replace(given, created_at=created.created_at)
    # The answer to a write is in no order that means anything.
    assert set(created.attributes.dns_names) == set(given.attributes.dns_names)


async def test_an_entry_in_the_way_comes_with_the_error(
    server: SpireServer, client: EntryClient
) -> None:
    server.state.put(foreign("web"))
    (result,) = await client.create([make_entry("web")])
    assert isinstance(result, AlreadyExists)
    assert result.existing is not None
    assert (result.existing.id, result.existing.key) == ("theirs.web", make_entry("web").key)


async def test_an_id_in_the_way_comes_with_the_entry_that_has_it(client: EntryClient) -> None:
    await client.create([make_entry("web")])
    (result,) = await client.create([replace(make_entry("api"), id="ours.web")])
    assert isinstance(result, AlreadyExists)
    assert result.existing is not None
    assert result.existing.key == make_entry("web").key


async def test_an_update_changes_only_what_is_named(client: EntryClient) -> None:
    before = make_entry("web", Attributes(hint="h", x509_svid_ttl=60))
    await client.create([before])
    change = make_entry("web", Attributes(hint="other", x509_svid_ttl=99))
    (updated,) = await client.update([change], frozenset({"hint"}))
    assert not isinstance(updated, Exception)
    assert updated.attributes == Attributes(hint="other", x509_svid_ttl=60)
    assert updated.revision_number == 1


async def test_only_attributes_can_be_updated(client: EntryClient) -> None:
    with pytest.raises(ValueError, match="spiffe_id"):
        await client.update([make_entry()], frozenset({"spiffe_id"}))


async def test_deletions_tell_what_was_not_there(client: EntryClient) -> None:
    await client.create([make_entry()])
    done, missing = await client.delete(["ours.web", "ours.nobody"])
    assert done is None
    assert isinstance(missing, NotFound)


async def test_get_raises_not_found(client: EntryClient) -> None:
    with pytest.raises(NotFound):
        await client.get("ours.nobody")


@pytest.mark.parametrize("count", [0, 1, 6, 7, 8])
async def test_pages_give_every_entry_once(
    server: SpireServer, client: EntryClient, count: int
) -> None:
    for number in range(count):
        server.state.put(foreign(f"w{number}"))
    seen = [m.id async for page in client.pages(page_size=7) for m in page]
    assert seen == [f"theirs.w{number}" for number in range(count)]


async def test_a_mask_keeps_pages_small(server: SpireServer, client: EntryClient) -> None:
    stored = server.state.put(foreign())
    pages = [page async for page in client.pages(mask=version_mask())]
    assert pages == [[types_pb2.Entry(id=stored.id, created_at=stored.created_at)]]


async def test_pages_that_are_too_large_are_asked_for_in_halves(
    server: SpireServer, connection: Connection
) -> None:
    for number in range(10):
        server.state.put(foreign(f"w{number}"))
    server.faults.fail("ListEntries", times=2, code=grpc.StatusCode.RESOURCE_EXHAUSTED)
    heard = Heard()
    client = EntryClient(connection, observer=heard)
    sizes = [len(page) async for page in client.pages(page_size=10)]
    assert sizes == [2, 2, 2, 2, 2]
    assert heard.calls[:3] == [("list", "RESOURCE_EXHAUSTED")] * 2 + [("list", "OK")]


async def test_a_batch_that_is_too_large_for_a_message_is_sent_in_parts(
    server: SpireServer, client: EntryClient
) -> None:
    names = tuple(f"{'x' * 60}.{n}.test" for n in range(200))
    entries = [make_entry(f"w{n}", Attributes(dns_names=names)) for n in range(400)]
    results = await client.create(entries)
    assert all(not isinstance(result, Exception) for result in results)
    assert server.writes["created"] == 400
    assert server.calls["BatchCreateEntry"] > 1


async def test_one_entry_that_is_too_large_for_a_message_is_unavailable(
    client: EntryClient,
) -> None:
    large = make_entry("large", Attributes(hint="h" * 5 * 2**20))
    with pytest.raises(Unavailable):
        await client.create([large])


async def test_calls_and_their_codes_are_observed(
    server: SpireServer, connection: Connection
) -> None:
    heard = Heard()
    client = EntryClient(connection, observer=heard)
    await client.create([make_entry()])
    server.faults.fail("GetEntry", times=1, code=grpc.StatusCode.INTERNAL, message="broken")
    with pytest.raises(Internal):
        await client.get("ours.web")
    await client.delete(["ours.web"])
    assert heard.calls == [("create", "OK"), ("get", "INTERNAL"), ("delete", "OK")]
