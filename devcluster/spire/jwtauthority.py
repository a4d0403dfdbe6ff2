"""The JWT authority of a trust domain: signs tokens with ES256, and shows its key as a JWKS."""

import base64
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

_BYTES = 32
"""Of each coordinate and each half of a signature on P-256."""


@dataclass(frozen=True, slots=True)
class JWTSVID:
    """A token and what is said of it; times are Unix seconds."""

    token: str
    issued_at: int
    expires_at: int


class JWTAuthority:
    """Signs with a key of its own, ``key_id``."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        self._key = ec.generate_private_key(ec.SECP256R1())

    def sign(self, spiffe_id: str, audiences: Sequence[str], *, ttl_seconds: int) -> JWTSVID:
        """A token for those audiences."""
        now = int(time.time())
        header = {"alg": "ES256", "kid": self.key_id, "typ": "JWT"}
        claims = {
            "aud": list(audiences),
            "exp": now + ttl_seconds,
            "iat": now,
            "sub": spiffe_id,
        }
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(_BYTES, "big") + s.to_bytes(_BYTES, "big")
        return JWTSVID(f"{signed}.{_encoded(signature)}", now, now + ttl_seconds)

    def jwks(self) -> bytes:
        """The public key as a SPIFFE bundle document has it."""
        numbers = self._key.public_key().public_numbers()
        key = {
            "kty": "EC",
            "crv": "P-256",
            "kid": self.key_id,
            "use": "jwt-svid",
            "x": _encoded(numbers.x.to_bytes(_BYTES, "big")),
            "y": _encoded(numbers.y.to_bytes(_BYTES, "big")),
        }
        return json.dumps({"keys": [key]}).encode()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
