"""The Workload API of an agent, as a workload asks it: one answer to one question."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import grpc

from api.proto import workload_pb2 as pb
from api.proto import workload_pb2_grpc
from registrar.errors import printable
from registrar.identity.spiffeid import SCHEME
from registrar.spire.der import BrokenDER, split_der

T = TypeVar("T")

SECONDS = 10.0
_METADATA = (("workload.spiffe.io", "true"),)
_OPTIONS = (
    # A socket that is not there yet is tried anew at each call.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.default_authority", "localhost"),
)


class Unanswered(Exception):  # noqa: N818 - named by what happened
    """The agent gave no answer, or refused; the message has its words."""


@dataclass(frozen=True, slots=True)
class X509SVID:
    """An SVID: its chain as DER with the leaf first, its key as PKCS#8."""

    spiffe_id: str
    chain: tuple[bytes, ...]
    key: bytes


@dataclass(frozen=True, slots=True)
class X509Answer:
    """All SVIDs of the caller, and the authorities of each trust domain that it trusts, DER."""

    svids: tuple[X509SVID, ...]
    authorities: Mapping[str, tuple[bytes, ...]]


class WorkloadAPI:
    """One agent, by its socket. Every method raises Unanswered."""

    def __init__(self, socket: str, *, seconds: float = SECONDS) -> None:
        self.socket = socket
        self._seconds = seconds

    async def x509(self) -> X509Answer:
        """The caller's SVIDs and whom to believe, as they are now."""
        async with self._channel() as channel:
            stub = workload_pb2_grpc.SpiffeWorkloadAPIStub(channel)
            stream = stub.FetchX509SVID(
                pb.X509SVIDRequest(), metadata=_METADATA, timeout=self._seconds
            )
            message = await _first(stream)
            stream.cancel()
        return _x509_answer(message)

    async def follow_x509(self) -> AsyncIterator[X509Answer]:
        """The same, now and after each change, for as long as the agent is there."""
        async with self._channel() as channel:
            stub = workload_pb2_grpc.SpiffeWorkloadAPIStub(channel)
            stream = stub.FetchX509SVID(pb.X509SVIDRequest(), metadata=_METADATA)
            async for message in _all(stream):
                yield _x509_answer(message)

    async def token(self, audience: str, spiffe_id: str = "") -> str:
        """A JWT SVID for an audience; of the caller's first identity, if none is named."""
        request = pb.JWTSVIDRequest(audience=[audience], spiffe_id=spiffe_id)
        async with self._channel() as channel:
            stub = workload_pb2_grpc.SpiffeWorkloadAPIStub(channel)
            try:
                answer = await stub.FetchJWTSVID(request, metadata=_METADATA, timeout=self._seconds)
            except grpc.aio.AioRpcError as error:
                raise Unanswered(_words(error)) from error
        if not answer.svids:
            raise Unanswered("the agent sent no JWT SVID")
        return answer.svids[0].svid

    async def jwt_keys(self) -> Mapping[str, bytes]:
        """The JWT keys of each trust domain that the caller trusts, as JSON Web Key Sets."""
        async with self._channel() as channel:
            stub = workload_pb2_grpc.SpiffeWorkloadAPIStub(channel)
            stream = stub.FetchJWTBundles(
                pb.JWTBundlesRequest(), metadata=_METADATA, timeout=self._seconds
            )
            message = await _first(stream)
            stream.cancel()
        return {_name(trust_domain): keys for trust_domain, keys in message.bundles.items()}

    async def follow_jwt_keys(self) -> AsyncIterator[Mapping[str, bytes]]:
        """The same, now and after each change, for as long as the agent is there."""
        async with self._channel() as channel:
            stub = workload_pb2_grpc.SpiffeWorkloadAPIStub(channel)
            stream = stub.FetchJWTBundles(pb.JWTBundlesRequest(), metadata=_METADATA)
            async for message in _all(stream):
                yield {_name(name): keys for name, keys in message.bundles.items()}

    async def validate(self, token: str, audience: str) -> str:
        """Whose token it is, by the agent's own word. Unanswered where the agent refuses it."""
        request = pb.ValidateJWTSVIDRequest(svid=token, audience=audience)
        async with self._channel() as channel:
            stub = workload_pb2_grpc.SpiffeWorkloadAPIStub(channel)
            try:
                answer = await stub.ValidateJWTSVID(
                    request, metadata=_METADATA, timeout=self._seconds
                )
            except grpc.aio.AioRpcError as error:
                raise Unanswered(_words(error)) from error
        return answer.spiffe_id

    def _channel(self) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(f"unix:{self.socket}", options=list(_OPTIONS))


def _x509_answer(message: pb.X509SVIDResponse) -> X509Answer:
    try:
        svids = tuple(
            X509SVID(svid.spiffe_id, split_der(svid.x509_svid), svid.x509_svid_key)
            for svid in message.svids
        )
        authorities = {
            _name(trust_domain): split_der(bundle)
            for trust_domain, bundle in message.federated_bundles.items()
        }
        for svid in message.svids:
            authorities[_name(svid.spiffe_id)] = split_der(svid.bundle)
    except BrokenDER as error:
        raise Unanswered(f"the agent sent {error}") from error
    if not svids:
        raise Unanswered("the agent sent no SVID")
    return X509Answer(svids, authorities)


async def _all(stream: AsyncIterable[T]) -> AsyncIterator[T]:
    try:
        async for message in stream:
            yield message
    except grpc.aio.AioRpcError as error:
        raise Unanswered(_words(error)) from error


async def _first(stream: AsyncIterable[T]) -> T:
    try:
        async for message in stream:
            return message
    except grpc.aio.AioRpcError as error:
        raise Unanswered(_words(error)) from error
    raise Unanswered("the agent ended the stream without an answer")


def _name(spiffe_id: str) -> str:
    """The trust domain of a SPIFFE ID, without the scheme."""
    return spiffe_id.removeprefix(SCHEME).partition("/")[0]


def _words(error: grpc.aio.AioRpcError) -> str:
    if error.code() == grpc.StatusCode.PERMISSION_DENIED:
        return "no entry yet, or the agent has not heard of it"
    return printable(error.details() or error.code().name)
