from datetime import UTC, datetime, timedelta

import pytest

from devcluster.spire.authority import Authority
from registrar.errors import InvalidField
from tests.support.workloads import key_usage, with_certificate
from topology.checks.check import Untrue
from workloads.peers import Expected, identify, parse_expected

OURS, THEIRS = Authority("example.org"), Authority("auxiliary.org")
AUTHORITIES = {
    "example.org": (OURS.certificate_der,),
    "auxiliary.org": (THEIRS.certificate_der,),
}
ANYBODY = Expected(frozenset(), anybody=True)


def identified(*chain: bytes, expected: Expected = ANYBODY) -> str:
    return identify(chain, AUTHORITIES, expected, now=datetime.now(UTC))


def test_a_peer_is_whom_its_certificate_names() -> None:
    for authority in (OURS, THEIRS):
        spiffe_id = f"spiffe://{authority.trust_domain}/workload"
        assert identified(authority.issue(spiffe_id).certificate_der) == spiffe_id


def test_an_authority_speaks_for_its_own_trust_domain_alone() -> None:
    forged = THEIRS.issue("spiffe://example.org/workload")
    with pytest.raises(Untrue, match="none of 1 authorities"):
        identified(forged.certificate_der)


def test_of_an_unknown_trust_domain_nobody_is_believed() -> None:
    other = Authority("other.org").issue("spiffe://other.org/workload")
    with pytest.raises(Untrue, match="no authorities here"):
        identified(other.certificate_der)


def test_one_that_is_over_is_refused() -> None:
    svid = OURS.issue("spiffe://example.org/workload", ttl_seconds=60)
    late = datetime.now(UTC) + timedelta(minutes=2)
    with pytest.raises(Untrue, match="not valid now"):
        identify([svid.certificate_der], AUTHORITIES, ANYBODY, now=late)


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        (with_certificate(OURS, [], usage=key_usage()), "0 URIs"),
        (with_certificate(OURS, ["spiffe://example.org/a"] * 2, usage=key_usage()), "2 URIs"),
        (with_certificate(OURS, ["https://example.org/a"], usage=key_usage()), "no SPIFFE ID"),
        (with_certificate(OURS, ["spiffe://example.org"], usage=key_usage()), "no SPIFFE ID"),
        (with_certificate(OURS, ["spiffe://example.org/a"]), "what its key is for"),
        (
            with_certificate(OURS, ["spiffe://example.org/a"], usage=key_usage(signs=False)),
            "not for signatures",
        ),
        (
            with_certificate(
                OURS, ["spiffe://example.org/a"], usage=key_usage(signs_certificates=True)
            ),
            "may sign others",
        ),
        (with_certificate(OURS, ["spiffe://example.org/a"], ca=True, usage=key_usage()), "is a CA"),
        (b"\x30\x03abc", "cannot be read"),
    ],
    ids=["no", "two", "web", "pathless", "usageless", "encrypts", "signs", "ca", "broken"],
)
def test_what_is_no_svid_of_a_workload_is_refused(certificate: bytes, why: str) -> None:
    with pytest.raises(Untrue, match=why):
        identified(certificate)


def test_who_shows_nothing_is_nobody() -> None:
    with pytest.raises(Untrue, match="no certificate"):
        identified()


def test_only_who_is_expected_is_taken() -> None:
    svid = OURS.issue("spiffe://example.org/b").certificate_der
    expected = parse_expected(["spiffe://example.org/a", "spiffe://auxiliary.org"], path="--client")
    with pytest.raises(
        Untrue, match=r"it is spiffe://example.org/b, not spiffe://auxiliary.org or"
    ):
        identified(svid, expected=expected)
    stranger = THEIRS.issue("spiffe://auxiliary.org/x").certificate_der
    assert identified(stranger, expected=expected) == "spiffe://auxiliary.org/x"
    everybody = parse_expected(["any"], path="--client")
    assert identified(svid, expected=everybody) == "spiffe://example.org/b"


@pytest.mark.parametrize("text", ["", "example.org", "spiffe://", "spiffe://a/", "spiffe://A/b"])
def test_a_wrong_id_is_named(text: str) -> None:
    with pytest.raises(InvalidField, match="--client"):
        parse_expected([text], path="--client")


def test_nobody_at_all_is_a_mistake() -> None:
    with pytest.raises(InvalidField, match="say who may be there"):
        parse_expected([], path="--client")
