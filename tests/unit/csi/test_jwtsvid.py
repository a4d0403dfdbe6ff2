"""JWT-SVIDs of an agent's answer."""

import base64
import json

import pytest

from registrar.csi.jwtsvid import chosen_token, subject_of, why_unusable
from registrar.spire.delegated import JWTSVID, X509SVID

WEB, DB = "spiffe://example.org/web", "spiffe://example.org/db"


def a_token(claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"header.{body}.signature"


def jwt(spiffe_id: str, hint: str = "", token: str | None = None) -> JWTSVID:
    text = a_token({"sub": spiffe_id}) if token is None else token
    return JWTSVID(spiffe_id, text, hint, 0.0, 300.0)


def x509(spiffe_id: str, hint: str = "") -> X509SVID:
    return X509SVID(spiffe_id, (), b"", hint, 300.0)


def test_the_token_is_that_of_the_svids_entry() -> None:
    tokens = [jwt(DB), jwt(WEB, "external"), jwt(WEB, "internal")]
    assert chosen_token(tokens, x509(WEB, "internal")) == tokens[2]
    assert chosen_token(tokens, x509(WEB, "another")) == tokens[1]
    assert chosen_token(tokens, x509("spiffe://example.org/none")) is None


@pytest.mark.parametrize(
    "token",
    [b"", b"one", b"a.!.c", b"a.W10.c", b"a.eyJzdWIiOjF9.c", b"a." + b"W1tb" * 50_000 + b".c"],
    ids=["empty", "one-part", "no-base64", "a-list", "a-number", "deep"],
)
def test_what_is_no_token_has_no_subject(token: bytes) -> None:
    assert subject_of(token) == ""


def test_a_token_is_unusable_only_for_what_it_says() -> None:
    assert why_unusable(jwt(WEB)) == ""
    assert "is empty" in why_unusable(jwt(WEB, token=""))
    assert "cannot be read" in why_unusable(jwt(WEB, token="nonsense"))
    assert f"is for {DB}" in why_unusable(jwt(WEB, token=a_token({"sub": DB})))
