"""JWT-SVIDs of an agent's answer: which can be used, and which one is an SVID's. Pure."""

import base64
import json
from collections.abc import Sequence

from registrar.spire.delegated import JWTSVID, X509SVID


def chosen_token(tokens: Sequence[JWTSVID], svid: X509SVID) -> JWTSVID | None:
    """The token of the same entry: by SPIFFE ID, and by hint where several have it."""
    same = [token for token in tokens if token.spiffe_id == svid.spiffe_id]
    return next((token for token in same if token.hint == svid.hint), same[0] if same else None)


def subject_of(token: bytes) -> str:
    """The SPIFFE ID that a token is for, unverified; empty for what is no token."""
    parts = token.split(b".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4)))
    except (ValueError, IndexError, RecursionError):
        return ""
    subject = claims.get("sub") if isinstance(claims, dict) else None
    return subject if isinstance(subject, str) else ""


def why_unusable(token: JWTSVID) -> str:
    """What is wrong with a token, whatever its times: our clock may be; empty for nothing."""
    if not token.token:
        return f"the JWT-SVID of {token.spiffe_id} is empty"
    subject = subject_of(token.token.encode())
    if not subject:
        return f"the JWT-SVID of {token.spiffe_id} cannot be read"
    if subject != token.spiffe_id:
        return f"the JWT-SVID that came for {token.spiffe_id} is for {subject}"
    return ""
