"""The manifests of config/: a real API server takes them, and they give no right too many."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml

from api.codec import convert
from api.documents import load_yaml_documents
from hack.control_plane import ControlPlane, Identity, service_account
from registrar.settings.csi import load_csi
from registrar.settings.load import load
from tests.support.control_plane import REGISTRAR
from tests.support.manifests import CONFIG, KUSTOMIZATIONS, compose

pytestmark = [pytest.mark.real, pytest.mark.slow]

NODE_DRIVER = service_account("spire", "csi-spire")
CONTROLLER_MANAGER = service_account("spire", "spire-controller-manager")


class _Metadata(msgspec.Struct):
    namespace: str = ""
    labels: dict[str, str] = {}


class _Port(msgspec.Struct, rename="camel"):
    name: str = ""
    port: int | str = 0


class _Container(msgspec.Struct):
    ports: list[_Port] = []


class _PodSpec(msgspec.Struct):
    containers: list[_Container] = []


class _Pod(msgspec.Struct):
    metadata: _Metadata
    spec: _PodSpec

    def listens_on(self, name: str) -> bool:
        return any(port.name == name for found in self.spec.containers for port in found.ports)


class _Rule(msgspec.Struct, rename={"from_": "from"}):
    ports: list[_Port] = []
    from_: list[dict[str, object]] = []


class _Spec(msgspec.Struct, rename="camel"):
    template: _Pod | None = None
    pod_selector: dict[str, dict[str, str]] = {}
    ingress: list[_Rule] = []


class _Manifest(msgspec.Struct):
    """What the tests look at of Deployments, StatefulSets and NetworkPolicies."""

    kind: str
    metadata: _Metadata
    spec: _Spec


def built(plane: ControlPlane, folder: str) -> list[_Manifest]:
    """What kustomize makes of a folder, of those kinds."""
    documents = load_yaml_documents(plane.run_kubectl("kustomize", str(CONFIG / folder)))
    return [
        convert(document, _Manifest)
        for document in documents
        if isinstance(document, dict)
        and document["kind"] in {"Deployment", "StatefulSet", "NetworkPolicy"}
    ]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of our own: what is applied here is cluster-wide and stays."""
    with ControlPlane(
        (REGISTRAR, CONTROLLER_MANAGER, NODE_DRIVER), tmp_path_factory.mktemp("manifests")
    ) as plane:
        plane.run_kubectl("apply", "-k", str(CONFIG / "default"))
        plane.run_kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=90s")
        yield plane


@pytest.fixture(scope="module")
def controller_manager(deployed: ControlPlane) -> ControlPlane:
    """The same control plane with the controller manager's mode deployed too."""
    deployed.run_kubectl("apply", "-k", str(CONFIG / "overlays/controller-manager/apart"))
    return deployed


def is_allowed(
    plane: ControlPlane, who: Identity, verb: str, resource: str, namespace: str = ""
) -> bool:
    """What the API server answers: ``a/b`` is a subresource, ``a b`` the object b."""
    kind, _, subresource = resource.partition("/")
    finished = subprocess.run(
        [
            str(plane.kubectl),
            "--kubeconfig=/dev/null",
            f"--server={plane.url}",
            f"--certificate-authority={plane.ca_file}",
            f"--token={plane.token_for(who.user)}",
            *("auth", "can-i", verb, kind.replace(" ", "/"), f"--subresource={subresource}"),
            *([f"--namespace={namespace}"] if namespace else ["--all-namespaces"]),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    answer = finished.stdout.strip().splitlines()[-1:]
    assert answer in (["yes"], ["no"]), finished
    return answer == ["yes"]


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


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_the_api_server_accepts(deployed: ControlPlane, folder: str) -> None:
    # A dry run makes no namespace for the objects that lie in it.
    mode = "none" if folder == "samples" else "server"
    assert deployed.run_kubectl(
        "apply", f"--dry-run={mode}", "--validate=strict", "-k", str(CONFIG / folder)
    )


@pytest.mark.parametrize(
    ("folder", "component"),
    [
        ("overlays/controller-manager/apart", "overlays/agent-socket/hostpath"),
        ("overlays/controller-manager/apart", "overlays/agent-socket/csi-spiffe"),
        ("samples/sidecar", "samples/spire-server-volume"),
        ("samples/workload-registrar-crd", "samples/spire-server-volume"),
    ],
)
def test_the_api_server_accepts_what_a_component_changes(
    deployed: ControlPlane, folder: str, component: str, tmp_path: Path
) -> None:
    made = compose(tmp_path, [folder], [component])
    assert deployed.run_kubectl("apply", "--dry-run=server", "--validate=strict", "-k", str(made))


@pytest.mark.parametrize(
    "folder",
    [
        "overlays/controller-manager/apart",
        "samples/controller-manager-sidecar",
        "samples/workload-registrar-crd",
        "samples/workload-registrar-webhook",
    ],
)
def test_a_pod_with_a_webhook_has_a_network_policy(deployed: ControlPlane, folder: str) -> None:
    objects = built(deployed, folder)
    pods = [found.spec.template for found in objects if found.spec.template is not None]
    (pod,) = [found for found in pods if found.listens_on("webhook")]
    (policy,) = [found for found in objects if found.kind == "NetworkPolicy"]
    assert policy.metadata.namespace == "spire"
    wanted = policy.spec.pod_selector.get("matchLabels", {})
    assert wanted.items() <= pod.metadata.labels.items()
    assert wanted
    open_to_all = {
        port.port for rule in policy.spec.ingress if not rule.from_ for port in rule.ports
    }
    # The server's own port is never closed by what is added to its Pod.
    assert open_to_all == {"webhook", 8081}
    limited = {port.port for rule in policy.spec.ingress if rule.from_ for port in rule.ports}
    assert limited == {"http-metrics"}


def test_the_pod_monitor_is_left_out_of_the_default(deployed: ControlPlane) -> None:
    assert "PodMonitor" not in deployed.run_kubectl("kustomize", str(CONFIG / "default"))
    assert "PodMonitor" in deployed.run_kubectl("kustomize", str(CONFIG / "prometheus"))


@pytest.mark.parametrize(
    ("allowed", "verb", "resource", "namespace"),
    [
        (True, "watch", "pods", ""),
        (True, "get", "namespaces kube-system", ""),
        (False, "get", "namespaces", ""),
        (True, "create", "clusterspiffeids.spiffeid.spiffe.io", ""),
        (True, "patch", "clusterspiffeids.spiffeid.spiffe.io/status", ""),
        (True, "patch", "spireentries.spiffeid.spiffe.io", ""),
        (True, "create", "events", "shop"),
        (True, "create", "leases.coordination.k8s.io", "spire"),
        (True, "patch", "leases.coordination.k8s.io", "spire"),
        (True, "create", "leases.coordination.k8s.io", "kube-public"),
        (True, "patch", "leases.coordination.k8s.io", "kube-public"),
        (False, "patch", "leases.coordination.k8s.io", "shop"),
        (False, "patch", "leases.coordination.k8s.io", "kube-system"),
        (False, "patch", "pods", ""),
        (False, "update", "pods/status", ""),
        (False, "delete", "pods", ""),
        (False, "create", "pods", "spire"),
        (False, "patch", "namespaces", ""),
        (False, "patch", "nodes", ""),
        (False, "get", "secrets", "spire"),
        (False, "get", "configmaps", "spire"),
        (False, "update", "spireentries.spiffeid.spiffe.io", ""),
        (False, "deletecollection", "spireentries.spiffeid.spiffe.io", ""),
        (False, "patch", "customresourcedefinitions.apiextensions.k8s.io", ""),
        (False, "create", "serviceaccounts/token", "spire"),
    ],
)
def test_the_registrar_may_do_its_work_and_no_more(
    deployed: ControlPlane, allowed: bool, verb: str, resource: str, namespace: str
) -> None:
    assert is_allowed(deployed, REGISTRAR, verb, resource, namespace) is allowed


@pytest.mark.parametrize(
    ("allowed", "verb", "resource", "namespace"),
    [
        (True, "watch", "pods", ""),
        (True, "list", "nodes", ""),
        (True, "list", "endpointslices.discovery.k8s.io", ""),
        (False, "list", "endpoints", ""),
        (True, "list", "replicasets.apps", ""),
        (True, "list", "jobs.batch", ""),
        (True, "watch", "clusterspiffeids.spire.spiffe.io", ""),
        (True, "patch", "clusterspiffeids.spire.spiffe.io/status", ""),
        (True, "patch", "clusterstaticentries.spire.spiffe.io/status", ""),
        (True, "patch", "clusterfederatedtrustdomains.spire.spiffe.io/status", ""),
        (True, "create", "spireentries.spiffeid.spiffe.io", ""),
        (True, "create", "events", "shop"),
        (True, "patch", "leases.coordination.k8s.io", "spire"),
        (True, "patch", "leases.coordination.k8s.io", "kube-public"),
        (False, "patch", "clusterspiffeids.spire.spiffe.io", ""),
        (False, "delete", "clusterstaticentries.spire.spiffe.io", ""),
        (False, "patch", "leases.coordination.k8s.io", "shop"),
        (False, "patch", "pods", ""),
        (False, "patch", "namespaces", ""),
        (False, "patch", "nodes", ""),
        (False, "patch", "replicasets.apps", ""),
        (False, "get", "secrets", "spire"),
        (False, "get", "configmaps", "spire"),
        (False, "create", "serviceaccounts/token", "spire"),
    ],
)
def test_the_controller_manager_may_do_its_work_and_no_more(
    controller_manager: ControlPlane, allowed: bool, verb: str, resource: str, namespace: str
) -> None:
    answer = is_allowed(controller_manager, CONTROLLER_MANAGER, verb, resource, namespace)
    assert answer is allowed


@pytest.mark.parametrize(
    ("allowed", "verb", "resource", "namespace"),
    [
        (True, "create", "events", "shop"),
        (True, "patch", "events", "shop"),
        (False, "get", "pods", ""),
        (False, "list", "nodes", ""),
        (False, "get", "secrets", "spire"),
        (False, "create", "serviceaccounts/token", "spire"),
    ],
)
def test_the_node_driver_may_say_why_pods_wait_and_no_more(
    deployed: ControlPlane, allowed: bool, verb: str, resource: str, namespace: str
) -> None:
    deployed.run_kubectl("apply", "-k", str(CONFIG / "csi"))
    assert is_allowed(deployed, NODE_DRIVER, verb, resource, namespace) is allowed


def test_pods_of_the_restricted_profile_may_have_its_volumes(deployed: ControlPlane) -> None:
    """The API server itself checks the sample Pods by the profile."""
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": "csi-restricted",
            "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
        },
    }
    deployed.run_kubectl("apply", "-f", "-", stdin=json.dumps(namespace))
    applied = deployed.run_kubectl(
        "apply", "-n", "csi-restricted", "--dry-run=server", "-k", str(CONFIG / "samples/csi")
    )
    assert applied.count("created") == 4


def rendered(plane: ControlPlane, folder: str) -> str:
    """The manifests of a folder, without the hash in the name of the ConfigMap."""
    text = plane.run_kubectl("kustomize", str(CONFIG / folder))
    return re.sub(r"csi-spire-[0-9a-z]{10}", "csi-spire-hash", text)


KUBELET_ROOTS = {
    "k0s": "/var/lib/k0s/kubelet",
    "microk8s": "/var/snap/microk8s/common/var/lib/kubelet",
}


@pytest.mark.parametrize("name", KUBELET_ROOTS)
def test_the_node_driver_is_where_the_kubelet_works(deployed: ControlPlane, name: str) -> None:
    root = Path(KUBELET_ROOTS[name])
    text = rendered(deployed, f"overlays/csi/{name}")
    (daemon_set,) = (each for each in yaml.safe_load_all(text) if each["kind"] == "DaemonSet")
    pod = daemon_set["spec"]["template"]["spec"]
    outside = {
        volume["name"]: Path(volume["hostPath"]["path"])
        for volume in pod["volumes"]
        if "hostPath" in volume
    }
    inside = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    file = CONFIG / f"overlays/csi/{name}/csi.conf"
    settings = load_csi(file, environment={"NODE_NAME": "node-1"})
    assert settings.kubelet_dir == root
    assert outside["pods"] == Path(inside["pods"]["mountPath"]) == root / "pods"
    assert inside["pods"]["mountPropagation"] == "Bidirectional"
    assert outside["registration"] == root / "plugins_registry"
    assert settings.registration_dir == Path(inside["registration"]["mountPath"])
    assert settings.endpoint == outside["plugin"] / settings.csi_socket.name
    assert settings.csi_socket.parent == Path(inside["plugin"]["mountPath"])


@pytest.mark.parametrize("name", KUBELET_ROOTS)
def test_an_overlay_for_another_kubelet_root_changes_nothing_else(
    deployed: ControlPlane, name: str
) -> None:
    """Lines may stand in another order."""
    text = rendered(deployed, f"overlays/csi/{name}")
    base = rendered(deployed, "csi")
    assert "/var/lib/kubelet" in base
    line = f'    kubelet_dir              = "{KUBELET_ROOTS[name]}"\n'
    assert line in text
    as_base = text.replace(line, "").replace(KUBELET_ROOTS[name], "/var/lib/kubelet")
    assert sorted(as_base.splitlines()) == sorted(base.splitlines())


def test_the_configuration_of_the_node_driver_is_right() -> None:
    settings = load_csi(CONFIG / "csi/csi.conf", environment={"NODE_NAME": "node-1"})
    assert settings.workload_api_socket == Path("/run/spire/agent/api.sock")


@pytest.mark.parametrize(
    ("name", "allowed"), [("spire-controller-manager-webhook", True), ("another", False)]
)
def test_the_controller_manager_may_write_the_bundle_of_its_own_webhook_alone(
    controller_manager: ControlPlane, name: str, allowed: bool
) -> None:
    resource = f"validatingwebhookconfigurations.admissionregistration.k8s.io {name}"
    answer = is_allowed(controller_manager, CONTROLLER_MANAGER, "patch", resource)
    assert answer is allowed


def test_applying_the_controller_manager_again_keeps_the_bundle_of_its_webhook(
    controller_manager: ControlPlane,
) -> None:
    """The bundle is written by the registrar, so no manifest may own the field."""
    webhook = ("validatingwebhookconfiguration", "spire-controller-manager-webhook")
    bundle = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t"
    patch = [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle}]
    controller_manager.run_kubectl("patch", *webhook, "--type=json", f"-p={json.dumps(patch)}")
    folder = CONFIG / "overlays/controller-manager/apart"
    controller_manager.run_kubectl("apply", "-k", str(folder))
    stored = json.loads(controller_manager.run_kubectl("get", *webhook, "-ojson"))
    assert stored["webhooks"][0]["clientConfig"]["caBundle"] == bundle


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


@pytest.mark.parametrize(
    "file",
    [
        "manager/spire-k8s-registrar.conf",
        "overlays/sidecar/spire-k8s-registrar.conf",
        "overlays/controller-manager/apart/spire-controller-manager-config.yaml",
        "overlays/controller-manager/sidecar/spire-controller-manager-config.yaml",
    ],
)
def test_the_registrar_understands_the_configuration(file: str) -> None:
    settings = load(CONFIG / file)
    assert settings.trust_domain
    assert settings.leader_election is not None
    assert not settings.warnings
