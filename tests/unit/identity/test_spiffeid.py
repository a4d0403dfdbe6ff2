"""SPIFFE IDs and trust domains."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.errors import InvalidField
from registrar.identity.spiffeid import (
    check_spiffe_id,
    check_trust_domain,
    check_workload_id,
    path_of,
    trust_domain_of,
)

segments = st.from_regex(r"[a-zA-Z0-9._-]{1,12}", fullmatch=True).filter(
    lambda text: text not in {".", ".."}
)
domains = st.from_regex(r"[a-z0-9._-]{1,20}", fullmatch=True)


@given(domains, st.lists(segments, min_size=1, max_size=5))
def test_a_valid_id_is_split_into_trust_domain_and_path(domain: str, parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    spiffe_id = check_spiffe_id(f"spiffe://{domain}{path}", path="spiffeId", trust_domain=domain)
    assert (trust_domain_of(spiffe_id), path_of(spiffe_id)) == (domain, path)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "spiffe://",
        "spiffe:///a",
        "spiffe://example.org/",
        "spiffe://example.org/a/",
        "spiffe://example.org/a//b",
        "spiffe://example.org/./a",
        "spiffe://example.org/a/..",
        "spiffe://example.org/a b",
        "spiffe://example.org/ä",
        "spiffe://example.org/a\n",
        "spiffe://Example.org/a",
        "spiffe://example.org:8080/a",
        "spiffe://user@example.org/a",
        "SPIFFE://example.org/a",
        "spiffe://example.org/a?b",
        "spiffe://example.org/a#b",
    ],
)
def test_a_malformed_id_is_refused_and_quoted(bad: str) -> None:
    with pytest.raises(InvalidField) as caught:
        check_spiffe_id(bad, path="spec.spiffeId")
    assert caught.value.path == "spec.spiffeId"
    assert repr(bad) in str(caught.value)


def test_a_trust_domain_may_be_given_with_its_scheme() -> None:
    assert check_trust_domain("spiffe://other.test", path="x") == "other.test"


@pytest.mark.parametrize("path", ["/spire", "/spire/server", "/spire/agent/join_token/a"])
def test_the_path_of_spire_itself_is_not_for_workloads(path: str) -> None:
    with pytest.raises(InvalidField, match="reserved"):
        check_workload_id(f"spiffe://example.org{path}", path="x", trust_domain="example.org")


def test_a_path_that_only_begins_like_it_is_allowed() -> None:
    spiffe_id = "spiffe://example.org/spire-k8s-operator/a/node"
    assert check_workload_id(spiffe_id, path="x", trust_domain="example.org") == spiffe_id
