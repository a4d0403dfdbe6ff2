"""The SPIFFE bundle map: the X.509 authorities of several trust domains in one document. Pure.

Each authority stands under the name of its trust domain, so none can speak for another one. Envoy
reads it as ``trust_bundles`` of its SPIFFE validator, and reads it again when the folder changes.
Keys are JSON Web Keys (RFC 7517, 7518 and 8037) as in a SPIFFE bundle. There is no sequence number:
the agent tells none.
"""

import base64
from collections.abc import Mapping, Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.codec import encode

_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


def bundle_map(bundles: Mapping[str, Sequence[bytes]]) -> bytes:
    """The document; always the same bytes for the same bundles."""
    domains = {
        domain: {"keys": [key for der in bundle if (key := _key(der)) is not None]}
        for domain, bundle in sorted(bundles.items())
    }
    return encode({"trust_domains": domains})


def _key(der: bytes) -> dict[str, object] | None:
    """An authority as a key; None for a kind of key that no JSON Web Key can be."""
    parameters = _parameters(der)
    if parameters is None:
        return None
    return {**parameters, "use": "x509-svid", "x5c": [base64.b64encode(der).decode()]}


def _parameters(der: bytes) -> dict[str, str] | None:
    try:
        key = x509.load_der_x509_certificate(der).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        numbers, size = key.public_numbers(), (key.key_size + 7) // 8
        return {
            "kty": "EC",
            "crv": _CURVES[key.curve.name],
            "x": _base64url(numbers.x.to_bytes(size, "big")),
            "y": _base64url(numbers.y.to_bytes(size, "big")),
        }
    if isinstance(key, rsa.RSAPublicKey):
        rsa_numbers = key.public_numbers()
        return {"kty": "RSA", "n": _number(rsa_numbers.n), "e": _number(rsa_numbers.e)}
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        name = "Ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else "Ed448"
        return {"kty": "OKP", "crv": name, "x": _base64url(raw)}
    return None


def _number(value: int) -> str:
    return _base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
