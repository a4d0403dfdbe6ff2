"""The Delegated Identity API of the agent on this node: SVIDs of other workloads by selectors.

Each subscription is followed for as long as it is wanted: a stream that ends
is opened again, once the agent lets us in (see ``gate``). Keys stay in memory.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import grpc
from google.protobuf.message import Message

from api.proto import delegatedidentity_pb2, delegatedidentity_pb2_grpc, types_pb2
from registrar.backoff import Backoff
from registrar.identity.selectors import Selector
from registrar.identity.spiffeid import SCHEME
from registrar.spire.convert import id_from_proto
from registrar.spire.der import BrokenDER
from registrar.spire.gate import Gate, Problem, Trouble
from registrar.spire.readable import read_bundle, why_no_jwks

log = logging.getLogger(__name__)

_FIRST_MESSAGE_SECONDS = 30.0
_FETCH_SECONDS = 10.0
_LONGEST_WAIT_SECONDS = 10.0
"""Of one subscription that fails alone, before it is tried again."""
_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Servers in Go refuse the escaped socket path that would be the authority.
    ("grpc.default_authority", "localhost"),
)

R = TypeVar("R", bound=Message)
M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class X509SVID:
    """An X.509 SVID with its key: DER, the leaf first; ``expires_at`` in Unix seconds."""

    spiffe_id: str
    chain: tuple[bytes, ...]
    key: bytes
    hint: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class JWTSVID:
    """A token; times are Unix seconds."""

    spiffe_id: str
    token: str
    hint: str
    issued_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Update:
    """The whole set of a workload's SVIDs, and the trust domains that it federates with."""

    svids: tuple[X509SVID, ...]
    federates_with: frozenset[str]


class DelegatedIdentityError(Exception):
    """A call failed; ``problem`` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class _End:
    """Why a stream ended; nonsense is a message that nobody can read."""

    problem: Problem
    is_nonsense: bool = False


def _nothing(_: object) -> None:
    """Nobody listens."""


class DelegatedIdentity:
    """One agent's API. Make it with ``connect``.

    ``follow_bundles`` must run for the others to work: it finds out for all whether the agent
    lets us in. ``reopened`` is called for each stream after the first of a subscription.
    """

    def __init__(
        self, channel: grpc.aio.Channel, socket: Path, *, reopened: Callable[[], None]
    ) -> None:
        self._stub = delegatedidentity_pb2_grpc.DelegatedIdentityStub(channel)
        self._socket = socket
        self._reopened = reopened
        self.gate = Gate()

    async def follow_svids(
        self,
        selectors: Iterable[Selector],
        on_update: Callable[[Update], None],
        on_problem: Callable[[Problem | None], None] = _nothing,
    ) -> None:
        """Follow the SVIDs of workloads with those selectors until cancelled."""
        messages = _selectors(selectors)
        request = delegatedidentity_pb2.SubscribeToX509SVIDsRequest(selectors=messages)
        await self._follow(
            lambda: self._stub.SubscribeToX509SVIDs(request),
            lambda message: on_update(_update(message)),
            on_problem,
        )

    async def follow_bundles(
        self,
        on_update: Callable[[dict[str, tuple[bytes, ...]]], None],
        on_problem: Callable[[Problem | None], None] = _nothing,
        on_broken: Callable[[dict[str, str]], None] = _nothing,
    ) -> None:
        """Follow the X.509 bundles of all trust domains, by name, until cancelled.

        ``on_broken`` hears, before each update, why bundles cannot be read, by name; the update
        has what can be read of them, and not those of which that is nothing.
        """
        request = delegatedidentity_pb2.SubscribeToX509BundlesRequest()

        def take(message: delegatedidentity_pb2.SubscribeToX509BundlesResponse) -> None:
            read = {_name(id_): read_bundle(der) for id_, der in message.ca_certificates.items()}
            on_broken({name: why for name, (_, why) in read.items() if why})
            on_update({name: found for name, (found, why) in read.items() if found or not why})

        await self._lead(lambda: self._stub.SubscribeToX509Bundles(request), take, on_problem)

    async def follow_jwt_bundles(
        self,
        on_update: Callable[[Mapping[str, bytes]], None],
        on_problem: Callable[[Problem | None], None] = _nothing,
        on_broken: Callable[[dict[str, str]], None] = _nothing,
    ) -> None:
        """Follow the JWKS documents of all trust domains, by name, until cancelled.

        ``on_broken`` as in ``follow_bundles``.
        """
        request = delegatedidentity_pb2.SubscribeToJWTBundlesRequest()

        def take(message: delegatedidentity_pb2.SubscribeToJWTBundlesResponse) -> None:
            found = {_name(id_): document for id_, document in message.bundles.items()}
            broken = {name: why for name in found if (why := why_no_jwks(found[name]))}
            on_broken(broken)
            on_update({name: found[name] for name in found if name not in broken})

        await self._follow(lambda: self._stub.SubscribeToJWTBundles(request), take, on_problem)

    async def fetch_tokens(
        self, selectors: Iterable[Selector], audiences: Sequence[str]
    ) -> tuple[JWTSVID, ...]:
        """A token for each entry of workloads with those selectors.

        Raises DelegatedIdentityError.
        """
        request = delegatedidentity_pb2.FetchJWTSVIDsRequest(
            selectors=_selectors(selectors), audience=audiences
        )
        await self._admitted()
        try:
            reply = await self._stub.FetchJWTSVIDs(request, timeout=_FETCH_SECONDS)
            found = _readable(reply).svids
        except grpc.aio.AioRpcError as error:
            # Whatever the code: the agent uses that of an agent that is away for a server that
            # is, and that of a caller without rights for a workload without an entry.
            why = f"the agent gives no JWT-SVID: {error.details() or error.code().name}"
            raise DelegatedIdentityError(Problem(Trouble.FAILED, why)) from error
        except BrokenDER as error:
            raise DelegatedIdentityError(
                Problem(Trouble.FAILED, f"the agent sent {error}")
            ) from error
        return tuple(
            JWTSVID(
                spiffe_id=id_from_proto(svid.id),
                token=svid.token,
                hint=svid.hint,
                issued_at=float(svid.issued_at),
                expires_at=float(svid.expires_at),
            )
            for svid in found
        )

    async def _admitted(self) -> None:
        """Wait a while where the agent does not let us in. Raises DelegatedIdentityError."""
        problem = self.gate.problem
        if problem is None:
            return
        try:
            async with asyncio.timeout(_FETCH_SECONDS):
                await self.gate.passed(_nothing)
        except TimeoutError:
            raise DelegatedIdentityError(self.gate.problem or problem) from None

    async def _lead(
        self,
        subscribe: Callable[[], grpc.aio.UnaryStreamCall[R, M]],
        take: Callable[[M], None],
        on_problem: Callable[[Problem | None], None],
    ) -> None:
        """As ``_follow``, for the subscription that opens the gate."""
        backoff = Backoff(0.05, _LONGEST_WAIT_SECONDS)
        is_first = True
        while True:
            if not is_first:
                self._reopened()
            is_first = False
            end = await self._until_shut(
                self._attempt(subscribe(), take, on_problem, (self.gate.open, backoff.reset))
            )
            if end is not None and end.is_nonsense:
                # It has let us in all the same.
                on_problem(end.problem)
                await asyncio.sleep(backoff.next_seconds())
                continue
            if end is not None:
                self.gate.shut(end.problem)
            on_problem(self.gate.problem)
            await self.gate.pause()

    async def _until_shut(self, attempt: Coroutine[None, None, _End]) -> _End | None:
        """An attempt to its end; None where another subscription shuts the gate meanwhile."""
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(attempt)
            shut = tasks.create_task(self.gate.until_shut_again())
            await asyncio.wait((asking, shut), return_when=asyncio.FIRST_COMPLETED)
            asking.cancel()
            shut.cancel()
        return None if asking.cancelled() else asking.result()

    async def _follow(
        self,
        subscribe: Callable[[], grpc.aio.UnaryStreamCall[R, M]],
        take: Callable[[M], None],
        on_problem: Callable[[Problem | None], None],
    ) -> None:
        backoff = Backoff(0.05, _LONGEST_WAIT_SECONDS)
        is_first = True
        while True:
            times_opened = await self.gate.passed(on_problem)
            if not is_first:
                self._reopened()
            is_first = False
            end = await self._attempt(subscribe(), take, on_problem, (backoff.reset,))
            on_problem(end.problem)
            if end.problem.trouble in {Trouble.UNREACHABLE, Trouble.DENIED}:
                self.gate.shut(end.problem, times_opened=times_opened)
            await asyncio.sleep(backoff.next_seconds())

    async def _attempt(
        self,
        stream: grpc.aio.UnaryStreamCall[R, M],
        take: Callable[[M], None],
        on_problem: Callable[[Problem | None], None],
        heard: Sequence[Callable[[], None]],
    ) -> _End:
        """One stream to its end; ``heard`` are called at its first message."""
        try:
            await self._stream(stream, take, on_problem, heard)
        except grpc.aio.AioRpcError as error:
            return _End(self._problem(error))
        except TimeoutError:
            why = (
                f"the agent at {self._socket} does not answer: it hangs, or waits for its SPIRE "
                "server to sign the SVID"
            )
            return _End(Problem(Trouble.SILENT, why))
        except Exception as error:  # noqa: BLE001 - whatever it sends must not end the driver
            return _End(Problem(Trouble.FAILED, f"the agent sent {error}"), is_nonsense=True)
        return _End(Problem(Trouble.UNREACHABLE, "the agent has ended the stream"))

    @staticmethod
    async def _stream(
        stream: grpc.aio.UnaryStreamCall[R, M],
        take: Callable[[M], None],
        on_problem: Callable[[Problem | None], None],
        heard: Sequence[Callable[[], None]],
    ) -> None:
        messages = aiter(stream)
        try:
            # The first message comes at once: it tells what there is, and be it nothing.
            async with asyncio.timeout(_FIRST_MESSAGE_SECONDS):
                try:
                    first = await anext(messages)
                except StopAsyncIteration:
                    return
            for listener in heard:
                listener()
            take(_readable(first))
            on_problem(None)
            async for message in messages:
                take(_readable(message))
        finally:
            stream.cancel()

    def _problem(self, error: grpc.aio.AioRpcError) -> Problem:
        why = error.details() or error.code().name
        if error.code() == grpc.StatusCode.PERMISSION_DENIED:
            return Problem(
                Trouble.DENIED,
                f"the agent refuses us ({why}): put the driver's SPIFFE ID into its "
                "authorized_delegates, and see that the driver has an entry of its own",
            )
        if error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
            return Problem(
                Trouble.UNREACHABLE,
                f"the agent at {self._socket} cannot be reached: does one run on this node, "
                f"and is this its admin_socket_path? ({why})",
            )
        return Problem(Trouble.FAILED, f"the agent failed: {why}")


@asynccontextmanager
async def connect(
    socket: Path, *, reopened: Callable[[], None] = lambda: None
) -> AsyncIterator[DelegatedIdentity]:
    """The API behind an agent's admin socket, which may appear later."""
    async with grpc.aio.insecure_channel(f"unix:{socket}", options=_OPTIONS) as channel:
        yield DelegatedIdentity(channel, socket, reopened=reopened)


def _readable(message: M | None) -> M:
    """A message; what cannot be decoded comes as None."""
    if message is None:
        raise BrokenDER("a message that cannot be read")
    return message


def _update(message: delegatedidentity_pb2.SubscribeToX509SVIDsResponse) -> Update:
    return Update(
        svids=tuple(
            X509SVID(
                spiffe_id=id_from_proto(found.x509_svid.id),
                chain=tuple(found.x509_svid.cert_chain),
                key=found.x509_svid_key,
                hint=found.x509_svid.hint,
                expires_at=float(found.x509_svid.expires_at),
            )
            for found in message.x509_svids
        ),
        federates_with=frozenset(map(_name, message.federates_with)),
    )


def _selectors(selectors: Iterable[Selector]) -> list[types_pb2.Selector]:
    return [types_pb2.Selector(type=type_, value=value) for type_, value in selectors]


def _name(trust_domain_id: str) -> str:
    return trust_domain_id.removeprefix(SCHEME)
