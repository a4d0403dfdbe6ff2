"""A SPIRE server and an agent that answer with any bytes at all, on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from hypothesis import strategies as st

from api.proto import delegatedidentity_pb2, entry_pb2, types_pb2, workload_pb2
from registrar.identity.entry import Attributes, Entry, EntryKey
from registrar.identity.relationship import Relationship
from registrar.identity.selectors import Selector
from registrar.settings.model import UnixAddress
from registrar.spire.bundles import BundleClient
from registrar.spire.connection import open_connection
from registrar.spire.delegated import DelegatedIdentityError, connect
from registrar.spire.entries import EntryClient
from registrar.spire.errors import Internal, SpireError
from registrar.spire.federation import FederationClient
from registrar.spire.svids import Minter
from registrar.spire.workload import X509Source
from tests.fuzz.drawn import drawn
from tests.fuzz.identities import AUTHORITY, ENTRY, KEY, LEAF
from tests.support.waiting import until

pytestmark = pytest.mark.slow

_ENTRY = Entry(
    "a.b",
    EntryKey.of("spiffe://example.org/a", "spiffe://example.org/b", [Selector("k8s", "ns:a")]),
    Attributes(),
)
_RELATIONSHIP = Relationship("b.test", "https://b.test", "https_web", "")
Answer = Callable[[], bytes]


@asynccontextmanager
async def answering(socket: Path, answer: Answer, *, streams: bool = False) -> AsyncIterator[None]:
    """A server of every service there is. What streams has one message, and goes on."""

    async def unary(_request: bytes, _context: object) -> bytes:
        return answer()

    async def stream(_request: bytes, _context: object) -> AsyncIterator[bytes]:
        yield answer()
        await asyncio.sleep(0.01)

    class Any(grpc.GenericRpcHandler):
        def service(
            self, handler_call_details: grpc.HandlerCallDetails
        ) -> "grpc.RpcMethodHandler[bytes, bytes]":
            method = handler_call_details.method
            is_stream = streams and ("Subscribe" in method or "FetchX509SVID" in method)
            if is_stream:
                return grpc.unary_stream_rpc_method_handler(stream)
            return grpc.unary_unary_rpc_method_handler(unary)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Any(),))
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


async def _all_pages(entries: EntryClient) -> None:
    async for _ in entries.pages():
        pass


async def test_whatever_spire_answers_is_an_answer_or_a_spire_error(tmp_path: Path) -> None:
    answers = [b"", b"\xff", *drawn(ENTRY.inputs, 40)]
    socket, current = tmp_path / "spire.sock", [b""]
    async with (
        answering(socket, lambda: current[0]),
        open_connection(UnixAddress(socket), trust_domain="example.org") as connection,
    ):
        entries, bundles = EntryClient(connection), BundleClient(connection)
        federation, minter = FederationClient(connection), Minter(connection)
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: _all_pages(entries),
            lambda: entries.get("a"),
            lambda: entries.create([_ENTRY, _ENTRY]),
            lambda: entries.update([_ENTRY], frozenset({"hint"})),
            lambda: entries.delete(["a"]),
            bundles.trust_domain,
            bundles.own,
            bundles.federated_trust_domains,
            lambda: bundles.federated("b.test"),
            lambda: bundles.delete_federated("b.test"),
            federation.list,
            lambda: federation.create(_RELATIONSHIP),
            lambda: federation.update(_RELATIONSHIP),
            lambda: federation.delete("b.test"),
            lambda: minter.mint(b"csr", 60),
        ]
        for current[0] in answers:
            for call in calls:
                try:
                    await call()
                except SpireError as error:
                    assert error.message.isprintable()


@pytest.mark.parametrize("token", ["same", ""])
async def test_a_list_without_an_end_is_given_up(tmp_path: Path, token: str) -> None:
    socket = tmp_path / "spire.sock"
    message = entry_pb2.ListEntriesResponse(
        entries=[types_pb2.Entry(id="a")], next_page_token=token
    )
    async with (
        answering(socket, message.SerializeToString),
        open_connection(UnixAddress(socket), trust_domain="example.org") as connection,
    ):
        pages = [page async for page in EntryClient(connection).pages()] if not token else None
        if pages is None:
            with pytest.raises(Internal, match="again and again"):
                await _all_pages(EntryClient(connection))
        else:
            assert len(pages) == 1


_GOOD_BUNDLES = delegatedidentity_pb2.SubscribeToX509BundlesResponse(
    ca_certificates={"spiffe://example.org": AUTHORITY}
)
_GOOD_IDENTITY = workload_pb2.X509SVIDResponse(
    svids=[
        workload_pb2.X509SVID(
            spiffe_id="spiffe://example.org/a",
            x509_svid=LEAF,
            x509_svid_key=KEY,
            bundle=AUTHORITY,
        )
    ]
)
_MAPS = st.dictionaries(
    st.sampled_from(["", "spiffe://a", "../x", "spiffe://é"]),
    st.sampled_from([b"", AUTHORITY, b"\x30\x80", b"{", b'{"keys": [' + b"[" * 2000, LEAF[:80]]),
    max_size=3,
)
_MESSAGES = st.one_of(
    st.binary(max_size=60),
    _MAPS.map(
        lambda found: delegatedidentity_pb2.SubscribeToX509BundlesResponse(
            ca_certificates=found
        ).SerializeToString()
    ),
    _MAPS.map(
        lambda found: delegatedidentity_pb2.SubscribeToJWTBundlesResponse(
            bundles=found
        ).SerializeToString()
    ),
)


async def test_whatever_an_agent_sends_the_next_message_that_makes_sense_is_taken(
    tmp_path: Path,
) -> None:
    socket = tmp_path / "agent.sock"
    answers = iter(drawn(_MESSAGES, 12))
    bundles: list[dict[str, tuple[bytes, ...]]] = []
    good = {"example.org": (AUTHORITY,)}
    async with (
        answering(socket, lambda: next(answers, _GOOD_BUNDLES.SerializeToString()), streams=True),
        connect(socket) as agent,
        asyncio.TaskGroup() as tasks,
    ):
        following = [
            tasks.create_task(agent.follow_bundles(bundles.append)),
            tasks.create_task(agent.follow_svids([Selector("k8s", "ns:a")], lambda _: None)),
            tasks.create_task(agent.follow_jwt_bundles(lambda _: None)),
        ]
        await until(lambda: bool(bundles) and bundles[-1] == good, seconds=60)
        for _ in range(5):
            try:
                await agent.fetch_tokens([Selector("k8s", "ns:a")], ["b"])
            except DelegatedIdentityError as error:
                assert str(error)
        assert not any(task.done() for task in following)
        for task in following:
            task.cancel()


async def test_whatever_the_workload_api_sends_our_svid_is_taken_once_it_comes(
    tmp_path: Path,
) -> None:
    socket = tmp_path / "agent.sock"
    nonsense = st.one_of(
        st.binary(max_size=60),
        st.builds(
            lambda chain, key: workload_pb2.X509SVIDResponse(
                svids=[workload_pb2.X509SVID(x509_svid=chain, x509_svid_key=key)]
            ).SerializeToString(),
            st.sampled_from([b"", b"\x30", b"\x30\x85\1\1\1\1\1", LEAF + b"\0", LEAF[:50]]),
            st.sampled_from([b"", KEY]),
        ),
    )
    answers = iter(drawn(nonsense, 20)[-4:])
    source = X509Source(socket, authorities_of="example.org")
    async with (
        answering(socket, lambda: next(answers, _GOOD_IDENTITY.SerializeToString()), streams=True),
        asyncio.TaskGroup() as tasks,
    ):
        following = tasks.create_task(source.run())
        await until(
            lambda: source.current is not None and source.current.authorities == (AUTHORITY,),
            seconds=60,
        )
        assert not following.done()
        following.cancel()
