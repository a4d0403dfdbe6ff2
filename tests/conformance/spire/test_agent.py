"""The Delegated Identity API of an agent: what a node driver may believe of it.

The real agent is built by ``make tools``, unless ``SPIRE_AGENT_ADMIN_SOCKET`` names the admin
socket of another, beside ``SPIRE_SERVER_SOCKET``; whoever runs the tests must be an authorised
delegate of that one, and it is the parent of some entry already.
"""

import asyncio
import base64
import json
import os
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
)
from cryptography.x509.oid import NameOID

from api.proto import (
    delegatedidentity_pb2,
    delegatedidentity_pb2_grpc,
    entry_pb2,
    entry_pb2_grpc,
    types_pb2,
)
from devcluster.spire.agent import Agent
from devcluster.spire.server import SpireServer
from tests.conformance.spire.conftest import DEADLINE_SECONDS, REAL, Target, selector

SECONDS = 60.0
"""A real agent syncs every 5 s, and sometimes later."""

_OPTIONS = [("grpc.default_authority", "localhost")]
# The stubs know this type only while types are checked.
Stub: TypeAlias = "delegatedidentity_pb2_grpc.DelegatedIdentityAsyncStub"
Update = delegatedidentity_pb2.SubscribeToX509SVIDsResponse


@dataclass(frozen=True, slots=True)
class Node:
    """An agent, its server, and a label that no other workload has."""

    target: Target
    stub: Stub
    agent_id: types_pb2.SPIFFEID
    label: str

    def selectors(self, *more: str) -> list[types_pb2.Selector]:
        """Those of the workload, as whoever attested it would give them."""
        return [selector(text) for text in (f"k8s:pod-uid:{self.label}", "k8s:ns:shop", *more)]

    async def entry(self, path: str = "/web", **fields: object) -> types_pb2.Entry:
        """Make an entry for the workload."""
        entry = types_pb2.Entry(
            spiffe_id=self.target.spiffe_id(path),
            parent_id=self.agent_id,
            selectors=[selector(f"k8s:pod-uid:{self.label}")],
            **fields,  # type: ignore[arg-type]
        )
        (made,) = await self.target.created(entry)
        return made

    @asynccontextmanager
    async def updates(
        self, selectors: Iterable[types_pb2.Selector]
    ) -> AsyncIterator[AsyncIterator[Update]]:
        """A subscription."""
        request = delegatedidentity_pb2.SubscribeToX509SVIDsRequest(selectors=selectors)
        stream = self.stub.SubscribeToX509SVIDs(request)
        try:
            yield aiter(stream)
        finally:
            stream.cancel()


async def until_svids(updates: AsyncIterator[Update], number: int) -> Update:
    """The first update with so many SVIDs."""
    async with asyncio.timeout(SECONDS):
        async for update in updates:
            if len(update.x509_svids) == number:
                return update
    raise AssertionError("the stream has ended")


@asynccontextmanager
async def _sockets(
    request: pytest.FixtureRequest, folder: Path
) -> AsyncIterator[tuple[Path, Path]]:
    if request.param == "real":
        named, admin = (
            os.environ.get(name) for name in ("SPIRE_SERVER_SOCKET", "SPIRE_AGENT_ADMIN_SOCKET")
        )
        if named and admin:
            yield Path(named), Path(admin)
            return
        if named:
            pytest.skip("SPIRE_AGENT_ADMIN_SOCKET names no agent of the server that is named")
        built = request.getfixturevalue("real_spire_agent")
        yield built.server.socket_path, built.admin_socket
        return
    async with (
        SpireServer.serve(socket_path=folder / "server.sock") as spire,
        Agent.serve(spire.state, spire.authority, admin_socket=folder / "admin.sock") as agent_,
    ):
        spire.state.put(
            types_pb2.Entry(
                spiffe_id=types_pb2.SPIFFEID(trust_domain="example.org", path="/delegate"),
                parent_id=types_pb2.SPIFFEID(trust_domain="example.org", path="/spire/agent/a"),
                selectors=[selector("unix:uid:0")],
            )
        )
        yield spire.socket_path, agent_.admin_socket


@pytest.fixture(params=["embedded", REAL])
async def node(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Node]:
    async with (
        _sockets(request, tmp_path) as (server, admin),
        grpc.aio.insecure_channel(f"unix:{server}", options=_OPTIONS) as to_server,
        grpc.aio.insecure_channel(f"unix:{admin}", options=_OPTIONS) as to_agent,
    ):
        agent_id = await _agent(to_server)
        target = Target(to_server, agent_id.trust_domain)
        stub = delegatedidentity_pb2_grpc.DelegatedIdentityStub(to_agent)
        try:
            yield Node(target, stub, agent_id, uuid.uuid4().hex)
        finally:
            await target.tidy()


async def _agent(channel: grpc.aio.Channel) -> types_pb2.SPIFFEID:
    """The agent that the delegate's own entry hangs on."""
    stub = entry_pb2_grpc.EntryStub(channel)
    listed = await stub.ListEntries(entry_pb2.ListEntriesRequest(), timeout=DEADLINE_SECONDS)
    parents = [e.parent_id for e in listed.entries if e.parent_id.path.startswith("/spire/agent/")]
    assert parents, "no entry hangs on an agent: make one for the delegate"
    return parents[0]


async def test_the_first_message_comes_at_once_and_is_empty_where_nothing_matches(
    node: Node,
) -> None:
    async with node.updates(node.selectors()) as updates, asyncio.timeout(DEADLINE_SECONDS):
        first = await anext(updates)
    assert not first.x509_svids
    assert not first.federates_with


async def test_an_entry_arrives_and_leaves_an_empty_message_behind(node: Node) -> None:
    async with node.updates(node.selectors()) as updates:
        entry = await node.entry(hint="main")
        update = await until_svids(updates, 1)
        (svid,) = update.x509_svids
        assert svid.x509_svid.id == entry.spiffe_id
        assert svid.x509_svid.hint == "main"
        await node.target.delete(entry.id)
        await until_svids(updates, 0)


async def test_a_message_has_chain_and_key_that_belong_together(node: Node) -> None:
    await node.entry(dns_names=["web.shop.svc"])
    async with node.updates(node.selectors()) as updates:
        (svid,) = (await until_svids(updates, 1)).x509_svids
    leaf = x509.load_der_x509_certificate(svid.x509_svid.cert_chain[0])
    key = load_der_private_key(svid.x509_svid_key, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    shape = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key.public_key().public_bytes(*shape) == leaf.public_key().public_bytes(*shape)
    assert svid.x509_svid.expires_at == int(leaf.not_valid_after_utc.timestamp())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["web.shop.svc"]


def names_of(svid: delegatedidentity_pb2.X509SVIDWithKey) -> tuple[str, list[str]]:
    """The common name of a certificate, and its DNS names."""
    leaf = x509.load_der_x509_certificate(svid.x509_svid.cert_chain[0])
    common = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return "".join(str(name.value) for name in common), names.get_values_for_type(x509.DNSName)


async def test_the_first_dns_name_that_was_sent_is_the_common_name(node: Node) -> None:
    sent = ["c.example", "a.example", "b.example"]
    entry = await node.entry(dns_names=sent)
    async with node.updates(node.selectors()) as updates, asyncio.timeout(SECONDS):
        assert names_of((await until_svids(updates, 1)).x509_svids[0]) == (sent[0], sent)
        other = types_pb2.Entry(id=entry.id, dns_names=sent[::-1])
        await node.target.update(other, types_pb2.EntryMask(dns_names=True))
        found: tuple[str, list[str]] = ("", [])
        while found[0] != sent[-1]:
            found = names_of((await until_svids(updates, 1)).x509_svids[0])
    assert found == (sent[-1], sent[::-1])


@pytest.mark.parametrize("name", ["not a name", "my_web", " web ", "a,b", "*.web.example"])
async def test_odd_dns_names_that_a_server_took_stand_in_certificates(
    node: Node, name: str
) -> None:
    await node.entry(dns_names=[name])
    async with node.updates(node.selectors()) as updates:
        (svid,) = (await until_svids(updates, 1)).x509_svids
    assert names_of(svid) == (name, [name])


async def test_a_workload_has_the_svids_of_all_entries_whose_selectors_it_has(node: Node) -> None:
    await node.entry("/one")
    await node.entry("/two")
    async with node.updates(node.selectors("k8s:sa:web")) as updates:
        both = await until_svids(updates, 2)
    paths = {svid.x509_svid.id.path.rpartition("/")[2] for svid in both.x509_svids}
    assert paths == {"one", "two"}
    async with node.updates([selector("k8s:ns:shop")]) as updates:
        first = await anext(updates)
    mine = [s for s in first.x509_svids if node.target.corner in s.x509_svid.id.path]
    assert not mine


async def test_bundles_are_whole_and_by_spiffe_id(node: Node) -> None:
    request = delegatedidentity_pb2.SubscribeToX509BundlesRequest()
    stream = node.stub.SubscribeToX509Bundles(request)
    async with asyncio.timeout(DEADLINE_SECONDS):
        found = (await anext(aiter(stream))).ca_certificates
    stream.cancel()
    own = found[f"spiffe://{node.target.trust_domain}"]
    first = x509.load_der_x509_certificate(own[: 4 + int.from_bytes(own[2:4], "big")])
    assert first.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


async def test_a_token_is_for_the_audience_and_signed_by_the_bundle(node: Node) -> None:
    entry = await node.entry(hint="main")
    async with node.updates(node.selectors()) as updates:
        await until_svids(updates, 1)
    request = delegatedidentity_pb2.FetchJWTSVIDsRequest(
        audience=["db", "cache"], selectors=node.selectors()
    )
    (svid,) = (await node.stub.FetchJWTSVIDs(request, timeout=DEADLINE_SECONDS)).svids
    assert svid.id == entry.spiffe_id
    assert svid.hint == "main"
    header, claims = (_decoded(part) for part in svid.token.split(".")[:2])
    assert sorted(claims["aud"]) == ["cache", "db"]  # type: ignore[call-overload]
    assert claims["exp"] == svid.expires_at
    stream = node.stub.SubscribeToJWTBundles(delegatedidentity_pb2.SubscribeToJWTBundlesRequest())
    async with asyncio.timeout(DEADLINE_SECONDS):
        bundles = (await anext(aiter(stream))).bundles
    stream.cancel()
    keys = json.loads(bundles[f"spiffe://{node.target.trust_domain}"])["keys"]
    assert header["kid"] in [key["kid"] for key in keys]


async def test_without_selectors_nothing_is_given(node: Node) -> None:
    async with node.updates([]) as updates:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await anext(updates)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def _decoded(part: str) -> dict[str, object]:
    padded = part + "=" * (-len(part) % 4)
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(padded))
    return found
