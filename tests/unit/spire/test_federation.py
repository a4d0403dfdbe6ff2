"""Federation relationships and bundles of other trust domains, against a server."""

from dataclasses import replace

import grpc
import pytest

from api.proto import types_pb2
from devcluster.spire.authority import Authority
from devcluster.spire.server import SpireServer
from registrar.identity.bundle import Bundle
from registrar.identity.entry import Attributes, Entry
from registrar.identity.relationship import Relationship
from registrar.spire.bundles import BundleClient
from registrar.spire.connection import Connection
from registrar.spire.entries import EntryClient
from registrar.spire.errors import (
    AlreadyExists,
    EndpointDistrusted,
    FederatedBundleMissing,
    Internal,
    InvalidArgument,
    NotFound,
    Unavailable,
)
from registrar.spire.federation import FederationClient, bundle_to_proto
from tests.support.entries import make_entry

URL = "https://other.test/bundle"
WEB = Relationship("other.test", URL, "https_web")
SPIFFE = Relationship("other.test", URL, "https_spiffe", "spiffe://other.test/endpoint")


def bundle_of(name: str = "other.test") -> Bundle:
    return Bundle(name, (Authority(name).certificate_der,), refresh_hint=60, sequence_number=3)


@pytest.fixture
def federation(connection: Connection) -> FederationClient:
    return FederationClient(connection)


@pytest.fixture
def bundles(connection: Connection) -> BundleClient:
    return BundleClient(connection)


@pytest.mark.parametrize("given", [WEB, SPIFFE], ids=["web", "spiffe"])
async def test_what_was_created_is_listed(
    federation: FederationClient, given: Relationship
) -> None:
    await federation.create(given)
    assert await federation.list() == {"other.test": given}


async def test_every_page_is_read(server: SpireServer, federation: FederationClient) -> None:
    for number in range(230):
        name = f"peer{number}.test"
        server.state.relationships[name] = types_pb2.FederationRelationship(
            trust_domain=name,
            bundle_endpoint_url=f"https://{name}/",
            https_web=types_pb2.HTTPSWebProfile(),
        )
    assert len(await federation.list()) == 230
    assert server.calls["ListFederationRelationships"] > 2


async def test_a_bundle_comes_with_its_relationship(
    federation: FederationClient, bundles: BundleClient
) -> None:
    given = Relationship("other.test", URL, "https_web", bundle=bundle_of())
    await federation.create(given)
    assert await bundles.federated("other.test") == given.bundle
    # The list leaves bundles out: they are large, and the server renews them.
    assert await federation.list() == {"other.test": WEB}


async def test_an_update_points_elsewhere_and_leaves_the_bundle(
    federation: FederationClient, bundles: BundleClient
) -> None:
    first, second = bundle_of(), bundle_of()
    await federation.create(Relationship("other.test", URL, "https_web", bundle=first))
    await federation.update(SPIFFE)
    assert await federation.list() == {"other.test": SPIFFE}
    assert await bundles.federated("other.test") == first
    await federation.update(Relationship("other.test", URL, "https_web", bundle=second))
    assert await federation.list() == {"other.test": WEB}
    assert await bundles.federated("other.test") == second


async def test_a_deleted_relationship_leaves_its_bundle(
    federation: FederationClient, bundles: BundleClient
) -> None:
    await federation.create(Relationship("other.test", URL, "https_web", bundle=bundle_of()))
    await federation.delete("other.test")
    assert await federation.list() == {}
    assert await bundles.federated_trust_domains() == ["other.test"]


async def test_what_the_server_refuses_is_an_error_of_that_kind(
    federation: FederationClient,
) -> None:
    with pytest.raises(InvalidArgument, match="https"):
        await federation.create(Relationship("other.test", "http://other.test", "https_web"))
    with pytest.raises(NotFound):
        await federation.update(WEB)
    with pytest.raises(NotFound):
        await federation.delete("other.test")
    await federation.create(WEB)
    with pytest.raises(AlreadyExists):
        await federation.create(SPIFFE)


async def test_a_failure_of_the_store_is_not_taken_for_something_else(
    server: SpireServer, federation: FederationClient
) -> None:
    server.faults.fail("GetFederationRelationship", code=grpc.StatusCode.INTERNAL)
    with pytest.raises(Internal):
        await federation.update(WEB)


async def test_a_call_that_fails_as_a_whole_is_an_error(
    server: SpireServer, federation: FederationClient, bundles: BundleClient
) -> None:
    server.faults.fail("BatchCreateFederationRelationship")
    server.faults.fail("ListFederatedBundles", code=grpc.StatusCode.INTERNAL)
    with pytest.raises(Unavailable):
        await federation.create(WEB)
    with pytest.raises(Internal):
        await bundles.federated_trust_domains()


async def test_a_bundle_is_set_read_and_deleted(bundles: BundleClient) -> None:
    given = bundle_of()
    await bundles.set_federated(given)
    assert await bundles.federated("other.test") == given
    await bundles.delete_federated("other.test")
    with pytest.raises(NotFound):
        await bundles.federated("other.test")
    with pytest.raises(NotFound):
        await bundles.delete_federated("other.test")


async def test_a_bundle_that_is_none_is_refused(bundles: BundleClient) -> None:
    with pytest.raises(InvalidArgument):
        await bundles.set_federated(Bundle("other.test", (b"no certificate",)))
    with pytest.raises(InvalidArgument):
        await bundles.set_federated(bundle_of("example.org"))


async def test_the_names_of_all_bundles_are_read_page_by_page(
    server: SpireServer, bundles: BundleClient
) -> None:
    names = [f"peer{number:03}.test" for number in range(230)]
    for name in names:
        server.state.bundles[name] = types_pb2.Bundle(trust_domain=name)
    assert await bundles.federated_trust_domains() == names
    assert server.calls["ListFederatedBundles"] > 2


async def test_a_deleted_bundle_takes_no_entry_along(
    server: SpireServer, bundles: BundleClient
) -> None:
    await bundles.set_federated(bundle_of())
    message = types_pb2.Entry(
        id="a",
        spiffe_id=types_pb2.SPIFFEID(trust_domain="example.org", path="/a"),
        federates_with=["other.test"],
    )
    server.state.put(message)
    await bundles.delete_federated("other.test")
    (left,) = server.state.entries()
    assert list(left.federates_with) == []


async def test_an_entry_says_whose_bundle_is_missing(
    client: EntryClient, bundles: BundleClient
) -> None:
    entry = make_entry("web", Attributes(federates_with=("other.test",)))
    (refused,) = await client.create([entry])
    assert isinstance(refused, FederatedBundleMissing)
    assert refused.trust_domain == "other.test"
    await bundles.set_federated(bundle_of())
    (held,) = await client.create([entry])
    assert isinstance(held, Entry)
    assert held.attributes.federates_with == ("other.test",)


async def test_the_servers_own_bundle_holds_its_authorities(
    server: SpireServer, bundles: BundleClient
) -> None:
    own = await bundles.own()
    assert own.trust_domain == "example.org"
    assert own.x509_authorities == (server.authority.certificate_der,)


async def test_a_refresh_brings_what_the_endpoint_shows(
    server: SpireServer, federation: FederationClient, bundles: BundleClient
) -> None:
    shown = bundle_of()
    await federation.create(replace(SPIFFE, bundle=shown))
    with pytest.raises(Internal, match="connection refused") as refused:
        await federation.refresh("other.test")
    assert not isinstance(refused.value, EndpointDistrusted)
    server.endpoints.show(URL, bundle_to_proto(replace(shown, refresh_hint=7)))
    await federation.refresh("other.test")
    assert (await bundles.federated("other.test")).refresh_hint == 7


async def test_a_refresh_from_an_endpoint_of_another_authority_is_an_error_of_its_own(
    server: SpireServer, federation: FederationClient
) -> None:
    await federation.create(replace(SPIFFE, bundle=bundle_of()))
    server.endpoints.show(URL, bundle_to_proto(bundle_of()))
    with pytest.raises(EndpointDistrusted, match="signed by unknown authority"):
        await federation.refresh("other.test")


async def test_a_refresh_needs_a_relationship(federation: FederationClient) -> None:
    with pytest.raises(NotFound, match="no relationship"):
        await federation.refresh("other.test")


async def test_a_refresh_has_a_deadline_of_its_own(
    server: SpireServer, connection: Connection
) -> None:
    impatient = FederationClient(connection, timeout_seconds=0.2)
    await FederationClient(connection).create(WEB)
    with (
        server.endpoints.hanging(URL),
        pytest.raises(Unavailable, match=r"no answer within 0.2 s"),
    ):
        await impatient.refresh("other.test")
