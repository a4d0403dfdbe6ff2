"""How large a ClusterSPIFFEID may be."""

import pytest

from api.labels import LabelSelector, LabelSelectorRequirement
from api.meta import ObjectMeta
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID, ClusterSPIFFEIDSpec
from registrar.claims.admission import problem_of_template
from registrar.claims.podtemplate import Surroundings
from tests.support.cputime import soon

AROUND = Surroundings("example.org", "prod", "cluster.local")
_PATH = "/ns/{{ .PodMeta.Namespace }}"


def problem(**spec: object) -> str:
    """What is wrong with an object, found within a limit of time."""
    spec.setdefault("spiffe_id_template", _PATH)
    made = ClusterSPIFFEIDSpec(**spec)  # type: ignore[arg-type]
    with soon():
        return problem_of_template(
            ClusterSPIFFEID(metadata=ObjectMeta(name="t"), spec=made), AROUND
        )


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        pytest.param(
            {"dns_name_templates": ("{{ . }}" * 9000,) * 120},
            "spec.dnsNameTemplates",
            "120 of them",
            id="many long templates",
        ),
        pytest.param(
            {"dns_name_templates": ("x" * 40_000,) * 2},
            "spec.dnsNameTemplates[1]",
            "more than 65536 characters together",
            id="text together",
        ),
        pytest.param(
            {"workload_selector_templates": ("{{ . }}" * 150,) * 3},
            "spec.workloadSelectorTemplates[2]",
            "all templates of an object together may have 1000 words and signs",
            id="words together",
        ),
        pytest.param(
            {"spiffe_id_template": "{{ 1" + "|print" * 10_000 + " }}"},
            "spec.spiffeIDTemplate",
            "more than 1000 words and signs",
            id="a long pipeline",
        ),
        pytest.param(
            {"parent_id_template": "x" * 65_600},
            "spec.parentIDTemplate",
            "more than 65536 characters",
            id="a long parent",
        ),
        pytest.param(
            {"workload_selector_templates": ("k8s:a:b",) * 101},
            "spec.workloadSelectorTemplates",
            "101 of them",
            id="many selectors",
        ),
        pytest.param({"ttl": "1h" * 1_000_000}, "spec.ttl", "more than 100 characters", id="ttl"),
        pytest.param(
            {"jwt_ttl": "9" * 1_000_000}, "spec.jwtTtl", "more than 100 characters", id="jwt ttl"
        ),
        pytest.param(
            {"federates_with": ("a.test",) * 1001}, "spec.federatesWith", "1001", id="domains"
        ),
        pytest.param(
            {"federates_with": ("a" * 3_000_000,)},
            "spec.federatesWith[0]",
            "at most 2048",
            id="a long domain",
        ),
        pytest.param(
            {"pod_selector": LabelSelector(match_labels={f"k{n}": "v" for n in range(101)})},
            "spec.podSelector.matchLabels",
            "101",
            id="labels",
        ),
        pytest.param(
            {
                "namespace_selector": LabelSelector(
                    match_expressions=(
                        LabelSelectorRequirement(key="k", operator="In", values=("v",) * 1001),
                    )
                )
            },
            "spec.namespaceSelector.matchExpressions.values",
            "1001",
            id="values",
        ),
        pytest.param(
            {"pod_selector": LabelSelector(match_labels={"k" * 3_000_000: "v"})},
            "spec.podSelector",
            "65536 characters at most",
            id="a long label",
        ),
    ],
)
def test_an_object_that_is_too_large_is_refused_soon_and_by_field(
    spec: dict[str, object], field: str, words: str
) -> None:
    found = problem(**spec)
    assert found.startswith(f"{field}: ")
    assert words in found
    assert len(found) < 3000


def test_an_ordinary_object_is_within_the_bounds() -> None:
    names = tuple(f"{{{{ .PodMeta.Name }}}}.n{number}.test" for number in range(50))
    assert not problem(dns_name_templates=names, workload_selector_templates=("k8s:ns:x",) * 50)
