"""JWT SVIDs, verified by keys alone."""

from datetime import UTC, datetime, timedelta

import pytest

from devcluster.spire.jwtauthority import JWTAuthority
from topology.checks.check import Untrue
from topology.checks.token import altered, jwt_keys_of, read_token, verify_token

KEY = JWTAuthority("k1")
KEYS = list(jwt_keys_of(KEY.jwks(), "example.org").items())
SIGNED = KEY.sign("spiffe://example.org/a", ["one", "two"], ttl_seconds=60)
TOKEN = SIGNED.token
NOW = datetime.fromtimestamp(SIGNED.issued_at, UTC)


def test_a_good_token_says_whose_it_is() -> None:
    token = verify_token(TOKEN, KEYS, audience="two", now=NOW)
    assert (token.subject, token.key_id) == ("spiffe://example.org/a", "k1")
    assert token.audience == ("one", "two")


def test_keys_are_read_whatever_they_are_said_to_be_for() -> None:
    plain = KEY.jwks().replace(b'"use": "jwt-svid", ', b"")
    signing = KEY.jwks().replace(b"jwt-svid", b"sig")
    assert jwt_keys_of(plain, "a") == jwt_keys_of(signing, "a") == dict(KEYS)


@pytest.mark.parametrize(
    ("token", "audience", "after", "why"),
    [
        (TOKEN, "three", 0, "not for three"),
        (TOKEN, "one", 61, "expired"),
        (altered(TOKEN), "one", 0, "signature"),
        (TOKEN[:-4] + "AAAA", "one", 0, "signature"),
        (TOKEN.rpartition(".")[0] + ".", "one", 0, "signature"),
        (JWTAuthority("k2").sign("spiffe://a/b", ["one"], ttl_seconds=9).token, "one", 0, "no key"),
        (JWTAuthority("k1").sign("spiffe://a/b", ["one"], ttl_seconds=9).token, "one", 0, "signat"),
        ("a.b", "one", 0, "three parts"),
        ("a.b.c", "one", 0, "not a token"),
        ("", "one", 0, "three parts"),
    ],
)
def test_anything_else_is_refused_with_the_reason(
    token: str, audience: str, after: int, why: str
) -> None:
    now = NOW + timedelta(seconds=after)
    with pytest.raises(Untrue, match=why):
        verify_token(token, KEYS, audience=audience, now=now)


def test_no_signature_at_all_is_none() -> None:
    header = "eyJhbGciOiJub25lIiwia2lkIjoiazEifQ"  # {"alg":"none","kid":"k1"}
    with pytest.raises(Untrue, match="signature"):
        verify_token(f"{header}.{TOKEN.split('.')[1]}.", KEYS, audience="one", now=NOW)


def test_an_altered_token_differs_in_its_subject_alone() -> None:
    before, after = read_token(TOKEN), read_token(altered(TOKEN))
    assert after.subject == f"{before.subject}-altered"
    assert (after.key_id, after.audience) == (before.key_id, before.audience)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"keys":[{"kid":"a"}]}'])
def test_what_is_no_key_set_is_refused(text: bytes) -> None:
    with pytest.raises(Untrue):
        jwt_keys_of(text, "example.org")
