"""The Trust domain API over the store: whom the server federates with."""

import grpc
from google.protobuf.empty_pb2 import Empty

from api.proto import trustdomain_pb2, trustdomain_pb2_grpc, types_pb2
from devcluster.spire import validation
from devcluster.spire.endpoints import BundleEndpoints
from devcluster.spire.federation import named, page_of
from devcluster.spire.masks import RELATIONSHIP_FIELDS, fields_of
from devcluster.spire.refusal import Refusal
from devcluster.spire.service import ServicerContext, abort, sent
from devcluster.spire.state import EntryState
from devcluster.spire.urls import endpoint_url

_ALL = RELATIONSHIP_FIELDS


class TrustDomainService(trustdomain_pb2_grpc.TrustDomainServicer):
    """Serves the Trust domain API.

    After a relationship was created or changed the bundle is fetched, and the
    answer does not wait for it: a peer out of reach is no error.
    """

    def __init__(self, state: EntryState, endpoints: BundleEndpoints) -> None:
        self._state = state
        self._endpoints = endpoints

    async def ListFederationRelationships(
        self,
        request: trustdomain_pb2.ListFederationRelationshipsRequest,
        context: ServicerContext,
    ) -> trustdomain_pb2.ListFederationRelationshipsResponse:
        """The relationships, by page or all at once."""
        shown = fields_of(sent(request, "output_mask", request.output_mask), _ALL)
        found, token = page_of(self._state.relationships, request.page_size, request.page_token)
        return trustdomain_pb2.ListFederationRelationshipsResponse(
            federation_relationships=[self._shown(item, shown) for item in found],
            next_page_token=token,
        )

    async def GetFederationRelationship(
        self, request: trustdomain_pb2.GetFederationRelationshipRequest, context: ServicerContext
    ) -> types_pb2.FederationRelationship:
        """One relationship."""
        try:
            found = self._find(request.trust_domain)
        except Refusal as refusal:
            await abort(context, refusal)
        shown = fields_of(sent(request, "output_mask", request.output_mask), _ALL)
        return self._shown(found, shown)

    async def BatchCreateFederationRelationship(
        self,
        request: trustdomain_pb2.BatchCreateFederationRelationshipRequest,
        context: ServicerContext,
    ) -> trustdomain_pb2.BatchCreateFederationRelationshipResponse:
        """Create relationships, each with a result of its own."""
        shown = fields_of(sent(request, "output_mask", request.output_mask), _ALL)
        response = trustdomain_pb2.BatchCreateFederationRelationshipResponse()
        for given in request.federation_relationships:
            result = response.results.add()
            try:
                stored = self._create(given)
            except Refusal as refusal:
                result.status.CopyFrom(validation.status(refusal.code, str(refusal)))
            else:
                result.status.CopyFrom(validation.ok())
                result.federation_relationship.CopyFrom(self._shown(stored, shown))
                self._endpoints.fetch(stored.trust_domain)
        return response

    async def BatchUpdateFederationRelationship(
        self,
        request: trustdomain_pb2.BatchUpdateFederationRelationshipRequest,
        context: ServicerContext,
    ) -> trustdomain_pb2.BatchUpdateFederationRelationshipResponse:
        """Change the masked fields of relationships, each with a result of its own."""
        written = fields_of(sent(request, "input_mask", request.input_mask), _ALL)
        shown = fields_of(sent(request, "output_mask", request.output_mask), _ALL)
        response = trustdomain_pb2.BatchUpdateFederationRelationshipResponse()
        for given in request.federation_relationships:
            result = response.results.add()
            try:
                stored = self._update(given, written)
            except Refusal as refusal:
                result.status.CopyFrom(validation.status(refusal.code, str(refusal)))
            else:
                result.status.CopyFrom(validation.ok())
                result.federation_relationship.CopyFrom(self._shown(stored, shown))
                self._endpoints.fetch(stored.trust_domain)
        return response

    async def BatchDeleteFederationRelationship(
        self,
        request: trustdomain_pb2.BatchDeleteFederationRelationshipRequest,
        context: ServicerContext,
    ) -> trustdomain_pb2.BatchDeleteFederationRelationshipResponse:
        """Delete relationships; the bundles that they brought stay."""
        response = trustdomain_pb2.BatchDeleteFederationRelationshipResponse()
        for given in request.trust_domains:
            result = response.results.add(trust_domain=given)
            try:
                name = self._find(_given(given)).trust_domain
            except Refusal as refusal:
                result.status.CopyFrom(validation.status(refusal.code, str(refusal)))
            else:
                del self._state.relationships[name]
                result.trust_domain = name
                result.status.CopyFrom(validation.ok())
        return response

    async def RefreshBundle(
        self, request: trustdomain_pb2.RefreshBundleRequest, context: ServicerContext
    ) -> Empty:
        """Fetch the bundle of a federated trust domain now."""
        try:
            found = self._find(request.trust_domain)
        except Refusal as refusal:
            if refusal.code is grpc.StatusCode.NOT_FOUND:
                name = validation.trust_domain(request.trust_domain)
                message = f'no relationship with trust domain "{name}"'
                refusal = Refusal(message, refusal.code)
            await abort(context, refusal)
        await self._endpoints.answers(found.bundle_endpoint_url)
        problem = self._endpoints.fetch(found.trust_domain)
        if problem:
            failed = Refusal(f"failed to refresh bundle: {problem}", grpc.StatusCode.INTERNAL)
            await abort(context, failed)
        return Empty()

    def _find(self, given: str) -> types_pb2.FederationRelationship:
        name = named(given, "failed to parse trust domain")
        found = self._state.relationships.get(name)
        if found is None:
            raise Refusal("federation relationship not found", grpc.StatusCode.NOT_FOUND)
        return found

    def _create(self, given: types_pb2.FederationRelationship) -> types_pb2.FederationRelationship:
        name = _checked(given)
        if name == self._state.trust_domain:
            raise Refusal("unable to create federation relationship for server trust domain")
        if name in self._state.relationships:
            raise Refusal(
                "failed to create federation relationship: datastore-sql: UNIQUE constraint "
                "failed: federated_trust_domains.trust_domain",
                grpc.StatusCode.INTERNAL,
            )
        stored = types_pb2.FederationRelationship()
        stored.CopyFrom(given)
        stored.trust_domain = name
        stored.bundle_endpoint_url = endpoint_url(given.bundle_endpoint_url)
        return self._store(stored)

    def _update(
        self, given: types_pb2.FederationRelationship, written: frozenset[str]
    ) -> types_pb2.FederationRelationship:
        # All of it must be right, not only what the mask names.
        before = self._state.relationships.get(_checked(given))
        if before is None:
            # Not a NOT_FOUND: servers give one code to whatever their store refuses.
            raise Refusal(
                "failed to update federation relationship: unable to fetch federation "
                "relationship: record not found",
                grpc.StatusCode.INTERNAL,
            )
        stored = types_pb2.FederationRelationship()
        stored.CopyFrom(before)
        if "bundle_endpoint_url" in written:
            stored.bundle_endpoint_url = endpoint_url(given.bundle_endpoint_url)
        if "bundle_endpoint_profile" in written:
            if given.HasField("https_spiffe"):
                stored.https_spiffe.CopyFrom(given.https_spiffe)
            else:
                stored.https_web.CopyFrom(given.https_web)
        if "trust_domain_bundle" in written and given.HasField("trust_domain_bundle"):
            stored.trust_domain_bundle.CopyFrom(given.trust_domain_bundle)
        return self._store(stored)

    def _store(
        self, relationship: types_pb2.FederationRelationship
    ) -> types_pb2.FederationRelationship:
        """Keep a relationship; its bundle goes to the bundles, where it is looked up."""
        if relationship.HasField("trust_domain_bundle"):
            bundle = types_pb2.Bundle()
            bundle.CopyFrom(relationship.trust_domain_bundle)
            bundle.trust_domain = relationship.trust_domain
            self._state.bundles[relationship.trust_domain] = bundle
            relationship.ClearField("trust_domain_bundle")
        self._state.relationships[relationship.trust_domain] = relationship
        return relationship

    def _shown(
        self, relationship: types_pb2.FederationRelationship, shown: frozenset[str]
    ) -> types_pb2.FederationRelationship:
        copy = types_pb2.FederationRelationship(trust_domain=relationship.trust_domain)
        if "bundle_endpoint_url" in shown:
            copy.bundle_endpoint_url = relationship.bundle_endpoint_url
        if "bundle_endpoint_profile" in shown:
            if relationship.HasField("https_spiffe"):
                copy.https_spiffe.CopyFrom(relationship.https_spiffe)
            else:
                copy.https_web.CopyFrom(relationship.https_web)
        bundle = self._state.bundles.get(relationship.trust_domain)
        if "trust_domain_bundle" in shown and bundle is not None:
            copy.trust_domain_bundle.CopyFrom(bundle)
        return copy


def _checked(given: types_pb2.FederationRelationship) -> str:
    """The trust domain of a relationship that is right."""
    try:
        validation.relationship(given, _ALL)
    except Refusal as refusal:
        message = f"failed to convert federation relationship: {refusal}"
        raise Refusal(message, refusal.code) from refusal
    return validation.trust_domain(given.trust_domain)


def _given(trust_domain: str) -> str:
    if not trust_domain:
        raise Refusal("missing trust domain")
    return trust_domain
