"""The SVID API, as far as administrators call it: minting of X.509 SVIDs."""

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from api.proto import svid_pb2, svid_pb2_grpc, types_pb2
from devcluster.spire import dnsnames, validation
from devcluster.spire.authority import Authority
from devcluster.spire.refusal import Refusal
from devcluster.spire.service import ServicerContext, abort

DEFAULT_TTL_SECONDS = 3600


class SVIDService(svid_pb2_grpc.SVIDServicer):
    """Serves the SVID API; what agents and downstream servers ask for is not for anybody here."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    async def MintX509SVID(
        self, request: svid_pb2.MintX509SVIDRequest, context: ServicerContext
    ) -> svid_pb2.MintX509SVIDResponse:
        """Sign a certificate request; a TTL of 0 or less is the server's default."""
        authority = self._authority
        try:
            csr = _checked_request(request.csr)
            spiffe_id = _spiffe_id(csr, authority.trust_domain)
            dns_names = _dns_names(csr)
        except Refusal as refusal:
            await abort(context, refusal)
        certificate = authority.sign(
            csr.public_key(),
            validation.id_text(spiffe_id),
            dns_names=dns_names,
            ttl_seconds=request.ttl if request.ttl > 0 else DEFAULT_TTL_SECONDS,
        )
        return svid_pb2.MintX509SVIDResponse(
            svid=types_pb2.X509SVID(
                cert_chain=[certificate.public_bytes(Encoding.DER)],
                id=spiffe_id,
                expires_at=int(certificate.not_valid_after_utc.timestamp()),
            )
        )

    async def MintJWTSVID(
        self, request: svid_pb2.MintJWTSVIDRequest, context: ServicerContext
    ) -> svid_pb2.MintJWTSVIDResponse:
        """Nobody here has use for a token."""
        raise NotImplementedError

    async def BatchNewX509SVID(
        self, request: svid_pb2.BatchNewX509SVIDRequest, context: ServicerContext
    ) -> svid_pb2.BatchNewX509SVIDResponse:
        """For agents, and there are none here."""
        raise NotImplementedError

    async def NewJWTSVID(
        self, request: svid_pb2.NewJWTSVIDRequest, context: ServicerContext
    ) -> svid_pb2.NewJWTSVIDResponse:
        """For agents, and there are none here."""
        raise NotImplementedError

    async def NewDownstreamX509CA(
        self, request: svid_pb2.NewDownstreamX509CARequest, context: ServicerContext
    ) -> svid_pb2.NewDownstreamX509CAResponse:
        """For downstream servers, and there are none here."""
        raise NotImplementedError


def _checked_request(der: bytes) -> x509.CertificateSigningRequest:
    if not der:
        raise Refusal("missing CSR")
    try:
        csr = x509.load_der_x509_csr(der)
    except ValueError as error:
        raise Refusal(f"malformed CSR: {error}") from error
    try:
        is_signed = csr.is_signature_valid
    except UnsupportedAlgorithm:
        is_signed = False
    if not is_signed:
        raise Refusal("failed to verify CSR signature")
    return csr


def _names(csr: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName | None:
    try:
        found = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return None
    except ValueError as error:
        raise Refusal(f"malformed CSR: {error}") from error
    return found.value


def _spiffe_id(csr: x509.CertificateSigningRequest, domain: str) -> types_pb2.SPIFFEID:
    """The one SPIFFE ID that the request names, if a workload of the trust domain may have it."""
    names = _names(csr)
    uris = [] if names is None else names.get_values_for_type(x509.UniformResourceIdentifier)
    if not uris:
        raise Refusal("CSR URI SAN is required")
    if len(uris) > 1:
        raise Refusal("only one URI SAN is expected")
    uri = uris[0]
    if not uri.startswith(validation.SCHEME):
        raise Refusal("CSR URI SAN is not a valid SPIFFE ID: scheme is missing or invalid")
    name, slash, path = uri.removeprefix(validation.SCHEME).partition("/")
    spiffe_id = types_pb2.SPIFFEID(trust_domain=name, path=slash + path)
    try:
        validation.workload_id(spiffe_id, domain)
    except Refusal as refusal:
        raise Refusal(f"CSR URI SAN is invalid: {refusal}") from refusal
    return spiffe_id


def _dns_names(csr: x509.CertificateSigningRequest) -> list[str]:
    names = _names(csr)
    dns_names = [] if names is None else names.get_values_for_type(x509.DNSName)
    for name in dns_names:
        try:
            dnsnames.check(name)
        except Refusal as refusal:
            raise Refusal(f"CSR DNS name is not valid: {refusal}") from refusal
    return dns_names
