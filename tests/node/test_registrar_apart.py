"""Registrars apart from the SPIRE server, as docs/howto/install.md installs them on a real node.

The tests build on each other, in this order: each brings its objects, and none takes any away.
"""

import json
import re

import pytest

from hack.node.cluster import Cluster
from hack.processes import ServerError
from tests.support import howto, nodespire
from tests.support.node import CONFIG, objects, wait_for
from tests.support.nodehealth import watched
from tests.support.nodespire import Asker

pytestmark = [
    pytest.mark.real("control plane", "spire", "node"),
    pytest.mark.slow,
    pytest.mark.timeout(300),
]

LAYERED, CLUSTER = howto.blocks("The registrar apart from the server")
_, TAKE_AWAY = howto.blocks("Take it away")
DEFAULT = "spiffe://example.org/ns/default/sa/default"


@pytest.fixture(scope="module")
def shell(node: Cluster, tmp_path_factory: pytest.TempPathFactory) -> howto.Shell:
    return howto.Shell(node, tmp_path_factory.mktemp("shell"))


def test_config_default_gives_pods_their_svids(node: Cluster, shell: howto.Shell) -> None:
    with watched(node) as watch:
        shell.run(LAYERED)
        nodespire.wait_for_file(node, "svid-as-files", DEFAULT)
        node.apply(CONFIG / "samples")
        askers = {
            Asker("asks-web", "shop", labels=(("app", "web"),)): "web",
            Asker("asks-checkout", "shop", service_account="checkout"): "ns/shop/sa/checkout",
            Asker(
                "asks-database",
                "shop",
                labels=(("app", "database"), ("tier", "data")),
                container="server",
            ): "shop/database",
        }
        for asker in askers:
            asker.create(node)
        for asker, path in askers.items():
            asker.wait_for_svid(node, f"spiffe://example.org/{path}")
        assert watch.troubles() == []


def test_the_standby_takes_over_when_the_leader_is_deleted(node: Cluster) -> None:
    leader = leader_of(node, "spire-registrar")
    before = identifiers(node)
    node.run_kubectl("delete", "pod", "--namespace=spire", leader)
    wait_for("another one leads", lambda: leader_of(node, "spire-registrar") not in {"", leader})
    node.run_kubectl("apply", "-f", "-", stdin=json.dumps(cluster_spiffe_id("late", "late")))
    late = Asker("late", labels=(("app", "late"),))
    late.create(node)
    late.wait_for_svid(node, "spiffe://example.org/late")
    # The IDs are those from before: none was removed and made again under another ID.
    assert before < identifiers(node)
    node.run_kubectl(
        "rollout", "status", "--namespace=spire", "deployment/spire-registrar", "--timeout=60s"
    )


def test_the_controller_manager_beside_it_takes_no_entry_away(
    node: Cluster, shell: howto.Shell
) -> None:
    before = identifiers(node)
    with watched(node) as watch:
        # The Pods are there already, with volumes of the same kind.
        shell.run(CLUSTER)
        node.apply(CONFIG / "samples/controller-manager")
        team = Asker("team", labels=(("app", "team"),))
        team.create(node)
        team.wait_for_svid(node, DEFAULT)
        made = identifiers(node) - before
        assert made
        # Both look at all entries again, and have had time to do harm.
        for deployment in ("spire-registrar", "spire-controller-manager"):
            wait_for_a_pass(node, deployment)
        assert before | made <= identifiers(node)
        assert watch.troubles() == []


def test_the_webhook_refuses_what_is_wrong(node: Cluster) -> None:
    wrong = {
        "apiVersion": "spire.spiffe.io/v1alpha1",
        "kind": "ClusterSPIFFEID",
        "metadata": {"name": "wrong"},
        "spec": {"spiffeIDTemplate": "spiffe://{{ .TrustDomain }/x"},
    }
    with pytest.raises(ServerError, match=r"denied the request: spec\.spiffeIDTemplate: "):
        node.run_kubectl("apply", "-f", "-", stdin=json.dumps(wrong))


@pytest.mark.parametrize("overlay", ["agent-socket-hostpath"])
def test_the_registrar_goes_on_by_the_agents_socket_from_elsewhere(
    overlay: str, node: Cluster
) -> None:
    before = identifiers(node)
    node.apply(CONFIG / "overlays" / overlay)
    status = ("rollout", "status", "--namespace=spire", "deployment/spire-registrar")
    node.run_kubectl(*status, "--timeout=60s", timeout_seconds=90)
    node.run_kubectl("apply", "-f", "-", stdin=json.dumps(cluster_spiffe_id(overlay, "elsewhere")))
    wait_for(
        "a new entry",
        lambda: any(
            each.identity == "spiffe://example.org/elsewhere" for each in nodespire.entries(node)
        ),
    )
    assert before < identifiers(node)


def test_all_can_be_taken_away(node: Cluster, shell: howto.Shell) -> None:
    node.run_kubectl("delete", "pods", "--all", "--namespace=default")
    node.run_kubectl("delete", "namespace", "shop")
    for line in TAKE_AWAY.splitlines():
        shell.run(line)


def leader_of(cluster: Cluster, lease: str) -> str:
    """Return the name of the Pod that holds a Lease, "" if none does."""
    path = "--output=jsonpath={.spec.holderIdentity}"
    holder = cluster.run_kubectl("get", "lease", "--namespace=spire", lease, path)
    return holder.partition("_")[0]


def identifiers(cluster: Cluster) -> set[str]:
    """Return the IDs of all entries on the SPIRE server."""
    return {entry.id for entry in nodespire.entries(cluster)}


def cluster_spiffe_id(name: str, path: str) -> dict[str, object]:
    """A ClusterSpiffeId for Pods with a label of its own."""
    return {
        "apiVersion": "spiffeid.spiffe.io/v1beta1",
        "kind": "ClusterSpiffeId",
        "metadata": {"name": name},
        "spec": {
            "spiffeId": f"spiffe://example.org/{path}",
            "selector": {"podLabel": {"app": name}},
        },
    }
