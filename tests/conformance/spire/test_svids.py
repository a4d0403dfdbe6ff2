"""What a SPIRE server does when it is asked to mint an X.509 SVID."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

import grpc
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from api.proto import bundle_pb2, bundle_pb2_grpc, svid_pb2, svid_pb2_grpc, types_pb2
from tests.conformance.spire.conftest import DEADLINE_SECONDS, Target

CLOCKS_SECONDS = 60
"""How far the clocks of two machines may be apart, and how long a call may take."""


def request_of(
    uris: Sequence[str],
    dns_names: Sequence[str] = (),
    key: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    names = [x509.UniformResourceIdentifier(uri) for uri in uris]
    all_names = [*names, *(x509.DNSName(name) for name in dns_names)]
    if all_names:
        builder = builder.add_extension(x509.SubjectAlternativeName(all_names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def webhook(target: Target) -> str:
    path = target.spiffe_id("/webhook").path
    return f"spiffe://{target.trust_domain}{path}"


async def mint(target: Target, csr: bytes, ttl: int = 60) -> types_pb2.X509SVID:
    request = svid_pb2.MintX509SVIDRequest(csr=csr, ttl=ttl)
    stub = svid_pb2_grpc.SVIDStub(target.channel)
    return (await stub.MintX509SVID(request, timeout=DEADLINE_SECONDS)).svid


async def own_authorities(target: Target) -> list[x509.Certificate]:
    bundle = await bundle_pb2_grpc.BundleStub(target.channel).GetBundle(
        bundle_pb2.GetBundleRequest(), timeout=DEADLINE_SECONDS
    )
    return [x509.load_der_x509_certificate(held.asn1) for held in bundle.x509_authorities]


def was_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, InvalidSignature):
        return False
    return True


def seconds_left(certificate: x509.Certificate) -> float:
    return (certificate.not_valid_after_utc - datetime.now(UTC)).total_seconds()


async def test_an_svid_carries_what_was_asked_for(target: Target) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    dns_names = ["webhook.spire.svc", "webhook.spire"]
    svid = await mint(target, request_of([webhook(target)], dns_names, key), ttl=600)
    assert svid.id == target.spiffe_id("/webhook")
    leaf = x509.load_der_x509_certificate(svid.cert_chain[0])
    assert leaf.public_key() == key.public_key()
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [webhook(target)]
    assert names.get_values_for_type(x509.DNSName) == dns_names
    assert svid.expires_at == int(leaf.not_valid_after_utc.timestamp())
    assert abs(svid.expires_at - (time.time() + 600)) < CLOCKS_SECONDS


async def test_its_chain_ends_at_an_authority_of_the_bundle(target: Target) -> None:
    svid = await mint(target, request_of([webhook(target)]))
    chain = [x509.load_der_x509_certificate(der) for der in svid.cert_chain]
    for certificate, issuer in pairwise(chain):
        certificate.verify_directly_issued_by(issuer)
    roots = await own_authorities(target)
    assert any(was_issued_by(chain[-1], root) for root in roots)


async def test_it_serves_and_is_no_authority(target: Target) -> None:
    svid = await mint(target, request_of([webhook(target)]))
    leaf = x509.load_der_x509_certificate(svid.cert_chain[0])
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert ExtendedKeyUsageOID.SERVER_AUTH in usage


async def test_without_a_lifetime_the_servers_own_counts(target: Target) -> None:
    svid = await mint(target, request_of([webhook(target)]), ttl=0)
    assert seconds_left(x509.load_der_x509_certificate(svid.cert_chain[0])) > CLOCKS_SECONDS


async def test_it_never_outlives_its_authority(target: Target) -> None:
    svid = await mint(target, request_of([webhook(target)]), ttl=2_000_000_000)
    leaf = x509.load_der_x509_certificate(svid.cert_chain[0])
    ends = [root.not_valid_after_utc for root in await own_authorities(target)]
    assert leaf.not_valid_after_utc <= max(ends)


async def test_minting_needs_and_leaves_no_entry(target: Target) -> None:
    await mint(target, request_of([webhook(target)]))
    assert await target.find() == []


@pytest.mark.parametrize(
    ("uris", "dns_names"),
    [
        ([], []),
        ([], ["webhook.spire.svc"]),
        (["spiffe://{td}/{corner}/a", "spiffe://{td}/{corner}/b"], []),
        (["https://{td}/{corner}/a"], []),
        (["spiffe://{corner}.test/a"], []),
        (["spiffe://{td}"], []),
        (["spiffe://{td}/{corner}//a"], []),
        (["spiffe://{td}/{corner}/a"], ["not_a..name"]),
    ],
    ids=[
        "no-names",
        "no-id",
        "two-ids",
        "other-scheme",
        "other-trust-domain",
        "no-path",
        "empty-segment",
        "bad-dns-name",
    ],
)
async def test_a_request_for_something_else_is_an_invalid_argument(
    target: Target, uris: list[str], dns_names: list[str]
) -> None:
    named = [uri.format(td=target.trust_domain, corner=target.corner) for uri in uris]
    assert await refusal(target, request_of(named, dns_names)) is grpc.StatusCode.INVALID_ARGUMENT


async def test_bytes_that_are_no_request_are_an_invalid_argument(target: Target) -> None:
    good = request_of([webhook(target)])
    tampered = good[:-1] + bytes([good[-1] ^ 1])
    for csr in (b"", b"nonsense", good[:-10], tampered):
        assert await refusal(target, csr) is grpc.StatusCode.INVALID_ARGUMENT


async def refusal(target: Target, csr: bytes) -> grpc.StatusCode:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await mint(target, csr)
    return caught.value.code()
