"""The Bundle API over the store."""

import grpc

from api.proto import bundle_pb2, bundle_pb2_grpc, types_pb2
from devcluster.spire import validation
from devcluster.spire.federation import named, page_of
from devcluster.spire.masks import BUNDLE_FIELDS, fields_of, masked
from devcluster.spire.refusal import Refusal
from devcluster.spire.service import ServicerContext, abort, sent
from devcluster.spire.state import EntryState

_ALL = BUNDLE_FIELDS
_FOR_OURSELVES = "a federated bundle for the server's own"
_DOING = {True: "updating", False: "creating", None: "setting"}
_Mode = bundle_pb2.BatchDeleteFederatedBundleRequest


class BundleService(bundle_pb2_grpc.BundleServicer):
    """Serves the Bundle API, but for the publishing of keys, which is for other servers.

    ``own`` is the server's bundle.
    """

    def __init__(self, state: EntryState, own: types_pb2.Bundle) -> None:
        self._state = state
        self._own = own

    async def CountBundles(
        self, request: bundle_pb2.CountBundlesRequest, context: ServicerContext
    ) -> bundle_pb2.CountBundlesResponse:
        """Count the bundles, the server's own among them."""
        return bundle_pb2.CountBundlesResponse(count=1 + len(self._state.bundles))

    async def GetBundle(
        self, request: bundle_pb2.GetBundleRequest, context: ServicerContext
    ) -> types_pb2.Bundle:
        """The server's own bundle."""
        shown = fields_of(sent(request, "output_mask", request.output_mask), _ALL)
        return masked(self._own, shown, _ALL)

    async def AppendBundle(
        self, request: bundle_pb2.AppendBundleRequest, context: ServicerContext
    ) -> types_pb2.Bundle:
        """Add authorities to the server's own bundle."""
        if not (request.x509_authorities or request.jwt_authorities):
            await abort(context, Refusal("no authorities to append"))
        self._own.x509_authorities.extend(request.x509_authorities)
        self._own.jwt_authorities.extend(request.jwt_authorities)
        shown = fields_of(sent(request, "output_mask", request.output_mask), _ALL)
        return masked(self._own, shown, _ALL)

    async def PublishJWTAuthority(
        self, request: bundle_pb2.PublishJWTAuthorityRequest, context: ServicerContext
    ) -> bundle_pb2.PublishJWTAuthorityResponse:
        """For downstream servers, and there are none here."""
        raise NotImplementedError

    async def PublishWITAuthority(
        self, request: bundle_pb2.PublishWITAuthorityRequest, context: ServicerContext
    ) -> bundle_pb2.PublishWITAuthorityResponse:
        """For downstream servers, and there are none here."""
        raise NotImplementedError

    async def ListFederatedBundles(
        self, request: bundle_pb2.ListFederatedBundlesRequest, context: ServicerContext
    ) -> bundle_pb2.ListFederatedBundlesResponse:
        """The bundles of other trust domains."""
        shown = fields_of(sent(request, "output_mask", request.output_mask), _ALL)
        bundles, token = page_of(self._state.bundles, request.page_size, request.page_token)
        return bundle_pb2.ListFederatedBundlesResponse(
            bundles=[masked(bundle, shown, _ALL) for bundle in bundles], next_page_token=token
        )

    async def GetFederatedBundle(
        self, request: bundle_pb2.GetFederatedBundleRequest, context: ServicerContext
    ) -> types_pb2.Bundle:
        """The bundle of one other trust domain."""
        try:
            name = self._other(
                request.trust_domain, "getting a federated bundle for the server's own"
            )
        except Refusal as refusal:
            await abort(context, refusal)
        bundle = self._state.bundles.get(name)
        if bundle is None:
            return await abort(context, Refusal("bundle not found", grpc.StatusCode.NOT_FOUND))
        shown = fields_of(sent(request, "output_mask", request.output_mask), _ALL)
        return masked(bundle, shown, _ALL)

    async def BatchCreateFederatedBundle(
        self, request: bundle_pb2.BatchCreateFederatedBundleRequest, context: ServicerContext
    ) -> bundle_pb2.BatchCreateFederatedBundleResponse:
        """Store bundles that are not there yet."""
        shown = fields_of(sent(request, "output_mask", request.output_mask), _ALL)
        response = bundle_pb2.BatchCreateFederatedBundleResponse()
        for bundle in request.bundle:
            status, stored = self._store(bundle, there=False)
            response.results.add(status=status, bundle=_shown(stored, shown))
        return response

    async def BatchUpdateFederatedBundle(
        self, request: bundle_pb2.BatchUpdateFederatedBundleRequest, context: ServicerContext
    ) -> bundle_pb2.BatchUpdateFederatedBundleResponse:
        """Change the masked fields of bundles that are there."""
        written = fields_of(sent(request, "input_mask", request.input_mask), _ALL)
        shown = fields_of(sent(request, "output_mask", request.output_mask), _ALL)
        response = bundle_pb2.BatchUpdateFederatedBundleResponse()
        for bundle in request.bundle:
            status, stored = self._store(bundle, there=True, written=written)
            response.results.add(status=status, bundle=_shown(stored, shown))
        return response

    async def BatchSetFederatedBundle(
        self, request: bundle_pb2.BatchSetFederatedBundleRequest, context: ServicerContext
    ) -> bundle_pb2.BatchSetFederatedBundleResponse:
        """Store bundles, in place of those that are there."""
        shown = fields_of(sent(request, "output_mask", request.output_mask), _ALL)
        response = bundle_pb2.BatchSetFederatedBundleResponse()
        for bundle in request.bundle:
            status, stored = self._store(bundle, there=None)
            response.results.add(status=status, bundle=_shown(stored, shown))
        return response

    async def BatchDeleteFederatedBundle(
        self, request: bundle_pb2.BatchDeleteFederatedBundleRequest, context: ServicerContext
    ) -> bundle_pb2.BatchDeleteFederatedBundleResponse:
        """Delete bundles; the mode says what becomes of entries that federate with them."""
        response = bundle_pb2.BatchDeleteFederatedBundleResponse()
        for given in request.trust_domains:
            result = response.results.add(trust_domain=given)
            try:
                name = self._other(given, "removing the bundle for the server")
                self._delete(name, request.mode)
                result.status.CopyFrom(validation.ok())
            except Refusal as refusal:
                result.status.CopyFrom(validation.status(refusal.code, str(refusal)))
        return response

    def _other(self, given: str, doing: str) -> str:
        name = named(given, "trust domain argument is not valid")
        if name == self._state.trust_domain:
            raise Refusal(f"{doing} trust domain is not allowed")
        return name

    def _store(
        self,
        given: types_pb2.Bundle,
        *,
        there: bool | None,
        written: frozenset[str] = _ALL,
    ) -> tuple[types_pb2.Status, types_pb2.Bundle | None]:
        """Store one bundle; ``there`` says whether one must be there, None if it is all one."""
        try:
            name = self._other(
                given.trust_domain, f"{_DOING[there]} a federated bundle for the server's own"
            )
            _check_authorities(given)
            before = self._state.bundles.get(name)
            _check_there(before, there)
        except Refusal as refusal:
            return validation.status(refusal.code, str(refusal)), None
        stored = masked(before or types_pb2.Bundle(), _ALL - written, _ALL)
        stored.MergeFrom(masked(given, written, _ALL))
        stored.trust_domain = name
        self._state.bundles[name] = stored
        return validation.ok(), stored

    def _delete(self, name: str, mode: int) -> None:
        if name not in self._state.bundles:
            raise Refusal("bundle not found", grpc.StatusCode.NOT_FOUND)
        users = [entry for entry in self._state.entries() if name in entry.federates_with]
        if users and mode == _Mode.RESTRICT:
            raise Refusal(
                "failed to delete federated bundle: datastore-sql: "
                f"cannot delete bundle; federated with {len(users)} registration entries",
                grpc.StatusCode.FAILED_PRECONDITION,
            )
        if mode == _Mode.DELETE:
            for entry in users:
                self._state.delete(entry.id)
        else:
            self._state.dissociate(name)
        del self._state.bundles[name]


def _check_authorities(bundle: types_pb2.Bundle) -> None:
    try:
        validation.authorities(bundle)
    except Refusal as refusal:
        raise Refusal(f"failed to convert bundle: {refusal}", refusal.code) from refusal


def _check_there(bundle: types_pb2.Bundle | None, there: bool | None) -> None:  # noqa: FBT001 - a demand, not a switch
    if there is True and bundle is None:
        raise Refusal("bundle not found", grpc.StatusCode.NOT_FOUND)
    if there is False and bundle is not None:
        raise Refusal("bundle already exists", grpc.StatusCode.ALREADY_EXISTS)


def _shown(bundle: types_pb2.Bundle | None, shown: frozenset[str]) -> types_pb2.Bundle | None:
    return None if bundle is None else masked(bundle, shown, _ALL)
