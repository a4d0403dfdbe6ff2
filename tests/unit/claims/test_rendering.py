"""One Pod under one template."""

from dataclasses import replace

import pytest

from api.labels import LabelSelector, LabelSelectorRequirement
from api.meta import ObjectKey, ObjectMeta
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID, ClusterSPIFFEIDSpec
from registrar.claims.claim import Claim, Claimant
from registrar.claims.podtemplate import Surroundings, compile_template
from registrar.claims.rendering import Owner, PodView, render, service_names, view_of
from registrar.errors import InvalidField
from registrar.identity.selectors import Selector

AROUND = Surroundings("example.org", "prod", "cluster.local")


def template(**spec: object) -> ClusterSPIFFEID:
    spec.setdefault("spiffe_id_template", "/ns/{{ .PodMeta.Namespace }}")
    meta = ObjectMeta(name="t", uid="t-1", creation_timestamp="2026-01-01T00:00:00Z")
    return ClusterSPIFFEID(metadata=meta, spec=ClusterSPIFFEIDSpec(**spec))  # type: ignore[arg-type]


def claim(
    *,
    annotation: str = "",
    services: tuple[str, ...] = (),
    surroundings: Surroundings = AROUND,
    left_out: list[str] | None = None,
    **spec: object,
) -> Claim:
    annotations = {"spiffe.io/federatesWith": annotation} if annotation else {}
    data = view_of(
        surroundings=AROUND,
        pod_metadata={"name": "web", "namespace": "shop", "uid": "u-1", "labels": {"app": "x"}},
        pod_spec={"serviceAccountName": "sa", "nodeName": "n"},
        node_metadata={"name": "n", "uid": "n-1"},
        node_spec={},
        owner=Owner("Deployment", "web"),
    )
    view = PodView(ObjectKey("shop", "web"), "u-1", annotations, data, services)
    told = [] if left_out is None else left_out
    return render(compile_template(template(**spec), AROUND), view, surroundings, told.append)


def test_the_defaults_are_those_of_the_original() -> None:
    found = claim()
    assert found.key.spiffe_id == "spiffe://example.org/ns/shop"
    assert found.key.parent_id == "spiffe://example.org/spire/agent/k8s_psat/prod/n-1"
    assert found.key.selectors == (Selector("k8s", "pod-uid:u-1"),)
    assert (found.source, found.subject.name) == (Claimant("Pod", "shop", "web"), "t")
    assert (found.uid, found.source_uid) == ("t-1", "u-1")


def test_everything_that_a_template_may_say_is_in_the_claim() -> None:
    found = claim(
        spiffe_id_template="spiffe://{{ .TrustDomain }}/{{ .Owner.Kind }}/{{ .Owner.Name }}",
        parent_id_template="/agent/{{ .NodeMeta.Name }}",
        workload_selector_templates=("k8s:sa:{{ .PodSpec.ServiceAccountName }}",),
        dns_name_templates=("{{ .PodMeta.Name }}.test", "b.test", "web.test"),
        auto_populate_dns_names=True,
        services=("web",),
        ttl="1h30m",
        jwt_ttl="5m",
        federates_with=("b.test", "example.org"),
        annotation=" a.test , b.test",
        admin=True,
        downstream=True,
        hint="h",
    )
    assert found.key.spiffe_id == "spiffe://example.org/Deployment/web"
    assert found.key.parent_id == "spiffe://example.org/agent/n"
    assert Selector("k8s", "sa:sa") in found.key.selectors
    attributes = found.attributes
    assert attributes.dns_names == (
        "web.test", "b.test", "web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local",
    )  # fmt: skip
    assert (attributes.x509_svid_ttl, attributes.jwt_svid_ttl) == (5400, 300)
    assert attributes.federates_with == ("a.test", "b.test")
    assert (attributes.admin, attributes.downstream, attributes.hint) == (True, True, "h")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"spiffe_id_template": "/{{ .PodMeta.Nope }}"}, "can't evaluate field Nope"),
        ({"spiffe_id_template": "spiffe://other.test/x"}, "its trust domain is 'other.test'"),
        ({"spiffe_id_template": "no id"}, "a SPIFFE ID starts with"),
        ({"spiffe_id_template": "/spire/x"}, "reserved"),
        ({"spiffe_id_template": "/a//b"}, "an empty segment"),
        ({"parent_id_template": "{{ .NodeMeta.Name }}"}, "spec.parentIDTemplate"),
        ({"workload_selector_templates": ("x",)}, r"spec.workloadSelectorTemplates\[0\]"),
        ({"annotation": "No Domain"}, "metadata.annotations"),
    ],
)
def test_what_cannot_become_an_entry_is_named(spec: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidField, match=message):
        claim(**spec)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"spiffe_id_template": ""}, "spec.spiffeIDTemplate"),
        ({"spiffe_id_template": "{{"}, "not a Go template: template: spiffeIDTemplate:1:"),
        ({"dns_name_templates": ("a", "{{ foo }}")}, r'function "foo" not defined'),
        ({"ttl": "soon"}, "spec.ttl"),
        ({"jwt_ttl": "-1s"}, "spec.jwtTtl"),
        ({"federates_with": ("a b",)}, r"spec.federatesWith\[0\]"),
        ({"hint": "x" * 1025}, "spec.hint"),
        (
            {
                "pod_selector": LabelSelector(
                    match_expressions=(LabelSelectorRequirement(key="a", operator="Nope"),)
                )
            },
            r"spec.podSelector.matchExpressions\[0\]",
        ),
    ],
)
def test_what_is_wrong_with_the_object_is_found_without_a_pod(
    spec: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidField, match=message):
        compile_template(template(**spec), AROUND)


def test_without_a_cluster_domain_services_have_their_short_names() -> None:
    assert service_names(["b", "a"], "n", "") == ["a", "a.n", "a.n.svc", "b", "b.n", "b.n.svc"]


@pytest.mark.parametrize(
    ("dns_name", "services", "words"),
    [
        ("not a name", (), "spec.dnsNameTemplates[1]: 'not a name'"),
        ("my--svc.test", (), "spec.dnsNameTemplates[1]: 'my--svc.test'"),
        ("{{ .PodMeta.Nope }}", (), "can't evaluate field Nope"),
        ("{{ index .PodMeta.OwnerReferences 0 }}", (), "spec.dnsNameTemplates[1]"),
        ("x.test", ("my--svc",), "spec.autoPopulateDNSNames: 'my--svc'"),
    ],
)
def test_a_bad_dns_name_is_left_out_and_told(
    dns_name: str, services: tuple[str, ...], words: str
) -> None:
    told: list[str] = []
    found = claim(
        dns_name_templates=("first.test", dns_name, "last.test"),
        auto_populate_dns_names=True,
        services=(*services, "web"),
        left_out=told,
    )
    names = [name for name in found.attributes.dns_names if name != "x.test"]
    assert names[:2] == ["first.test", "last.test"]
    assert "web.shop.svc" in names
    assert not any("--" in name for name in names)
    assert words in told[0]


def test_a_dns_template_that_gives_nothing_is_an_optional_name() -> None:
    told: list[str] = []
    optional = '{{ index .PodMeta.Labels "example.org/host" }}'
    found = claim(dns_name_templates=(optional, " \n", "a.test\n"), left_out=told)
    assert (found.attributes.dns_names, told) == (("a.test",), [])


@pytest.mark.parametrize(
    "spec",
    [
        {"dns_name_templates": ("a b",)},
        {"dns_name_templates": ("",)},
        {"dns_name_templates": ("{{ .PodMeta.Nope }}",)},
        {"auto_populate_dns_names": True, "services": ("my--svc",)},
    ],
)
def test_the_original_s_answer_to_a_bad_dns_name_can_be_had(spec: dict[str, object]) -> None:
    strict = replace(AROUND, refuses_dns_names=True)
    with pytest.raises(InvalidField, match=r"spec\.(dnsNameTemplates\[0\]|autoPopulateDNSNames)"):
        claim(surroundings=strict, **spec)  # type: ignore[arg-type]


def test_what_takes_too_long_is_never_left_out() -> None:
    """Whether the time suffices may depend on the moment: the entry stays as it was."""
    with pytest.raises(InvalidField, match=r"dnsNameTemplates\[0\].*more than 10000 steps"):
        claim(dns_name_templates=("{{ range 99999 }}{{ end }}",))


def test_the_templates_of_an_object_share_one_budget() -> None:
    half = "{{ range 6000 }}{{ end }}"
    assert claim(dns_name_templates=(half,)).attributes.dns_names == ()
    with pytest.raises(InvalidField, match=r"dnsNameTemplates\[1\].*more than 10000 steps"):
        claim(dns_name_templates=(half, half))


def test_the_words_of_a_failure_have_a_limit() -> None:
    with pytest.raises(InvalidField) as raised:
        claim(spiffe_id_template="/{{ print .PodMeta.Nope `" + "x" * 60_000 + "` }}")
    assert len(str(raised.value)) < 2000
