"""Which object an entry may be for."""

import pytest

from registrar.claims.attribution import may_be_of, pod_uid_of
from registrar.claims.claim import Source
from tests.support.builders import make_key


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Source("ClusterStaticEntry", "", "a"), True),
        (Source("ClusterSpiffeId", "", "a"), True),
        (Source("SpiffeID", "shop", "a"), True),
        (Source("SpiffeID", "other", "a"), False),
        (Source("SpiffeID", "spire", "a"), True),
        (Source("Pod", "shop", "a"), False),
        (Source("Node", "", "a"), False),
    ],
    ids=str,
)
def test_a_spiffe_id_selects_its_own_namespace_and_others_anything(
    source: Source, expected: bool
) -> None:
    assert may_be_of(source, make_key("/web", "ns:shop"), own_namespace="spire") is expected


def test_an_entry_may_name_its_pod() -> None:
    assert pod_uid_of(make_key("/web", "ns:shop", "pod-uid:u-1")) == "u-1"
    assert pod_uid_of(make_key("/web", "ns:shop")) is None
