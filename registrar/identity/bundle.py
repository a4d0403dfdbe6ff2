"""Trust bundles, and the document that they are exchanged as.

The document is a JSON Web Key Set (RFC 7517) with the additions of the SPIFFE
Trust Domain and Bundle specification, sections 4 and 5: the use of a key is
``x509-svid`` or ``jwt-svid``; keys with another use, or none, are ignored.
"""

import base64
import binascii
from dataclasses import dataclass

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.codec import DecodeError, decode
from registrar.errors import InvalidField
from registrar.identity.certificates import read_certificate

_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}
_REMEDY = (
    "take it from the other trust domain's bundle endpoint, or from "
    "'spire-server bundle show -format spiffe' there"
)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What vouches for the SVIDs of a trust domain.

    ``x509_authorities`` are DER certificates, ``jwt_authorities`` pairs of key
    ID and public key (PKIX, DER). ``refresh_hint`` is seconds, 0 for none.
    """

    trust_domain: str
    x509_authorities: tuple[bytes, ...] = ()
    jwt_authorities: tuple[tuple[str, bytes], ...] = ()
    refresh_hint: int = 0
    sequence_number: int = 0

    def vouches_like(self, other: "Bundle") -> bool:
        """Whether both hold the same keys, in whatever order."""
        return set(self.x509_authorities) == set(other.x509_authorities) and set(
            self.jwt_authorities
        ) == set(other.jwt_authorities)


class _Key(msgspec.Struct, frozen=True):
    kty: str = ""
    use: str = ""
    kid: str = ""
    crv: str = ""
    x: str = ""
    y: str = ""
    n: str = ""
    e: str = ""
    x5c: tuple[str, ...] = ()


class _Document(msgspec.Struct, frozen=True):
    keys: tuple[_Key, ...] | None = None
    spiffe_sequence: int | None = None
    spiffe_refresh_hint: int | None = None


def parse_bundle(text: str, *, trust_domain: str, path: str) -> Bundle:
    """Read a bundle document. Raises InvalidField, naming ``path``."""
    try:
        document = decode(text, _Document)
    except DecodeError as error:
        raise InvalidField(
            path, _shown(text), f"not a bundle document ({error}): {_REMEDY}"
        ) from error
    if document.keys is None:
        raise InvalidField(path, _shown(text), f"it has no 'keys': {_REMEDY}")
    certificates: list[bytes] = []
    jwt_keys: list[tuple[str, bytes]] = []
    for number, key in enumerate(document.keys):
        where = f"{path}.keys[{number}]"
        if key.use == "x509-svid":
            certificates.append(_certificate(key, where))
        elif key.use == "jwt-svid":
            if not key.kid:
                raise InvalidField(f"{where}.kid", "", f"a jwt-svid key needs an ID: {_REMEDY}")
            jwt_keys.append((key.kid, _public_key(key, where)))
    # The bounds are those of the fields that SPIRE keeps them in.
    sequence = _within(document.spiffe_sequence or 0, 2**64, f"{path}.spiffe_sequence")
    # A negative hint means nothing, but SPIRE takes it.
    hint = max(document.spiffe_refresh_hint or 0, 0)
    hint = _within(hint, 2**63, f"{path}.spiffe_refresh_hint")
    return Bundle(
        trust_domain=trust_domain,
        x509_authorities=tuple(certificates),
        jwt_authorities=tuple(jwt_keys),
        refresh_hint=hint,
        sequence_number=sequence,
    )


def _within(number: int, limit: int, path: str) -> int:
    if not 0 <= number < limit:
        raise InvalidField(path, str(number), f"use a whole number from 0 to {limit - 1}")
    return number


def _certificate(key: _Key, path: str) -> bytes:
    if len(key.x5c) != 1:
        raise InvalidField(
            f"{path}.x5c", f"{len(key.x5c)} certificates", f"an x509-svid key has one: {_REMEDY}"
        )
    try:
        certificate = base64.b64decode(key.x5c[0], validate=True)
        read_certificate(certificate)
    except (binascii.Error, ValueError) as error:
        raise InvalidField(
            f"{path}.x5c[0]", _shown(key.x5c[0]), f"not a certificate in base64 DER: {_REMEDY}"
        ) from error
    return certificate


def _public_key(key: _Key, path: str) -> bytes:
    """The key in PKIX form."""
    if not (key.kty == "RSA" or (key.kty == "EC" and key.crv in _CURVES)):
        raise InvalidField(
            f"{path}.kty", f"{key.kty} {key.crv}".strip(), "use EC (P-256, P-384, P-521) or RSA"
        )
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    try:
        if key.kty == "EC":
            curve = _CURVES[key.crv]()
            public = ec.EllipticCurvePublicNumbers(
                _number(key.x), _number(key.y), curve
            ).public_key()
        else:
            public = rsa.RSAPublicNumbers(_number(key.e), _number(key.n)).public_key()
    except ValueError as error:
        raise InvalidField(path, key.kid, f"not a public key ({error}): {_REMEDY}") from error
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _number(text: str) -> int:
    padded = text + "=" * (-len(text) % 4)
    return int.from_bytes(base64.b64decode(padded, altchars=b"-_", validate=True), "big")


def _shown(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
