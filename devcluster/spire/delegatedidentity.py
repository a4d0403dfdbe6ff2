"""The Delegated Identity API: SVIDs of other workloads, for those who may ask."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import grpc
from google.protobuf.message import Message

from api.proto import delegatedidentity_pb2, delegatedidentity_pb2_grpc, types_pb2
from devcluster.spire.authority import SVID
from devcluster.spire.refusal import Refusal
from devcluster.spire.service import ServicerContext, abort

Selectors = frozenset[tuple[str, str]]
M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Issued:
    """The SVID that an entry has now; ``expires_at`` in Unix seconds."""

    entry: types_pb2.Entry
    svid: SVID
    expires_at: int


class Identities(Protocol):
    """What the service answers from; ``devcluster.spire.agent.Agent`` is one."""

    is_delegate: bool
    is_silent: bool
    jwt_fails: bool
    streams: int
    subscriptions: int
    refusals: int

    async def next_change(self) -> None:
        """Wait until something changes."""
        ...

    def issued_for(self, selectors: Selectors) -> list[Issued]:
        """The SVIDs of workloads with those selectors."""
        ...

    def x509_bundles(self) -> dict[str, list[bytes]]:
        """Certificates of authorities, DER, by trust domain."""
        ...

    def jwt_bundles(self) -> dict[str, bytes]:
        """JWKS documents by trust domain."""
        ...

    def jwt_svids(self, selectors: Selectors, audiences: Sequence[str]) -> list[types_pb2.JWTSVID]:
        """A token for each entry of workloads with those selectors."""
        ...


class DelegatedIdentityService(delegatedidentity_pb2_grpc.DelegatedIdentityServicer):
    """Each subscription gets the whole state at once, and again whenever it has changed."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    async def SubscribeToX509SVIDs(
        self,
        request: delegatedidentity_pb2.SubscribeToX509SVIDsRequest,
        context: ServicerContext,
    ) -> AsyncIterator[delegatedidentity_pb2.SubscribeToX509SVIDsResponse]:
        """The SVIDs of the workloads that have the selectors; none is an empty message."""
        selectors = await self._selectors(request.selectors, request.pid, context)
        async for message in self._states(lambda: self._x509_svids(selectors), context):
            yield message

    async def SubscribeToX509Bundles(
        self,
        request: delegatedidentity_pb2.SubscribeToX509BundlesRequest,
        context: ServicerContext,
    ) -> AsyncIterator[delegatedidentity_pb2.SubscribeToX509BundlesResponse]:
        """The bundles of all trust domains."""

        def bundles() -> delegatedidentity_pb2.SubscribeToX509BundlesResponse:
            found = self._identities.x509_bundles()
            return delegatedidentity_pb2.SubscribeToX509BundlesResponse(
                ca_certificates={f"spiffe://{name}": b"".join(found[name]) for name in found}
            )

        async for message in self._states(bundles, context):
            yield message

    async def FetchJWTSVIDs(
        self, request: delegatedidentity_pb2.FetchJWTSVIDsRequest, context: ServicerContext
    ) -> delegatedidentity_pb2.FetchJWTSVIDsResponse:
        """A token for each entry."""
        await self._admit(context)
        if not request.audience:
            await abort(context, Refusal("audience must be specified"))
        if self._identities.jwt_fails:
            message = "could not fetch JWT-SVID: the server is out of order"
            await abort(context, Refusal(message, grpc.StatusCode.UNAVAILABLE))
        selectors = await self._selectors(request.selectors, request.pid, context)
        svids = self._identities.jwt_svids(selectors, request.audience)
        if not svids:
            # As a real agent has it: the same words as for a caller without rights.
            await abort(context, Refusal("no identity issued", grpc.StatusCode.PERMISSION_DENIED))
        return delegatedidentity_pb2.FetchJWTSVIDsResponse(svids=svids)

    async def SubscribeToJWTBundles(
        self,
        request: delegatedidentity_pb2.SubscribeToJWTBundlesRequest,
        context: ServicerContext,
    ) -> AsyncIterator[delegatedidentity_pb2.SubscribeToJWTBundlesResponse]:
        """The JWKS documents of all trust domains."""

        def bundles() -> delegatedidentity_pb2.SubscribeToJWTBundlesResponse:
            found = self._identities.jwt_bundles()
            return delegatedidentity_pb2.SubscribeToJWTBundlesResponse(
                bundles={f"spiffe://{name}": found[name] for name in found}
            )

        async for message in self._states(bundles, context):
            yield message

    async def _admit(self, context: ServicerContext) -> None:
        if not self._identities.is_delegate:
            self._identities.refusals += 1
            message = "caller not configured as an authorized delegate"
            await abort(context, Refusal(message, grpc.StatusCode.PERMISSION_DENIED))

    async def _selectors(
        self, messages: Iterable[types_pb2.Selector], pid: int, context: ServicerContext
    ) -> Selectors:
        """Those that a request names: by processes nobody is attested here."""
        selectors = frozenset((selector.type, selector.value) for selector in messages)
        if not selectors and not pid:
            await abort(context, Refusal("no selectors or PID provided"))
        if pid:
            message = "attestation by PID is not served here"
            await abort(context, Refusal(message, grpc.StatusCode.UNIMPLEMENTED))
        return selectors

    async def _states(self, current: Callable[[], M], context: ServicerContext) -> AsyncIterator[M]:
        """What ``current`` gives now, and whenever it gives something else."""
        identities = self._identities
        await self._admit(context)
        identities.streams += 1
        identities.subscriptions += 1
        try:
            sent: M | None = None
            while True:
                message = current()
                if message != sent:
                    sent = message
                    yield message
                    continue
                await identities.next_change()
                while identities.is_silent:
                    await identities.next_change()
                await self._admit(context)
        finally:
            identities.streams -= 1

    def _x509_svids(
        self, selectors: Selectors
    ) -> delegatedidentity_pb2.SubscribeToX509SVIDsResponse:
        issued = self._identities.issued_for(selectors)
        known = self._identities.x509_bundles()
        federated = {name for one in issued for name in one.entry.federates_with if name in known}
        return delegatedidentity_pb2.SubscribeToX509SVIDsResponse(
            x509_svids=[
                delegatedidentity_pb2.X509SVIDWithKey(
                    x509_svid=types_pb2.X509SVID(
                        cert_chain=[one.svid.certificate_der],
                        id=one.entry.spiffe_id,
                        expires_at=one.expires_at,
                        hint=one.entry.hint,
                    ),
                    x509_svid_key=one.svid.key_der,
                )
                for one in issued
            ],
            federates_with=sorted(f"spiffe://{name}" for name in federated),
        )
