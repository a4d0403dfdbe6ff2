"""The bundle map, read back as a SPIFFE bundle; any authority's key has its place in it."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from registrar.csi.bundlemap import bundle_map
from registrar.identity.bundle import parse_bundle

Key = (
    ec.EllipticCurvePrivateKey
    | rsa.RSAPrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | dsa.DSAPrivateKey
)


def authority(key: Key) -> bytes:
    name = x509.Name([])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(hours=1))
    )
    pure = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    return builder.sign(key, None if pure else hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("key", "kty", "crv"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "EC", "P-256"),
        (ec.generate_private_key(ec.SECP384R1()), "EC", "P-384"),
        (ec.generate_private_key(ec.SECP521R1()), "EC", "P-521"),
        (rsa.generate_private_key(65537, 2048), "RSA", None),
        (ed25519.Ed25519PrivateKey.generate(), "OKP", "Ed25519"),
        (ed448.Ed448PrivateKey.generate(), "OKP", "Ed448"),
    ],
)
def test_an_authority_stands_under_the_name_of_its_trust_domain(
    key: Key, kty: str, crv: str | None
) -> None:
    der = authority(key)
    domains = json.loads(bundle_map({"other.test": (), "example.org": (der,)}))["trust_domains"]
    assert domains["other.test"] == {"keys": []}
    (found,) = domains["example.org"]["keys"]
    assert (found["kty"], found.get("crv"), found["use"]) == (kty, crv, "x509-svid")
    assert found["x5c"] == [base64.b64encode(der).decode()]
    read = parse_bundle(json.dumps(domains["example.org"]), trust_domain="example.org", path="")
    assert read.x509_authorities == (der,)


def test_a_coordinate_has_the_length_of_its_curve() -> None:
    """RFC 7518, 6.2.1.2: the octets in front are there though they are zero."""
    numbers = (ec.derive_private_key(each, ec.SECP256R1()) for each in range(1, 1000))
    small = next(key for key in numbers if key.public_key().public_numbers().x < 2**248)
    (found,) = json.loads(bundle_map({"a": (authority(small),)}))["trust_domains"]["a"]["keys"]
    assert len(base64.urlsafe_b64decode(found["x"] + "=")) == 32


def test_an_authority_whose_key_has_no_such_form_costs_nothing_else() -> None:
    good, odd = (
        authority(ed25519.Ed25519PrivateKey.generate()),
        authority(dsa.generate_private_key(2048)),
    )
    (found,) = json.loads(bundle_map({"a": (odd, good)}))["trust_domains"]["a"]["keys"]
    assert found["kty"] == "OKP"


def test_the_same_bundles_are_the_same_bytes() -> None:
    one, other = (authority(ed25519.Ed25519PrivateKey.generate()) for _ in range(2))
    assert bundle_map({"b": (one,), "a": (other,)}) == bundle_map({"a": (other,), "b": (one,)})
