"""The client of the SVID API: certificates of our own, such as the webhook serves with."""

from api.proto import svid_pb2, svid_pb2_grpc
from registrar.spire.bundles import BundleClient
from registrar.spire.calls import (
    TIMEOUT_SECONDS,
    Caller,
    CallObserver,
    Channels,
    Unobserved,
    readable,
)
from registrar.spire.errors import Internal


class Minter:
    """Has the SPIRE server sign for us. Every method raises SpireError.

    Minting is for those who may administrate the server, as we may; it needs
    no registration entry.
    """

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
        self._bundles = BundleClient(channels, observer=observer, timeout_seconds=timeout_seconds)

    async def mint(self, csr_der: bytes, ttl_seconds: int) -> list[bytes]:
        """An X.509 SVID for a PKCS#10 request: its chain as DER, the leaf first.

        The request names one SPIFFE ID of the server's trust domain, and DNS
        names as it likes. 0 seconds are the server's default; an SVID never
        outlives the authority that signs it, so ask the leaf when it ends.
        Raises InvalidArgument for a request that the server does not accept.
        """
        request = svid_pb2.MintX509SVIDRequest(csr=csr_der, ttl=ttl_seconds)
        async with self._caller.call("mint") as channel:
            response = readable(
                await svid_pb2_grpc.SVIDStub(channel).MintX509SVID(
                    request, timeout=self._caller.timeout_seconds
                )
            )
        chain = list(response.svid.cert_chain)
        if not chain:
            raise Internal("SPIRE gave an SVID without a certificate")
        return chain

    async def bundle(self) -> list[bytes]:
        """The X.509 authorities of the server's own trust domain, DER."""
        return list((await self._bundles.own()).x509_authorities)
