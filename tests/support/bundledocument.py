"""Writes the document of a trust bundle, which the product only reads."""

import base64
import json

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from registrar.identity.bundle import Bundle

_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}


def dump_bundle(bundle: Bundle) -> str:
    """The document of a bundle; ``parse_bundle`` reads it back.

    Raises ValueError for a public key that such a document has no form for.
    """
    certificates = [
        {
            "use": "x509-svid",
            **_jwk(x509.load_der_x509_certificate(der).public_key()),
            "x5c": [base64.b64encode(der).decode()],
        }
        for der in bundle.x509_authorities
    ]
    jwt_keys = [
        {"use": "jwt-svid", **_jwk(load_der_public_key(der)), "kid": key_id}
        for key_id, der in bundle.jwt_authorities
    ]
    document = {
        "keys": [*certificates, *jwt_keys],
        "spiffe_sequence": bundle.sequence_number,
        "spiffe_refresh_hint": bundle.refresh_hint,
    }
    return json.dumps(document, indent=4)


def _jwk(key: object) -> dict[str, str]:
    """The public key as members of a JSON Web Key."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        for name, curve in _CURVES.items():
            if isinstance(key.curve, curve):
                size, point = (key.key_size + 7) // 8, key.public_numbers()
                return {
                    "kty": "EC",
                    "crv": name,
                    "x": _text(point.x, size),
                    "y": _text(point.y, size),
                }
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {
            "kty": "RSA",
            "n": _text(numbers.n, (numbers.n.bit_length() + 7) // 8),
            "e": _text(numbers.e, (numbers.e.bit_length() + 7) // 8),
        }
    raise ValueError(f"a bundle document has no form for a {type(key).__name__} like this")


def _text(number: int, size: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(size, "big")).rstrip(b"=").decode()
