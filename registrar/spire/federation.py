"""The client of the Trust domain API: federation relationships, one call for each change.

There are few of them and they change rarely, so nothing is batched.
"""

from typing import TYPE_CHECKING

import grpc

from api.proto import trustdomain_pb2, trustdomain_pb2_grpc, types_pb2
from registrar.ending import Ending
from registrar.identity.bundle import Bundle
from registrar.identity.relationship import Relationship
from registrar.identity.spiffeid import SCHEME
from registrar.spire.calls import (
    TIMEOUT_SECONDS,
    Caller,
    CallObserver,
    Channels,
    MayWrite,
    Pages,
    Unobserved,
    open_gate,
    readable,
)
from registrar.spire.errors import AlreadyExists, Internal, NotFound, error_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.proto.trustdomain_pb2_grpc import TrustDomainAsyncStub

PAGE_SIZE = 100
REFRESH_SECONDS = 10.0
"""How long the refresh of one bundle may take: a peer that does not answer holds up no other."""


class FederationClient:
    """Calls the Trust domain API. Every method raises SpireError; ``gate``: see Caller."""

    def __init__(
        self,
        channels: Channels,
        *,
        observer: CallObserver | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        gate: MayWrite = open_gate,
        ending: Ending | None = None,
    ) -> None:
        observer = observer or Unobserved()
        self._caller = Caller(
            channels,
            observer=observer,
            timeout_seconds=timeout_seconds,
            gate=gate,
            ending=ending,
        )
        self._refresher = Caller(
            channels,
            observer=observer,
            timeout_seconds=min(timeout_seconds, REFRESH_SECONDS),
            gate=gate,
            ending=ending,
        )

    async def list(self) -> dict[str, Relationship]:
        """All relationships by trust domain, without their bundles."""
        found: dict[str, Relationship] = {}
        pages = Pages()
        mask = types_pb2.FederationRelationshipMask(
            bundle_endpoint_url=True, bundle_endpoint_profile=True
        )
        while True:
            request = trustdomain_pb2.ListFederationRelationshipsRequest(
                output_mask=mask, page_size=PAGE_SIZE, page_token=pages.token
            )
            async with self._caller.call("list-relationships") as channel:
                response = readable(
                    await _stub(channel).ListFederationRelationships(
                        request, timeout=self._caller.timeout_seconds
                    )
                )
            for message in response.federation_relationships:
                relationship = relationship_from_proto(message)
                found[relationship.trust_domain] = relationship
            if not pages.turn(response.next_page_token):
                return found

    async def create(self, relationship: Relationship) -> None:
        """Create it; the server then fetches the bundle by itself. Raises AlreadyExists."""
        request = trustdomain_pb2.BatchCreateFederationRelationshipRequest(
            federation_relationships=[relationship_to_proto(relationship)]
        )
        response = await self._caller.write(
            "create-relationship",
            lambda channel: _stub(channel).BatchCreateFederationRelationship(
                request, timeout=self._caller.timeout_seconds
            ),
        )
        try:
            _check([result.status for result in response.results])
        except Internal as error:
            # Servers give this code to whatever their store refuses.
            if await self._holds(relationship.trust_domain):
                raise AlreadyExists(error.message, code=error.code) from error
            raise

    async def update(self, relationship: Relationship) -> None:
        """Change where it points, and its bundle if it has one. Raises NotFound."""
        request = trustdomain_pb2.BatchUpdateFederationRelationshipRequest(
            federation_relationships=[relationship_to_proto(relationship)],
            input_mask=types_pb2.FederationRelationshipMask(
                bundle_endpoint_url=True,
                bundle_endpoint_profile=True,
                trust_domain_bundle=relationship.bundle is not None,
            ),
        )
        response = await self._caller.write(
            "update-relationship",
            lambda channel: _stub(channel).BatchUpdateFederationRelationship(
                request, timeout=self._caller.timeout_seconds
            ),
        )
        try:
            _check([result.status for result in response.results])
        except Internal as error:
            if not await self._holds(relationship.trust_domain):
                raise NotFound(error.message, code=error.code) from error
            raise

    async def delete(self, trust_domain: str) -> None:
        """Delete it; the bundle stays. Raises NotFound."""
        request = trustdomain_pb2.BatchDeleteFederationRelationshipRequest(
            trust_domains=[trust_domain]
        )
        response = await self._caller.write(
            "delete-relationship",
            lambda channel: _stub(channel).BatchDeleteFederationRelationship(
                request, timeout=self._caller.timeout_seconds
            ),
        )
        _check([result.status for result in response.results])

    async def refresh(self, trust_domain: str) -> None:
        """Have the server fetch the bundle now, and wait for it.

        Raises NotFound without a relationship, EndpointDistrusted for the endpoint's certificate.
        """
        request = trustdomain_pb2.RefreshBundleRequest(trust_domain=trust_domain)
        await self._refresher.write(
            "refresh-bundle",
            lambda channel: _stub(channel).RefreshBundle(
                request, timeout=self._refresher.timeout_seconds
            ),
        )

    async def _holds(self, trust_domain: str) -> bool:
        """Whether the server has a relationship with a trust domain."""
        request = trustdomain_pb2.GetFederationRelationshipRequest(
            trust_domain=trust_domain, output_mask=types_pb2.FederationRelationshipMask()
        )
        try:
            async with self._caller.call("get-relationship") as channel:
                readable(
                    await _stub(channel).GetFederationRelationship(
                        request, timeout=self._caller.timeout_seconds
                    )
                )
        except NotFound:
            return False
        return True


def relationship_from_proto(message: types_pb2.FederationRelationship) -> Relationship:
    """The relationship that a message tells of, without its bundle."""
    is_spiffe = message.WhichOneof("bundle_endpoint_profile") == "https_spiffe"
    return Relationship(
        trust_domain=message.trust_domain.removeprefix(SCHEME),
        url=message.bundle_endpoint_url,
        profile="https_spiffe" if is_spiffe else "https_web",
        endpoint_spiffe_id=message.https_spiffe.endpoint_spiffe_id if is_spiffe else "",
    )


def relationship_to_proto(relationship: Relationship) -> types_pb2.FederationRelationship:
    """The message for a relationship."""
    message = types_pb2.FederationRelationship(
        trust_domain=relationship.trust_domain, bundle_endpoint_url=relationship.url
    )
    if relationship.profile == "https_spiffe":
        message.https_spiffe.endpoint_spiffe_id = relationship.endpoint_spiffe_id
    else:
        message.https_web.SetInParent()
    if relationship.bundle is not None:
        message.trust_domain_bundle.CopyFrom(bundle_to_proto(relationship.bundle))
    return message


def bundle_to_proto(bundle: Bundle) -> types_pb2.Bundle:
    """The message for a bundle."""
    return types_pb2.Bundle(
        trust_domain=bundle.trust_domain,
        x509_authorities=[types_pb2.X509Certificate(asn1=der) for der in bundle.x509_authorities],
        jwt_authorities=[
            types_pb2.JWTKey(key_id=key_id, public_key=der)
            for key_id, der in bundle.jwt_authorities
        ],
        refresh_hint=bundle.refresh_hint,
        sequence_number=bundle.sequence_number,
    )


def bundle_from_proto(message: types_pb2.Bundle) -> Bundle:
    """The bundle that a message tells of."""
    return Bundle(
        trust_domain=message.trust_domain.removeprefix(SCHEME),
        x509_authorities=tuple(certificate.asn1 for certificate in message.x509_authorities),
        jwt_authorities=tuple((key.key_id, key.public_key) for key in message.jwt_authorities),
        refresh_hint=message.refresh_hint,
        sequence_number=message.sequence_number,
    )


def _check(statuses: "Sequence[types_pb2.Status]") -> None:
    """Raise what the one result of a batch of one says."""
    if len(statuses) != 1:
        raise Internal(f"SPIRE gave {len(statuses)} results for one relationship")
    if statuses[0].code:
        raise error_of(statuses[0].code, statuses[0].message)


def _stub(channel: grpc.aio.Channel) -> "TrustDomainAsyncStub":
    return trustdomain_pb2_grpc.TrustDomainStub(channel)
