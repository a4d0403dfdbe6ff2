"""What of a trust bundle can be read: one certificate that cannot must cost only itself."""

import json

from registrar.identity.certificates import UnreadableError, read_certificate
from registrar.spire.der import BrokenDER, split_der


def read_bundle(data: bytes) -> tuple[tuple[bytes, ...], str]:
    """The certificates, DER, that can be read, and what is wrong with the others."""
    try:
        values = split_der(data)
    except BrokenDER as error:
        return (), str(error)
    found, why = [], ""
    for number, value in enumerate(values, 1):
        try:
            read_certificate(value)
        except UnreadableError as error:
            why = why or f"certificate {number} of {len(values)} cannot be read: {error}"
        else:
            found.append(value)
    return tuple(found), why


def why_no_jwks(document: bytes) -> str:
    """Why a document is no set of keys (RFC 7517, section 5); empty for one that is."""
    try:
        found = json.loads(document)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        return "not a JWKS document: it has no list of keys"
    return ""
