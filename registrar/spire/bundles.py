"""The client of the Bundle API: the server's own bundle, and those it federates with."""

from collections.abc import Sequence

from api.proto import bundle_pb2, bundle_pb2_grpc, types_pb2
from registrar.ending import Ending
from registrar.identity.bundle import Bundle
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
from registrar.spire.errors import Internal, error_of
from registrar.spire.federation import bundle_from_proto, bundle_to_proto

PAGE_SIZE = 100


class BundleClient:
    """Calls the Bundle API. Every method raises SpireError; ``gate``: see Caller."""

    def __init__(
        self,
        channels: Channels,
        *,
        observer: CallObserver | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        gate: MayWrite = open_gate,
        ending: Ending | None = None,
    ) -> None:
        self._caller = Caller(
            channels,
            observer=observer or Unobserved(),
            timeout_seconds=timeout_seconds,
            gate=gate,
            ending=ending,
        )

    async def trust_domain(self) -> str:
        """The name of the trust domain that the server serves."""
        request = bundle_pb2.GetBundleRequest(output_mask=types_pb2.BundleMask())
        async with self._caller.call("bundle") as channel:
            bundle = readable(
                await bundle_pb2_grpc.BundleStub(channel).GetBundle(
                    request, timeout=self._caller.timeout_seconds
                )
            )
        return bundle.trust_domain

    async def own(self) -> Bundle:
        """The bundle of the server's own trust domain."""
        request = bundle_pb2.GetBundleRequest(
            output_mask=types_pb2.BundleMask(x509_authorities=True)
        )
        async with self._caller.call("bundle") as channel:
            bundle = readable(
                await bundle_pb2_grpc.BundleStub(channel).GetBundle(
                    request, timeout=self._caller.timeout_seconds
                )
            )
        return bundle_from_proto(bundle)

    async def federated_trust_domains(self) -> list[str]:
        """The trust domains whose bundle the server holds, without its own."""
        names: list[str] = []
        pages = Pages()
        while True:
            request = bundle_pb2.ListFederatedBundlesRequest(
                output_mask=types_pb2.BundleMask(), page_size=PAGE_SIZE, page_token=pages.token
            )
            async with self._caller.call("list-bundles") as channel:
                response = readable(
                    await bundle_pb2_grpc.BundleStub(channel).ListFederatedBundles(
                        request, timeout=self._caller.timeout_seconds
                    )
                )
            names += [bundle.trust_domain.removeprefix(SCHEME) for bundle in response.bundles]
            if not pages.turn(response.next_page_token):
                return names

    async def federated(self, trust_domain: str) -> Bundle:
        """The bundle of another trust domain. Raises NotFound."""
        request = bundle_pb2.GetFederatedBundleRequest(trust_domain=trust_domain)
        async with self._caller.call("bundle") as channel:
            bundle = readable(
                await bundle_pb2_grpc.BundleStub(channel).GetFederatedBundle(
                    request, timeout=self._caller.timeout_seconds
                )
            )
        return bundle_from_proto(bundle)

    async def set_federated(self, bundle: Bundle) -> None:
        """Store the bundle of another trust domain in the place of what is there."""
        request = bundle_pb2.BatchSetFederatedBundleRequest(bundle=[bundle_to_proto(bundle)])
        response = await self._caller.write(
            "set-bundle",
            lambda channel: bundle_pb2_grpc.BundleStub(channel).BatchSetFederatedBundle(
                request, timeout=self._caller.timeout_seconds
            ),
        )
        _check([result.status for result in response.results])

    async def delete_federated(self, trust_domain: str) -> None:
        """Forget the bundle of another trust domain; entries no longer federate with it.

        Raises NotFound.
        """
        request = bundle_pb2.BatchDeleteFederatedBundleRequest(
            trust_domains=[trust_domain],
            mode=bundle_pb2.BatchDeleteFederatedBundleRequest.Mode.DISSOCIATE,
        )
        response = await self._caller.write(
            "delete-bundle",
            lambda channel: bundle_pb2_grpc.BundleStub(channel).BatchDeleteFederatedBundle(
                request, timeout=self._caller.timeout_seconds
            ),
        )
        _check([result.status for result in response.results])


def _check(statuses: Sequence[types_pb2.Status]) -> None:
    """Raise what the one result of a batch of one says."""
    if len(statuses) != 1:
        raise Internal(f"SPIRE gave {len(statuses)} results for one bundle")
    if statuses[0].code:
        raise error_of(statuses[0].code, statuses[0].message)
