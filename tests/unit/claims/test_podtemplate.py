"""What a compiled ClusterSPIFFEID needs to have read."""

import pytest

from api.meta import ObjectMeta
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID, ClusterSPIFFEIDSpec
from registrar.claims.podtemplate import Surroundings, compile_template

AROUND = Surroundings("example.org", "test", "cluster.local")
OWNER, NODE = "/agent/{{ .Owner.Name }}", "/agent/{{ .NodeMeta.Name }}"


@pytest.mark.parametrize(
    ("of_all", "of_object", "needs"),
    [
        ("", "", False),
        (OWNER, "", True),
        ("", OWNER, True),
        (NODE, OWNER, True),
        (OWNER, NODE, False),
    ],
    ids=["none", "the configuration's", "its own", "its own instead", "not the configuration's"],
)
def test_owners_are_read_where_the_template_of_the_parent_speaks_of_them(
    of_all: str, of_object: str, *, needs: bool
) -> None:
    around = AROUND.with_parent(of_all, path="parentIDTemplate") if of_all else AROUND
    spec = ClusterSPIFFEIDSpec(spiffe_id_template="/x", parent_id_template=of_object)
    obj = ClusterSPIFFEID(metadata=ObjectMeta(name="a"), spec=spec)
    assert compile_template(obj, around).needs_owner is needs
