"""The samples of the controller manager's kinds mean something to the rules."""

from pathlib import Path

import pytest

from api.codec import JSONObject, convert
from api.documents import load_yaml_documents
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID
from api.spire.v1alpha1.clusterstaticentry import ClusterStaticEntry
from registrar.claims.clusterstaticentry import claim_of
from registrar.claims.federatedtrustdomain import wanted_by
from registrar.claims.podtemplate import Surroundings, compile_template

CONFIG = Path(__file__).resolve().parents[3] / "config"
SAMPLES = CONFIG / "samples" / "controller-manager"


def sample(name: str) -> JSONObject:
    (document,) = load_yaml_documents((SAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("name", ["every_pod", "by_team"])
def test_a_template_compiles(name: str) -> None:
    surroundings = Surroundings("example.org", "demo", "cluster.local")
    template = compile_template(convert(sample(name), ClusterSPIFFEID), surroundings)
    assert template.selects({"serves": "yes"}, {"team": "shop"})


def test_the_static_entry_is_a_claim() -> None:
    obj = convert(sample("build_machine"), ClusterStaticEntry)
    assert claim_of(obj, trust_domain="example.org").attributes.x509_svid_ttl == 7200


def test_a_federated_trust_domain_has_an_endpoint_or_a_bundle() -> None:
    partner = convert(sample("partner"), ClusterFederatedTrustDomain)
    assert wanted_by(partner, trust_domain="example.org").relationship is not None
    supplier = wanted_by(
        convert(sample("supplier"), ClusterFederatedTrustDomain), trust_domain="example.org"
    )
    assert supplier.relationship is None
    assert supplier.bundle is not None
    customer = wanted_by(
        convert(sample("customer"), ClusterFederatedTrustDomain), trust_domain="example.org"
    )
    assert customer.relationship is not None
    assert str(customer.source) == "customer/spire-bundle:bundle.json"


def test_the_node_drivers_entry_is_below_one_that_every_agent_has() -> None:
    file = CONFIG / "samples/csi-controller-manager/node_driver.yaml"
    agents, driver = (
        claim_of(convert(document, ClusterStaticEntry), trust_domain="example.org")
        for document in load_yaml_documents(file.read_text(encoding="utf-8"))
    )
    assert str(agents.key.parent_id) == "spiffe://example.org/spire/server"
    assert {str(each) for each in agents.key.selectors} == {"k8s_psat:cluster:demo-cluster"}
    assert driver.key.parent_id == agents.key.spiffe_id
