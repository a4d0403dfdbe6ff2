"""What only the embedded SPIRE server does: time, faults, old age, restarts, the TCP face."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from api.proto import (
    entry_pb2,
    entry_pb2_grpc,
    trustdomain_pb2,
    trustdomain_pb2_grpc,
    types_pb2,
    workload_pb2,
    workload_pb2_grpc,
)
from devcluster.spire.authority import SVID, Authority
from devcluster.spire.server import SpireServer, TLSOptions
from devcluster.spire.state import PRUNE_SECONDS
from devcluster.spire.workload import WorkloadAPI

SECONDS = 60


def entry(name: str, **fields: bool | int | str) -> types_pb2.Entry:
    made = types_pb2.Entry(
        id=name,
        spiffe_id=types_pb2.SPIFFEID(trust_domain="example.org", path=f"/{name}"),
        parent_id=types_pb2.SPIFFEID(trust_domain="example.org", path="/node"),
        selectors=[types_pb2.Selector(type="k8s", value=f"pod-name:{name}")],
    )
    for field, value in fields.items():
        setattr(made, field, value)
    return made


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[SpireServer]:
    async with SpireServer.serve(socket_path=tmp_path / "spire.sock", tcp=TLSOptions()) as running:
        yield running


@pytest.fixture
async def channel(server: SpireServer) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"unix:{server.socket_path}") as opened:
        yield opened


async def create(
    channel: grpc.aio.Channel, *entries: types_pb2.Entry
) -> list[entry_pb2.BatchCreateEntryResponse.Result]:
    request = entry_pb2.BatchCreateEntryRequest(entries=entries)
    stub = entry_pb2_grpc.EntryStub(channel)
    return list((await stub.BatchCreateEntry(request, timeout=SECONDS)).results)


async def code_of(channel: grpc.aio.Channel) -> grpc.StatusCode:
    """What a harmless call ends with."""
    stub = entry_pb2_grpc.EntryStub(channel)
    try:
        await stub.CountEntries(entry_pb2.CountEntriesRequest(), timeout=SECONDS)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_entries_whose_time_is_over_go_in_a_while(
    server: SpireServer, channel: grpc.aio.Channel
) -> None:
    now = 1_000.0
    server.state.clock = lambda: now
    results = await create(channel, entry("short", expires_at=1_010), entry("long"))
    assert [result.entry.created_at for result in results] == [1_000, 1_000]
    assert len(server.state.entries()) == 2
    now = 1_011.0
    assert len(server.state.entries()) == 2
    now = 1_000.0 + PRUNE_SECONDS + 1
    assert [held.id for held in server.state.entries()] == ["long"]
    # Its key is free again.
    (again,) = await create(channel, entry("short"))
    assert again.status.code == 0


async def test_an_old_server_drops_what_it_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "old.sock"
    dropped = frozenset({"hint", "store_svid"})
    async with (
        SpireServer.serve(socket_path=path, dropped_fields=dropped),
        grpc.aio.insecure_channel(f"unix:{path}") as channel,
    ):
        (result,) = await create(channel, entry("a", hint="h", store_svid=True, jwt_svid_ttl=5))
        assert (result.entry.hint, result.entry.store_svid) == ("", False)
        assert result.entry.jwt_svid_ttl == 5


async def test_it_comes_back_on_the_same_sockets_with_what_it_held(
    server: SpireServer, channel: grpc.aio.Channel
) -> None:
    await create(channel, entry("a"))
    port = server.tcp_port
    await server.stop()
    assert await code_of(channel) is grpc.StatusCode.UNAVAILABLE
    await server.start()
    assert server.tcp_port == port
    assert [held.id for held in server.state.entries()] == ["a"]
    # A channel of its own, which has not learnt to wait for this socket.
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"unix:{server.socket_path}", options=options) as anew:
        assert await code_of(anew) is grpc.StatusCode.OK


async def test_calls_fail_as_often_as_they_are_told_to(
    server: SpireServer, channel: grpc.aio.Channel
) -> None:
    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    server.faults.fail("CountEntries", times=2, code=code)
    assert [await code_of(channel) for _ in range(3)] == [code, code, grpc.StatusCode.OK]
    server.faults.fail("CountEntries")
    assert await code_of(channel) is grpc.StatusCode.UNAVAILABLE
    server.faults.clear()
    assert await code_of(channel) is grpc.StatusCode.OK


async def test_single_entries_are_refused_by_id_or_by_question(
    server: SpireServer, channel: grpc.aio.Channel
) -> None:
    server.faults.fail_entry("a", times=1, message="not this one")
    server.faults.fail_entry(lambda given: given.spiffe_id.path == "/b")
    codes = [r.status.code for r in await create(channel, entry("a"), entry("b"), entry("c"))]
    assert codes == [13, 13, 0]
    codes = [r.status.code for r in await create(channel, entry("a"), entry("b"))]
    assert codes == [0, 13]


async def test_calls_and_writes_are_counted(server: SpireServer, channel: grpc.aio.Channel) -> None:
    await create(channel, entry("a"), entry("b"), entry("b"))
    await entry_pb2_grpc.EntryStub(channel).BatchDeleteEntry(
        entry_pb2.BatchDeleteEntryRequest(ids=["a", "nobody"]), timeout=SECONDS
    )
    assert server.calls == {"BatchCreateEntry": 1, "BatchDeleteEntry": 1}
    assert server.writes == {"created": 2, "deleted": 1}


async def test_what_is_done_behind_its_back_is_not_counted(server: SpireServer) -> None:
    stored = server.state.put(entry("a"))
    again = server.state.put(entry("a", hint="h"))
    assert (stored.revision_number, again.revision_number) == (0, 1)
    assert server.state.delete("a")
    assert not server.state.delete("a")
    server.state.put(entry("b"))
    server.state.clear()
    assert server.state.entries() == []
    assert not server.writes


OTHER_URL = "https://other.test/bundle"


def bundle_of(name: str) -> types_pb2.Bundle:
    der = Authority(name).certificate_der
    return types_pb2.Bundle(x509_authorities=[types_pb2.X509Certificate(asn1=der)])


def web(url: str = OTHER_URL) -> types_pb2.FederationRelationship:
    return types_pb2.FederationRelationship(
        trust_domain="other.test", bundle_endpoint_url=url, https_web=types_pb2.HTTPSWebProfile()
    )


async def relate(channel: grpc.aio.Channel, given: types_pb2.FederationRelationship) -> None:
    response = await trustdomain_pb2_grpc.TrustDomainStub(
        channel
    ).BatchCreateFederationRelationship(
        trustdomain_pb2.BatchCreateFederationRelationshipRequest(federation_relationships=[given]),
        timeout=SECONDS,
    )
    assert response.results[0].status.code == 0


async def refresh(channel: grpc.aio.Channel) -> grpc.StatusCode:
    try:
        await trustdomain_pb2_grpc.TrustDomainStub(channel).RefreshBundle(
            trustdomain_pb2.RefreshBundleRequest(trust_domain="other.test"), timeout=SECONDS
        )
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_a_federated_bundle_is_fetched_after_a_relationship_is_made(
    server: SpireServer, channel: grpc.aio.Channel
) -> None:
    server.endpoints.show(OTHER_URL, bundle_of("other.test"))
    await relate(channel, web())
    given = entry("a")
    given.federates_with.append("other.test")
    (result,) = await create(channel, given)
    assert result.status.code == 0


async def test_a_bundle_is_there_as_soon_as_its_endpoint_shows_it(
    server: SpireServer, channel: grpc.aio.Channel
) -> None:
    await relate(channel, web())
    assert not server.state.knows_bundle("other.test")
    assert await refresh(channel) is grpc.StatusCode.INTERNAL
    server.endpoints.show("https://elsewhere.test/bundle", bundle_of("other.test"))
    assert not server.state.knows_bundle("other.test")
    server.endpoints.show(OTHER_URL, bundle_of("other.test"))
    assert server.state.knows_bundle("other.test")
    assert server.state.bundles["other.test"].trust_domain == "other.test"


async def test_a_bundle_stays_when_its_endpoint_is_out_of_reach(
    server: SpireServer, channel: grpc.aio.Channel
) -> None:
    server.endpoints.show(OTHER_URL, bundle_of("other.test"))
    await relate(channel, web())
    server.endpoints.hide(OTHER_URL)
    assert await refresh(channel) is grpc.StatusCode.INTERNAL
    assert server.state.knows_bundle("other.test")


async def test_a_changed_endpoint_is_asked_at_once(
    server: SpireServer, channel: grpc.aio.Channel
) -> None:
    await relate(channel, web("https://wrong.test/bundle"))
    server.endpoints.show(OTHER_URL, bundle_of("other.test"))
    assert not server.state.knows_bundle("other.test")
    await trustdomain_pb2_grpc.TrustDomainStub(channel).BatchUpdateFederationRelationship(
        trustdomain_pb2.BatchUpdateFederationRelationshipRequest(federation_relationships=[web()]),
        timeout=SECONDS,
    )
    assert server.state.knows_bundle("other.test")


async def test_an_endpoint_that_shows_an_svid_is_trusted_by_its_bundle_only(
    server: SpireServer, channel: grpc.aio.Channel
) -> None:
    shown = bundle_of("other.test")
    server.endpoints.show(OTHER_URL, shown)
    given = web()
    given.https_spiffe.endpoint_spiffe_id = "spiffe://other.test/endpoint"
    await relate(channel, given)
    assert not server.state.knows_bundle("other.test")
    assert await refresh(channel) is grpc.StatusCode.INTERNAL
    server.state.bundles["other.test"] = bundle_of("other.test")
    assert await refresh(channel) is grpc.StatusCode.INTERNAL
    server.state.bundles["other.test"] = shown
    assert await refresh(channel) is grpc.StatusCode.OK


async def test_an_upgraded_server_knows_the_fields_that_it_dropped(
    server: SpireServer, channel: grpc.aio.Channel
) -> None:
    await server.stop()
    server.dropped_fields = frozenset({"hint"})
    await server.start()
    (before,) = await create(channel, entry("a", hint="h"))
    assert before.entry.hint == ""
    await server.stop()
    server.dropped_fields = frozenset()
    await server.start()
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"unix:{server.socket_path}", options=options) as anew:
        (after,) = await create(anew, entry("b", hint="h"))
    assert after.entry.hint == "h"


@asynccontextmanager
async def secure(server: SpireServer, svid: SVID | None) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the TCP face; gRPC cannot check its URI, so only the chain is."""
    credentials = grpc.ssl_channel_credentials(
        root_certificates=server.authority.certificate_pem,
        private_key=svid.key_pem if svid else None,
        certificate_chain=svid.certificate_pem if svid else None,
    )
    async with grpc.aio.secure_channel(f"127.0.0.1:{server.tcp_port}", credentials) as channel:
        yield channel


async def test_over_tcp_nobody_is_served_whose_chain_is_not_the_trust_domains(
    server: SpireServer,
) -> None:
    stranger = Authority("example.org").issue("spiffe://example.org/registrar")
    for svid in (None, stranger):
        async with secure(server, svid) as channel:
            assert await code_of(channel) is grpc.StatusCode.UNAVAILABLE


async def test_what_is_for_agents_is_for_nobody_here(channel: grpc.aio.Channel) -> None:
    stub = entry_pb2_grpc.EntryStub(channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetAuthorizedEntries(entry_pb2.GetAuthorizedEntriesRequest(), timeout=SECONDS)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.fixture
async def workload_api(server: SpireServer, tmp_path: Path) -> AsyncIterator[WorkloadAPI]:
    async with WorkloadAPI.serve(
        socket_path=tmp_path / "agent.sock",
        authority=server.authority,
        spiffe_id="spiffe://example.org/web",
    ) as running:
        yield running


async def test_the_workload_api_wants_its_header(workload_api: WorkloadAPI) -> None:
    async with grpc.aio.insecure_channel(f"unix:{workload_api.socket_path}") as channel:
        stub = workload_pb2_grpc.SpiffeWorkloadAPIStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in stub.FetchX509SVID(workload_pb2.X509SVIDRequest(), timeout=SECONDS):
                pass
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_rotated_svid_comes_down_the_stream_and_a_withdrawn_one_ends_it(
    workload_api: WorkloadAPI,
) -> None:
    async with grpc.aio.insecure_channel(f"unix:{workload_api.socket_path}") as channel:
        stub = workload_pb2_grpc.SpiffeWorkloadAPIStub(channel)
        stream = stub.FetchX509SVID(
            workload_pb2.X509SVIDRequest(), metadata=(("workload.spiffe.io", "true"),)
        )
        messages = aiter(stream)
        async with asyncio.timeout(SECONDS):
            first = await anext(messages)
            workload_api.rotate()
            second = await anext(messages)
            assert first.svids[0].spiffe_id == second.svids[0].spiffe_id
            assert first.svids[0].x509_svid != second.svids[0].x509_svid
            workload_api.withdraw()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await anext(messages)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
