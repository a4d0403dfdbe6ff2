"""What a prefix changes of the manifests, and what it may be."""

import pytest

from registrar.errors import InvalidField
from topology.modules import Modules, dependents, with_needed
from topology.naming import parse_prefix, prefixed

RENDERED = """\
metadata:
  name: topology-downstream-servers
  namespace: spire-nested
  labels:
    app.kubernetes.io/name: topology-check
    app.kubernetes.io/part-of: spire-topology
    topology.spire.io/module: nested
spec:
  className: root
  spiffeIDTemplate: 'spiffe://{{ .TrustDomain }}/topology/server/x'
  issuer: https://oidc-discovery.spire-oidc.svc
  path: /run/spire-topology-admin
  config: |
    className: ${SERVER_NAME}
    socket: /run/spire/agent/api.sock
  endpoint: spiffe://example.org/spire/server
  image: spire-registrar:dev
"""
EXPECTED = """\
metadata:
  name: x-topology-downstream-servers
  namespace: x-spire-nested
  labels:
    app.kubernetes.io/name: topology-check
    app.kubernetes.io/part-of: x-spire-topology
    topology.spire.io/module: nested
spec:
  className: x-root
  spiffeIDTemplate: 'spiffe://{{ .TrustDomain }}/topology/server/x'
  issuer: https://oidc-discovery.x-spire-oidc.svc
  path: /run/x-spire-topology-admin
  config: |
    className: x-${SERVER_NAME}
    socket: /run/spire/agent/api.sock
  endpoint: spiffe://example.org/spire/server
  image: spire-registrar:dev
"""


def test_a_prefix_begins_what_two_topologies_would_share() -> None:
    assert prefixed(RENDERED, "x-") == EXPECTED
    assert prefixed(RENDERED, "") == RENDERED


@pytest.mark.parametrize("text", ["", "a-", "team-a-", "x1-"])
def test_a_good_prefix_is_taken(text: str) -> None:
    assert parse_prefix(text, path="--namespace-prefix") == text


@pytest.mark.parametrize("text", ["a", "A-", "-", "1-", "a_-", "a-" * 20, "a-\n", "é-", "a.b-"])
def test_any_other_prefix_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(InvalidField, match=r"--namespace-prefix.*as in team-a-"):
        parse_prefix(text, path="--namespace-prefix")


def test_the_modules_of_a_topology_stay_together() -> None:
    modules = Modules("x-")
    (federated,) = modules.named(["federated"], path="MODULE")
    assert federated.namespace == "x-spire-federated"
    assert [server.class_name for server in federated.servers] == ["x-nested-c", "x-auxiliary"]
    assert with_needed([federated])[0].namespace == "x-spire-nested"
    (nested,) = modules.named(["nested"], path="MODULE")
    assert federated in dependents([nested])
    assert nested.selector.startswith("app.kubernetes.io/part-of=x-spire-topology,")
