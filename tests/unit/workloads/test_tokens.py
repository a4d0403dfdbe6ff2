import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devcluster.spire.jwtauthority import JWTAuthority
from topology.checks.check import Untrue
from topology.checks.token import altered, jwt_keys_of
from workloads.tokens import NoToken, brings_token, subject_of, token_in

OURS, THEIRS = JWTAuthority("ours"), JWTAuthority("theirs")
KEYS = {
    "example.org": jwt_keys_of(OURS.jwks(), "example.org"),
    "auxiliary.org": jwt_keys_of(THEIRS.jwks(), "auxiliary.org"),
}


def subject(text: str, *, later: timedelta = timedelta()) -> str:
    return subject_of(text, KEYS, audience="me", now=datetime.now(UTC) + later)


def signed(by: JWTAuthority, who: str, *audiences: str) -> str:
    return by.sign(who, audiences or ["me"], ttl_seconds=60).token


def test_a_token_is_of_whom_it_names() -> None:
    assert subject(signed(OURS, "spiffe://example.org/a")) == "spiffe://example.org/a"
    assert subject(signed(THEIRS, "spiffe://auxiliary.org/a", "x", "me")).endswith("/a")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (signed(THEIRS, "spiffe://example.org/a"), "no key theirs"),
        (signed(JWTAuthority("ours"), "spiffe://example.org/a"), "signature"),
        (altered(signed(OURS, "spiffe://example.org/a")), "signature"),
        (signed(OURS, "spiffe://example.org/a", "you"), "not for me"),
        (signed(OURS, "spiffe://other.org/a"), "no keys of other.org"),
        (signed(OURS, "somebody"), "no SPIFFE ID"),
        ("a.b", "three parts"),
        ("a.b.c", "not a token"),
        ("é.b.c", "not a token"),
        ("." * 10000, "not a token"),
        ("", "three parts"),
    ],
    ids=[
        "another-domain",
        "another-key",
        "altered",
        "audience",
        "unknown-domain",
        "no-id",
        "two-parts",
        "no-base64",
        "no-ascii",
        "long",
        "empty",
    ],
)
def test_what_is_not_good_is_refused(text: str, why: str) -> None:
    with pytest.raises(Untrue, match=why):
        subject(text)


def test_one_that_is_over_is_refused() -> None:
    with pytest.raises(Untrue, match="expired"):
        subject(signed(OURS, "spiffe://example.org/a"), later=timedelta(minutes=2))


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer T"},
        {"authorization": "bearer  T "},
        {"x-emissary-auth": "T"},
        {"x-emissary-auth": "Bearer T"},
    ],
)
def test_a_token_stands_in_one_of_two_headers(headers: Mapping[str, str]) -> None:
    assert token_in(headers) == "T"
    assert brings_token(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Basic QTpC"},
        {"authorization": "Bearer T", "x-emissary-auth": "T"},
    ],
)
def test_without_one_there_is_nobody(headers: Mapping[str, str]) -> None:
    with pytest.raises(NoToken):
        token_in(headers)


PARTS = st.one_of(
    st.text(max_size=40),
    st.dictionaries(
        st.sampled_from(["alg", "kid", "sub", "aud", "exp", "iss"]),
        st.one_of(
            st.none(),
            st.integers(),
            st.floats(allow_nan=False),
            st.text(max_size=20),
            st.lists(st.text(max_size=5), max_size=3),
            st.sampled_from(["ES256", "ES384", "RS256", "none", "ours", "spiffe://example.org/a"]),
        ),
    ).map(lambda found: urlsafe_b64encode(json.dumps(found).encode()).decode().rstrip("=")),
)


@given(st.lists(PARTS, min_size=1, max_size=4).map(".".join))
def test_nonsense_is_refused_and_never_an_error(text: str) -> None:
    with pytest.raises(Untrue):
        subject(text)
