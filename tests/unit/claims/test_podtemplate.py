"""What a compiled ClusterSPIFFEID needs to have read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.labels import LabelSelector
from api.meta import ObjectMeta
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID, ClusterSPIFFEIDSpec
from registrar.claims.podtemplate import Surroundings, compile_template
from registrar.claims.unmet import NAMESPACE_SELECTOR, POD_SELECTOR, Unmet

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


SELECTING = compile_template(
    ClusterSPIFFEID(
        metadata=ObjectMeta(name="a"),
        spec=ClusterSPIFFEIDSpec(
            spiffe_id_template="/x",
            pod_selector=LabelSelector(match_labels={"app": "web"}),
            namespace_selector=LabelSelector(match_labels={"team": "shop"}),
        ),
    ),
    AROUND,
)
LABELS = st.dictionaries(
    st.sampled_from(["app", "team", "x"]), st.sampled_from(["web", "shop", ""]), max_size=3
)


@pytest.mark.parametrize(
    ("pod", "namespace", "why"),
    [
        ({"app": "web"}, {"team": "shop"}, None),
        (
            {"app": "db"},
            {"team": "shop"},
            Unmet(POD_SELECTOR, "the Pod's label app", "'web' (spec.podSelector)", "db"),
        ),
        (
            {"app": "web"},
            {},
            Unmet(
                NAMESPACE_SELECTOR,
                "the Namespace's label team",
                "'shop' (spec.namespaceSelector)",
            ),
        ),
    ],
)
def test_the_first_requirement_that_does_not_hold_is_told_with_both_values(
    pod: dict[str, str], namespace: dict[str, str], why: Unmet | None
) -> None:
    assert SELECTING.unmet(pod, namespace) == why


@given(LABELS, LABELS)
def test_what_selects_is_what_has_no_reason_against_it(
    pod: dict[str, str], namespace: dict[str, str]
) -> None:
    assert SELECTING.selects(pod, namespace) is (SELECTING.unmet(pod, namespace) is None)
