"""The client of the Bundle API: which trust domain the server serves."""

from api.proto import bundle_pb2, bundle_pb2_grpc, types_pb2
from registrar.spire.calls import TIMEOUT_SECONDS, Caller, CallObserver, Channels, Unobserved


class BundleClient:
    """Calls the Bundle API. Every method raises SpireError."""

    def __init__(
        self,
        channels: Channels,
        *,
        observer: CallObserver | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._caller = Caller(
            channels, observer=observer or Unobserved(), timeout_seconds=timeout_seconds
        )

    async def trust_domain(self) -> str:
        """The name of the trust domain that the server serves."""
        request = bundle_pb2.GetBundleRequest(output_mask=types_pb2.BundleMask())
        async with self._caller.call("bundle") as channel:
            bundle = await bundle_pb2_grpc.BundleStub(channel).GetBundle(
                request, timeout=self._caller.timeout_seconds
            )
        return bundle.trust_domain
