"""What a test can make the embedded agent do."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias

import grpc
import pytest

from api.proto import delegatedidentity_pb2 as messages
from api.proto import delegatedidentity_pb2_grpc, types_pb2, workload_pb2, workload_pb2_grpc
from devcluster.spire.agent import Agent
from devcluster.spire.server import SpireServer
from devcluster.spire.workload import WorkloadAPI

# The stubs know this type only while types are checked.
Stub: TypeAlias = "delegatedidentity_pb2_grpc.DelegatedIdentityAsyncStub"
SELECTOR = types_pb2.Selector(type="k8s", value="ns:shop")


@pytest.fixture
async def spire(tmp_path: Path) -> AsyncIterator[SpireServer]:
    async with SpireServer.serve(socket_path=tmp_path / "server.sock") as server:
        yield server


@pytest.fixture
async def agent(spire: SpireServer, tmp_path: Path) -> AsyncIterator[Agent]:
    async with Agent.serve(
        spire.state, spire.authority, admin_socket=tmp_path / "admin.sock", sync_seconds=0.02
    ) as agent:
        yield agent


@pytest.fixture
async def stub(
    agent: Agent,
) -> AsyncIterator[Stub]:
    async with grpc.aio.insecure_channel(f"unix:{agent.admin_socket}") as channel:
        yield delegatedidentity_pb2_grpc.DelegatedIdentityStub(channel)


def entry(spire: SpireServer, **fields: object) -> types_pb2.Entry:
    return spire.state.put(
        types_pb2.Entry(
            spiffe_id=types_pb2.SPIFFEID(trust_domain="example.org", path="/web"),
            parent_id=types_pb2.SPIFFEID(trust_domain="example.org", path="/node"),
            selectors=[SELECTOR],
            **fields,  # type: ignore[arg-type]
        )
    )


async def test_rotation_sends_a_new_key(spire: SpireServer, agent: Agent, stub: Stub) -> None:
    entry(spire)
    agent.sync()
    stream = stub.SubscribeToX509SVIDs(messages.SubscribeToX509SVIDsRequest(selectors=[SELECTOR]))
    updates = aiter(stream)
    first = await anext(updates)
    agent.rotate()
    second = await anext(updates)
    assert first.x509_svids[0].x509_svid_key != second.x509_svids[0].x509_svid_key
    stream.cancel()


async def test_short_lives_are_renewed_at_half(spire: SpireServer, stub: Stub) -> None:
    entry(spire, x509_svid_ttl=2)
    stream = stub.SubscribeToX509SVIDs(messages.SubscribeToX509SVIDsRequest(selectors=[SELECTOR]))
    ends = set()
    async for update in stream:
        ends |= {svid.x509_svid.expires_at for svid in update.x509_svids}
        if len(ends) == 3:
            break
    stream.cancel()


async def test_roots_rotate_with_old_and_new_together(agent: Agent, stub: Stub) -> None:
    stream = stub.SubscribeToX509Bundles(messages.SubscribeToX509BundlesRequest())
    updates = aiter(stream)
    old = (await anext(updates)).ca_certificates["spiffe://example.org"]
    new = agent.add_authority()
    both = (await anext(updates)).ca_certificates["spiffe://example.org"]
    assert both == old + new.certificate_der
    agent.drop_authorities()
    assert (await anext(updates)).ca_certificates["spiffe://example.org"] == new.certificate_der
    stream.cancel()


async def test_who_is_no_delegate_is_refused_also_later(agent: Agent, stub: Stub) -> None:
    request = messages.SubscribeToX509SVIDsRequest(selectors=[SELECTOR])
    updates = aiter(stub.SubscribeToX509SVIDs(request))
    await anext(updates)
    agent.is_delegate = False
    agent.changed()
    for waiting in (updates, aiter(stub.SubscribeToX509SVIDs(request))):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await anext(waiting)
        assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_a_stop_ends_the_streams_and_a_start_serves_again(
    spire: SpireServer, agent: Agent, stub: Stub
) -> None:
    entry(spire, federates_with=["other.test"])
    spire.state.bundles["other.test"] = types_pb2.Bundle(trust_domain="other.test")
    request = messages.SubscribeToX509SVIDsRequest(selectors=[SELECTOR])
    updates = aiter(stub.SubscribeToX509SVIDs(request))
    await anext(updates)
    await agent.stop()
    with pytest.raises(grpc.aio.AioRpcError):
        await _end_of(updates)
    await agent.start()
    stream = stub.SubscribeToX509SVIDs(request, wait_for_ready=True)
    again = await anext(aiter(stream))
    assert len(again.x509_svids) == 1
    assert list(again.federates_with) == ["spiffe://other.test"]
    stream.cancel()


async def _end_of(updates: AsyncIterator[messages.SubscribeToX509SVIDsResponse]) -> None:
    async for _ in updates:
        pass


async def test_the_workload_api_gives_tokens_and_their_keys(
    spire: SpireServer, tmp_path: Path
) -> None:
    metadata = (("workload.spiffe.io", "true"),)
    socket = tmp_path / "workload.sock"
    async with (
        WorkloadAPI.serve(
            socket_path=socket, authority=spire.authority, spiffe_id="spiffe://example.org/web"
        ) as api,
        grpc.aio.insecure_channel(f"unix:{socket}") as channel,
    ):
        workload = workload_pb2_grpc.SpiffeWorkloadAPIStub(channel)
        request = workload_pb2.JWTSVIDRequest(audience=["db"])
        (svid,) = (await workload.FetchJWTSVID(request, metadata=metadata)).svids
        assert svid.spiffe_id == "spiffe://example.org/web"
        header = json.loads(base64.urlsafe_b64decode(svid.svid.split(".")[0] + "=="))
        stream = workload.FetchJWTBundles(workload_pb2.JWTBundlesRequest(), metadata=metadata)
        bundles = (await anext(aiter(stream))).bundles
        keys = json.loads(bundles["spiffe://example.org"])["keys"]
        assert [key["kid"] for key in keys] == [header["kid"]]
        stream.cancel()
        api.withdraw()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await workload.FetchJWTSVID(request, metadata=metadata)
        assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
