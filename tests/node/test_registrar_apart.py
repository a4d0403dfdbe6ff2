"""Registrars apart from the SPIRE server, as docs/howto/install.md installs them on a real node.

The tests build on each other, in this order: each brings its objects, and none takes any away.
"""

import re

import pytest

from hack.control_plane import service_account
from hack.node.cluster import Cluster
from hack.processes import ServerError
from tests.support import howto, nodespire, rights
from tests.support.manifests import render
from tests.support.node import CONFIG, apply, wait_for
from tests.support.nodehealth import watched
from tests.support.nodespire import Asker

pytestmark = [
    pytest.mark.real("control plane", "spire", "node"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
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
    before = identifiers(node)
    delete_leader(node, "spire-registrar")
    apply(node, cluster_spiffe_id("late", "late"))
    late = Asker("late", labels=(("app", "late"),))
    late.create(node)
    late.wait_for_svid(node, "spiffe://example.org/late")
    assert before < identifiers(node)


def test_two_registrars_on_one_server_leave_each_other_alone(
    node: Cluster, shell: howto.Shell
) -> None:
    before = identifiers(node)
    with watched(node) as watch:
        shell.run(CLUSTER)
        node.apply(CONFIG / "samples/controller-manager")
        node.run_kubectl("label", "namespace", "shop", "team=checkout")
        labels = (("serves", "yes"), ("team", "checkout"))
        asker = Asker("asks-team", "shop", labels=labels, container="server")
        asker.create(node)
        asker.wait_for_svid(node, "spiffe://example.org/checkout/asks-team")
        made = identifiers(node) - before
        # Whoever begins to lead looks at all that is there.
        delete_leader(node, "spire-registrar")
        delete_leader(node, "spire-controller-manager")
        assert before | made <= identifiers(node)
        assert events(node, "Unclaimed") == []
        assert watch.troubles() == []


def test_every_right_of_spire_is_used_and_none_is_lacking(node: Cluster) -> None:
    """Of the samples; the kubelet, not the API server, sees the use of the agent's."""
    recording = rights.Recording(node.folder)
    documents = render("samples/spire-server").objects
    assert rights.accounts(documents) == {("spire", "spire-server")}
    given = rights.grants(documents, "spire", "spire-server")
    calls = recording.calls(service_account("spire", "spire-server").user)
    assert rights.unused(given, calls) == []
    for account in ("spire-server", "spire-agent"):
        calls = recording.calls(service_account("spire", account).user)
        assert rights.refused(calls) == [], account


def test_the_webhook_refuses_what_is_wrong(node: Cluster) -> None:
    wrong = {
        "apiVersion": "spire.spiffe.io/v1alpha1",
        "kind": "ClusterSPIFFEID",
        "metadata": {"name": "wrong"},
        "spec": {"spiffeIDTemplate": "spiffe://{{ .TrustDomain }/x"},
    }
    with pytest.raises(ServerError, match=r"denied the request: spec\.spiffeIDTemplate: "):
        apply(node, wrong)


@pytest.mark.parametrize("overlay", ["agent-socket-hostpath"])
def test_the_registrar_goes_on_by_the_agents_socket_from_elsewhere(
    overlay: str, node: Cluster
) -> None:
    before = identifiers(node)
    node.apply(CONFIG / "overlays" / overlay)
    roll_out(node, "spire-registrar")
    apply(node, cluster_spiffe_id(overlay, "elsewhere"))
    wait_for(
        "a new entry",
        lambda: any(
            each.identity == "spiffe://example.org/elsewhere" for each in nodespire.entries(node)
        ),
    )
    assert before < identifiers(node)


def test_all_comes_back_when_the_server_has_lost_its_data(
    node: Cluster, shell: howto.Shell
) -> None:
    by_hand = [line for line in (LAYERED + CLUSTER).splitlines() if " entry create " in line]
    made_by_hand = {entry.id for entry in nodespire.entries(node) if is_by_hand(entry)}
    assert len(made_by_hand) == len(by_hand)
    ours = identifiers(node) - made_by_hand
    # The data lies in the Pod. What the page says to do by hand is to be done again.
    node.run_kubectl("delete", "pod", "--namespace=spire", "spire-server-0")
    shell.run("kubectl rollout status -n spire statefulset/spire-server")
    shell.run("\n".join([*by_hand, nodespire.AGENTS_ANEW]))
    wait_for("all entries, under their IDs", lambda: ours <= identifiers(node))
    nodespire.wait_for_file(node, "svid-as-files", DEFAULT)
    Asker("late").wait_for_svid(node, "spiffe://example.org/late")
    for deployment in ("spire-registrar", "spire-controller-manager"):
        roll_out(node, deployment)


def test_all_can_be_taken_away(node: Cluster, shell: howto.Shell) -> None:
    """Last: only a namespace that can be deleted shows that nothing waits for what is gone."""
    node.run_kubectl("delete", "namespace", "shop")
    node.run_kubectl("delete", "pod", "late")
    # The page has one registrar, and here are two.
    away, everything = (
        "kubectl delete -n spire deployment/spire-controller-manager --cascade=foreground\n",
        "kubectl delete -k config/overlays/controller-manager/apart --ignore-not-found\n",
    )
    shell.run(away + TAKE_AWAY + everything)
    assert howto.left(node) == []


def is_by_hand(entry: nodespire.Entry) -> bool:
    """Tell whether SPIRE chose the ID of an entry, as of all that its command line makes."""
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", entry.id) is not None


def delete_leader(cluster: Cluster, name: str) -> None:
    """Delete the Pod that leads; return once another one has made its first pass."""
    leader = leader_of(cluster, name)
    cluster.run_kubectl("delete", "pod", "--namespace=spire", leader)

    def another_one_has_begun() -> bool:
        now = leader_of(cluster, name)
        if now in {"", leader}:
            return False
        return "first pass is over" in cluster.run_kubectl("logs", "--namespace=spire", now)

    wait_for(f"another Pod of {name} leads", another_one_has_begun)
    roll_out(cluster, name)


def roll_out(cluster: Cluster, deployment: str) -> None:
    """Return once all Pods of a Deployment are ready."""
    about = ("--namespace=spire", f"deployment/{deployment}", "--timeout=170s")
    cluster.run_kubectl("rollout", "status", *about, timeout_seconds=180)


def leader_of(cluster: Cluster, lease: str) -> str:
    """Return the name of the Pod that holds a Lease, "" if none does."""
    path = "--output=jsonpath={.spec.holderIdentity}"
    holder = cluster.run_kubectl("get", "lease", "--namespace=spire", lease, path)
    return holder.partition("_")[0]


def events(cluster: Cluster, reason: str) -> list[str]:
    """Return the Events with this reason, a line for each."""
    where = ("--all-namespaces", f"--field-selector=reason={reason}", "--no-headers")
    return cluster.run_kubectl("get", "events", *where).splitlines()


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
