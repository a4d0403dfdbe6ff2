"""Trust bundles of which something cannot be read."""

import pytest

from devcluster.spire.authority import Authority
from registrar.spire.readable import read_bundle, why_no_jwks

GOOD = Authority("example.org").certificate_der
NO_CERTIFICATE = b"0\x03abc"


def test_one_certificate_that_cannot_be_read_costs_only_itself() -> None:
    found, why = read_bundle(GOOD + NO_CERTIFICATE + GOOD)
    assert found == (GOOD, GOOD)
    assert why.startswith("certificate 2 of 3 cannot be read: ")


def test_what_is_no_row_of_certificates_has_none() -> None:
    assert read_bundle(GOOD[:-1]) == ((), "a certificate that is cut off")
    assert read_bundle(b"") == ((), "")


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b'{"keys": []}', ""),
        (b"{", "not JSON: "),
        (b"[" * 100_000, "not JSON: "),
        (b"[]", "not a JWKS document: "),
        (b'{"keys": {}}', "not a JWKS document: "),
        (b"{}", "not a JWKS document: "),
    ],
    ids=["empty-set", "cut-off", "deep", "list", "keys-no-list", "no-keys"],
)
def test_a_document_is_a_set_of_keys_or_it_is_said_why_not(document: bytes, why: str) -> None:
    said = why_no_jwks(document)
    assert said.startswith(why)
    assert bool(said) == bool(why)
