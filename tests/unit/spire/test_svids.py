"""Certificates that the SPIRE server mints for us."""

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from devcluster.spire.server import SpireServer
from registrar.spire.connection import Connection
from registrar.spire.errors import InvalidArgument, PermissionDenied
from registrar.spire.svids import Minter

WEBHOOK = "spiffe://example.org/webhook"


@pytest.fixture
def minter(connection: Connection) -> Minter:
    return Minter(connection)


def request_of(spiffe_id: str = WEBHOOK) -> bytes:
    names = [x509.UniformResourceIdentifier(spiffe_id), x509.DNSName("webhook.spire.svc")]
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


async def test_the_chain_is_signed_by_an_authority_of_the_bundle(minter: Minter) -> None:
    (leaf,) = [x509.load_der_x509_certificate(der) for der in await minter.mint(request_of(), 60)]
    (root,) = [x509.load_der_x509_certificate(der) for der in await minter.bundle()]
    leaf.verify_directly_issued_by(root)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["webhook.spire.svc"]


async def test_a_request_for_another_trust_domain_is_invalid(minter: Minter) -> None:
    with pytest.raises(InvalidArgument, match=r"other\.test"):
        await minter.mint(request_of("spiffe://other.test/webhook"), 60)


async def test_who_may_not_mint_is_told(server: SpireServer, minter: Minter) -> None:
    server.faults.fail("MintX509SVID", code=grpc.StatusCode.PERMISSION_DENIED)
    with pytest.raises(PermissionDenied, match="admin"):
        await minter.mint(request_of(), 60)
