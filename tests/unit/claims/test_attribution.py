"""Which object an entry may be for."""

import pytest

from registrar.claims.attribution import pod_uid_of, scope_of, scopes_of
from registrar.claims.claim import Claimant
from tests.support.builders import make_key


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Claimant("ClusterStaticEntry", "", "a"), True),
        (Claimant("ClusterSpiffeId", "", "a"), True),
        (Claimant("SpiffeID", "shop", "a"), True),
        (Claimant("SpiffeID", "other", "a"), False),
        (Claimant("SpiffeID", "spire", "a"), True),
        (Claimant("Pod", "shop", "a"), False),
        (Claimant("Node", "", "a"), False),
    ],
    ids=str,
)
def test_a_spiffe_id_selects_its_own_namespace_and_others_anything(
    source: Claimant, expected: bool
) -> None:
    scopes = set(scopes_of(make_key("/web", "ns:shop")))
    assert (scope_of(source, own_namespace="spire") in scopes) is expected


def test_an_entry_may_name_its_pod() -> None:
    assert pod_uid_of(make_key("/web", "ns:shop", "pod-uid:u-1")) == "u-1"
    assert pod_uid_of(make_key("/web", "ns:shop")) is None
