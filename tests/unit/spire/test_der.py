"""Certificates that stand one after the other."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devcluster.spire.authority import Authority
from registrar.spire.der import BrokenDER, split_der

OURS = Authority("example.org")
SVID = OURS.issue("spiffe://example.org/registrar")


@given(st.lists(st.sampled_from([SVID.certificate_der, OURS.certificate_der, b"0\x03abc", b"0\0"])))
def test_certificates_that_stand_together_are_taken_apart(parts: list[bytes]) -> None:
    assert split_der(b"".join(parts)) == tuple(parts)


@given(st.binary(min_size=1, max_size=12) | st.integers(1, 400))
def test_anything_else_is_refused_or_adds_up(data: bytes | int) -> None:
    octets = data if isinstance(data, bytes) else SVID.certificate_der[:data]
    with contextlib.suppress(BrokenDER):
        assert b"".join(split_der(octets)) == octets


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"0\x03ab", "cut off"),
        (b"1\x00", "no certificate"),
        (b"0", "no certificate"),
        (b"0\x80", "no sensible length"),
        (b"0\x85\x00\x00\x00\x00\x01a", "no sensible length"),
        (b"0\x82\x01", "no sensible length"),
    ],
    ids=["short", "another-tag", "one-octet", "indefinite", "five-octets", "half-a-length"],
)
def test_what_is_wrong_is_said(data: bytes, why: str) -> None:
    with pytest.raises(BrokenDER, match=why):
        split_der(SVID.certificate_der + data)
