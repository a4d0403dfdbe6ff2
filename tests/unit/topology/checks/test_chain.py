"""X.509 SVIDs, verified by the authorities of a trust domain alone."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from devcluster.spire.authority import Authority
from topology.authority import make_authority
from topology.checks.chain import identity_of, verify_chain
from topology.checks.check import Untrue

OURS, THEIRS = Authority("example.org"), Authority("example.org")
SVID = OURS.issue("spiffe://example.org/a")
NOW = datetime.now(UTC)


def test_a_chain_that_ends_at_an_authority_is_good() -> None:
    (leaf,) = verify_chain([SVID.certificate_der], [OURS.certificate_der], now=NOW)
    assert identity_of(leaf) == "spiffe://example.org/a"


@pytest.mark.parametrize(
    ("chain", "days", "why"),
    [
        ([], 0, "no certificate"),
        ([SVID.certificate_der], 10_000, "not valid now"),
        ([SVID.certificate_der], -10_000, "not valid now"),
        ([SVID.certificate_der, SVID.certificate_der], 0, "is no CA"),
        ([OURS.certificate_der], 0, "is a CA"),
        ([SVID.certificate_der, THEIRS.certificate_der], 0, "not signed by the one after it"),
    ],
)
def test_anything_else_is_refused_with_the_reason(chain: list[bytes], days: int, why: str) -> None:
    with pytest.raises(Untrue, match=why):
        verify_chain(chain, [OURS.certificate_der], now=NOW + timedelta(days=days))


def test_another_authority_of_the_same_name_has_not_signed_it() -> None:
    with pytest.raises(Untrue, match="none of 1 authorities"):
        verify_chain([SVID.certificate_der], [THEIRS.certificate_der], now=NOW)


def test_an_authority_names_its_trust_domain() -> None:
    made = make_authority("example.org", now=NOW, life=timedelta(days=1))
    certificate = x509.load_pem_x509_certificate(made.certificate.encode())
    assert identity_of(certificate) == "spiffe://example.org"
