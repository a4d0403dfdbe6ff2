"""Every registrar beside a SPIRE server, as docs/howto/install.md installs it on a real node."""

import pytest

from hack.node.cluster import Cluster
from hack.node.waiting import wait_for
from tests.support import howto, nodespire
from tests.support.nodehealth import watched

pytestmark = [
    pytest.mark.real("control plane", "spire", "node"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

BESIDE, CERTIFICATES = howto.blocks("The registrar beside the server")
MODES = howto.other_modes()
TAKE_AWAY, _ = howto.blocks("Take it away")
DEFAULT = "spiffe://example.org/ns/default/sa/default"


@pytest.fixture(scope="module")
def shell(node: Cluster, tmp_path_factory: pytest.TempPathFactory) -> howto.Shell:
    return howto.Shell(node, tmp_path_factory.mktemp("shell"))


def of_mode(block: str, mode: str) -> str:
    """Return the commands with the two changes that the table names for this mode."""
    server, pods = MODES[mode]
    changed = block.replace("samples/sidecar", server)
    return changed.replace("samples/csi-clusterspiffeid", pods)


def test_all_comes_back_when_the_server_has_lost_its_data(
    node: Cluster, shell: howto.Shell
) -> None:
    with watched(node) as watch:
        shell.run(BESIDE)
        nodespire.wait_for_file(node, "svid-as-files", DEFAULT)
        assert watch.troubles() == []
    before = {entry.id for entry in nodespire.entries(node)}
    # The data lies in the Pod.
    node.run_kubectl("delete", "pod", "--namespace=spire", "spire-server-0")
    shell.run("kubectl rollout status -n spire statefulset/spire-server\n" + nodespire.AGENTS_ANEW)
    nodespire.wait_for_file(node, "svid-as-files", DEFAULT)
    wait_for(
        "all entries, under their IDs",
        lambda: before <= {entry.id for entry in nodespire.entries(node)},
    )
    shell.run(TAKE_AWAY)
    assert howto.left(node) == []


@pytest.mark.parametrize("mode", MODES)
def test_a_pod_has_its_svid_and_nothing_is_left_in_the_end(
    mode: str, node: Cluster, shell: howto.Shell
) -> None:
    needs_certificates = "webhook" in mode
    with watched(node) as watch:
        if needs_certificates:
            shell.run(CERTIFICATES)
        shown = shell.run(of_mode(BESIDE, mode))
        assert "svid_key.pem" in shown
        nodespire.wait_for_file(node, "svid-as-files", DEFAULT)
        assert watch.troubles() == []
    if needs_certificates:
        shell.run("kubectl delete -f webhook-mode/objects.yaml")
    shell.run(of_mode(TAKE_AWAY, mode))
    assert howto.left(node) == []
