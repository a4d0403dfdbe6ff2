"""JWT SVIDs, verified as somebody would who has nothing but the keys of a trust domain. Pure."""

import base64
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from api.codec import DecodeError, decode, decode_object, encode
from registrar.errors import InvalidField
from registrar.identity.bundle import Bundle, parse_bundle
from topology.checks.check import Untrue

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}


class _Header(msgspec.Struct):
    alg: str = ""
    kid: str = ""


class _Claims(msgspec.Struct):
    sub: str = ""
    iss: str = ""
    exp: float = 0
    aud: list[str] | str = []


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was read and not verified."""

    text: str
    key_id: str
    algorithm: str
    subject: str
    issuer: str
    audience: tuple[str, ...]
    expires_at: float


def read_token(text: str) -> Token:
    """Take a token apart. Raises Untrue where it is none."""
    parts = text.split(".")
    if len(parts) != 3:
        raise Untrue("not a token of three parts")
    try:
        header = decode(_bytes(parts[0]), _Header)
        claims = decode(_bytes(parts[1]), _Claims)
    except ValueError as error:
        # Not Base64, not ASCII at all, or not what a token has in it.
        raise Untrue(f"not a token: {error}") from error
    audience = (claims.aud,) if isinstance(claims.aud, str) else tuple(claims.aud)
    return Token(text, header.kid, header.alg, claims.sub, claims.iss, audience, claims.exp)


def keys_of(document: bytes | str, trust_domain: str) -> Bundle:
    """The keys of a SPIFFE bundle document. Raises Untrue."""
    text = document if isinstance(document, str) else document.decode(errors="replace")
    try:
        return parse_bundle(text, trust_domain=trust_domain, path=trust_domain)
    except InvalidField as error:
        raise Untrue(str(error)) from error


def jwt_keys_of(key_set: bytes, trust_domain: str) -> dict[str, bytes]:
    """The keys of a JSON Web Key Set that holds JWT keys alone, by their IDs. Raises Untrue.

    Agents leave out what a key is for; the discovery provider says "sig".
    """
    try:
        keys = decode_object(key_set).get("keys")
    except DecodeError as error:
        raise Untrue(f"not a key set: {error}") from error
    found = [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
    document = encode({"keys": [{**key, "use": "jwt-svid"} for key in found]})
    return dict(keys_of(document, trust_domain).jwt_authorities)


def verify_token(
    text: str, keys: Collection[tuple[str, bytes]], *, audience: str, now: datetime
) -> Token:
    """Verify a token by the keys of its trust domain. Raises Untrue, with the reason."""
    token = read_token(text)
    key = dict(keys).get(token.key_id)
    if key is None:
        raise Untrue(f"no key {token.key_id} among {', '.join(sorted(dict(keys))) or 'none'}")
    if not _is_signed(token, key):
        raise Untrue("the signature is wrong")
    if audience not in token.audience:
        raise Untrue(f"it is for {', '.join(token.audience)}, not for {audience}")
    if token.expires_at <= now.timestamp():
        raise Untrue("it has expired")
    return token


def altered(text: str) -> str:
    """The same token with another subject, under the old signature."""
    header, claims, signature = text.split(".")
    document = msgspec.json.decode(_bytes(claims))
    document["sub"] += "-altered"
    changed = base64.urlsafe_b64encode(msgspec.json.encode(document)).rstrip(b"=").decode()
    return f"{header}.{changed}.{signature}"


def _is_signed(token: Token, key_der: bytes) -> bool:
    signed, _, encoded = token.text.rpartition(".")
    algorithm = _HASHES.get(token.algorithm[2:])
    key = load_der_public_key(key_der)
    try:
        signature = _bytes(encoded)
        if algorithm is None:
            return False
        if token.algorithm.startswith("ES") and isinstance(key, ec.EllipticCurvePublicKey):
            half = len(signature) // 2
            numbers = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
            key.verify(encode_dss_signature(*numbers), signed.encode(), ec.ECDSA(algorithm()))
            return True
        if token.algorithm.startswith("RS") and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed.encode(), padding.PKCS1v15(), algorithm())
            return True
    except (InvalidSignature, ValueError):
        return False
    return False


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
