"""The manifests of config/: a real API server takes them, and they give no right too many."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.control_plane import ControlPlane
from registrar.settings.load import load
from tests.support.control_plane import REGISTRAR

pytestmark = [pytest.mark.real, pytest.mark.slow]

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of our own: what is applied here is cluster-wide and stays."""
    with ControlPlane((REGISTRAR,), tmp_path_factory.mktemp("manifests")) as plane:
        plane.run_kubectl("apply", "-k", str(CONFIG / "default"))
        plane.run_kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        yield plane


def versions(plane: ControlPlane) -> dict[str, str]:
    everything = ("-k", str(CONFIG / "default"), "--output=json")
    objects = json.loads(plane.run_kubectl("get", *everything))["items"]
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
        for item in objects
    }


def test_applying_everything_again_changes_nothing(deployed: ControlPlane) -> None:
    before = versions(deployed)
    assert {"Deployment/spire-registrar", "ClusterRole/spire-registrar"} <= before.keys()
    deployed.run_kubectl("apply", "-k", str(CONFIG / "default"))
    assert versions(deployed) == before


@pytest.mark.parametrize(
    "folder",
    [
        "crd",
        "rbac",
        "manager",
        "network-policy",
        "overlays/agent-socket-hostpath",
        "samples",
        "samples/controller-manager",
        "samples/sidecar",
    ],
)
def test_the_api_server_accepts(deployed: ControlPlane, folder: str) -> None:
    # A dry run makes no namespace for the objects that lie in it.
    mode = "none" if folder == "samples" else "server"
    assert deployed.run_kubectl(
        "apply", f"--dry-run={mode}", "--validate=strict", "-k", str(CONFIG / folder)
    )


def test_the_pod_monitor_is_left_out_of_the_default(deployed: ControlPlane) -> None:
    assert "PodMonitor" not in deployed.run_kubectl("kustomize", str(CONFIG / "default"))
    assert "PodMonitor" in deployed.run_kubectl("kustomize", str(CONFIG / "prometheus"))


@pytest.mark.parametrize(
    ("allowed", "verb", "resource", "namespace"),
    [
        (True, "watch", "pods", ""),
        (True, "get", "namespaces", ""),
        (True, "create", "clusterspiffeids.spiffeid.spiffe.io", ""),
        (True, "patch", "clusterspiffeids.spiffeid.spiffe.io/status", ""),
        (True, "patch", "spireentries.spiffeid.spiffe.io", ""),
        (True, "create", "events", "shop"),
        (True, "create", "leases.coordination.k8s.io", "spire"),
        (True, "patch", "leases.coordination.k8s.io", "spire"),
        (False, "patch", "leases.coordination.k8s.io", "shop"),
        (False, "patch", "pods", ""),
        (False, "update", "pods/status", ""),
        (False, "delete", "pods", ""),
        (False, "create", "pods", "spire"),
        (False, "patch", "namespaces", ""),
        (False, "patch", "nodes", ""),
        (False, "get", "secrets", "spire"),
        (False, "get", "configmaps", "spire"),
        (False, "deletecollection", "spireentries.spiffeid.spiffe.io", ""),
        (False, "patch", "customresourcedefinitions.apiextensions.k8s.io", ""),
        (False, "create", "serviceaccounts/token", "spire"),
    ],
)
def test_the_registrar_may_do_its_work_and_no_more(
    deployed: ControlPlane, allowed: bool, verb: str, resource: str, namespace: str
) -> None:
    finished = subprocess.run(
        [
            str(deployed.kubectl),
            "--kubeconfig=/dev/null",
            f"--server={deployed.url}",
            f"--certificate-authority={deployed.ca_file}",
            f"--token={deployed.token_for(REGISTRAR.user)}",
            *("auth", "can-i", verb, resource),
            *([f"--namespace={namespace}"] if namespace else ["--all-namespaces"]),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert finished.stdout.strip().splitlines()[-1] == ("yes" if allowed else "no"), finished


def test_the_pod_runs_with_no_privilege_at_all(deployed: ControlPlane) -> None:
    """As the restricted level of the Pod security standards wants it, and stricter."""
    deployed.run_kubectl("create", "namespace", "restricted")
    level = "pod-security.kubernetes.io/enforce=restricted"
    deployed.run_kubectl("label", "namespace", "restricted", level)
    deployment = json.loads(
        deployed.run_kubectl("-nspire", "get", "deployment", "spire-registrar", "-ojson")
    )
    template = deployment["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "as-deployed", "namespace": "restricted"},
        "spec": template["spec"],
    }
    deployed.run_kubectl("create", "--filename=-", stdin=json.dumps(pod))
    (container,) = template["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert template["spec"]["securityContext"]["runAsUser"] == 65532


@pytest.mark.parametrize("folder", ["manager", "overlays/sidecar"])
def test_the_registrar_understands_the_configuration(folder: str) -> None:
    settings = load(CONFIG / folder / "spire-k8s-registrar.conf")
    assert settings.trust_domain
    assert settings.leader_election is not None
