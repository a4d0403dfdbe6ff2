"""The Helm chart: the same objects as kustomize gives, values that do what they say, and a release.

``test_helm_chart.py`` is about another chart, SPIRE's own.
"""

import base64
import configparser
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from api.codec import JSONObject, JSONValue
from hack.control_plane import ControlPlane
from tests.support.helm import (
    CHART,
    by_name,
    helm,
    mapping,
    refusal,
    template,
    without_helms_own,
    without_kustomizes_own,
)
from tests.support.manifests import CONFIG, compose, render

pytestmark = [pytest.mark.real("control plane", "helm"), pytest.mark.slow]

DRIVER = ('mode="none"', "csi.enabled=true")
MANAGER = ('mode="controller-manager"',)
MANAGERS = "overlays/controller-manager/apart"
SAME: dict[str, tuple[Sequence[str], Sequence[str], Sequence[str]]] = {
    "default": (["default"], [], []),
    "csi-spiffe": (
        ["overlays/agent-socket-csi-spiffe"],
        [],
        ['agentSocket.from="csi.spiffe.io"'],
    ),
    "hostpath": (["overlays/agent-socket-hostpath"], [], ['agentSocket.from="hostPath"']),
    "controller-manager": ([MANAGERS], [], MANAGER),
    "controller-manager-hostpath": (
        [MANAGERS],
        ["overlays/agent-socket/hostpath"],
        [*MANAGER, 'agentSocket.from="hostPath"'],
    ),
    "driver": (["csi"], [], DRIVER),
    "k0s": (["overlays/csi/k0s"], [], [*DRIVER, 'csi.kubeletDir="/var/lib/k0s/kubelet"']),
    "microk8s": (
        ["overlays/csi/microk8s"],
        [],
        [*DRIVER, 'csi.kubeletDir="/var/snap/microk8s/common/var/lib/kubelet"'],
    ),
    "everything": (
        ["default", "csi", "admission-policy"],
        ["prometheus"],
        [
            "csi.enabled=true",
            "admissionPolicy.enabled=true",
            'prometheus={"podMonitors": true, "rules": true}',
        ],
    ),
}
"""Folders of config/ and components, and the values that must give the same objects."""

POD = "spec template spec"
CONTAINER = f"{POD} containers 0"
DIGEST = "sha256:" + "0f" * 32
TAINT: JSONObject = {"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}
ANYWHERE: JSONObject = {"nodeAffinity": {}}
OF_A_POD: Sequence[tuple[str, JSONValue, str, JSONValue]] = (
    ("extraArgs", ["--log-level", "debug"], f"{CONTAINER} args -1", "debug"),
    ("extraEnv", [{"name": "A", "value": "b"}], f"{CONTAINER} env -1 name", "A"),
    ("resources", {"limits": {"cpu": 1}}, f"{CONTAINER} resources", {"limits": {"cpu": 1}}),
    ("nodeSelector", {"disk": "ssd"}, f"{POD} nodeSelector", {"disk": "ssd"}),
    ("tolerations", [TAINT], f"{POD} tolerations", [TAINT]),
    ("affinity", ANYWHERE, f"{POD} affinity", ANYWHERE),
    ("priorityClassName", "high", f"{POD} priorityClassName", "high"),
    ("podAnnotations", {"a": "b"}, "spec template metadata annotations a", "b"),
    ("podLabels", {"a": "b"}, "spec template metadata labels a", "b"),
)
DEPLOYMENT = "Deployment other/spire-registrar"
DAEMON_SET = "DaemonSet other/csi-spire"
DOES: Sequence[tuple[str, JSONValue, str, str, JSONValue]] = (
    *((name, value, DEPLOYMENT, path, result) for name, value, path, result in OF_A_POD),
    *((f"csi.{name}", value, DAEMON_SET, path, result) for name, value, path, result in OF_A_POD),
    ("replicas", 3, DEPLOYMENT, "spec replicas", 3),
    ("image.repository", "a/b", DEPLOYMENT, f"{CONTAINER} image", f"a/b@{DIGEST}"),
    ("image.digest", DIGEST, DAEMON_SET, f"{CONTAINER} image", f"a/b@{DIGEST}"),
    ("image.pullPolicy", "Always", DAEMON_SET, f"{CONTAINER} imagePullPolicy", "Always"),
    ("imagePullSecrets", [{"name": "a"}], DEPLOYMENT, f"{POD} imagePullSecrets 0 name", "a"),
    ("config.metrics_addr", ":9", DEPLOYMENT, f"{CONTAINER} ports 0 containerPort", 9),
    ("csi.config.metrics_addr", ":9", DAEMON_SET, f"{CONTAINER} ports 0 containerPort", 9),
    (
        "csi.adminSocketDir",
        "/run/admin",
        DAEMON_SET,
        f"{POD} volumes 4 hostPath path",
        "/run/admin",
    ),
    (
        "serverNamespace",
        "server",
        "NetworkPolicy other/spire-registrar",
        "spec egress 2 to 0 namespaceSelector matchLabels kubernetes.io/metadata.name",
        "server",
    ),
    (
        "networkPolicy.monitoringNamespace",
        "watch",
        "NetworkPolicy other/spire-registrar",
        "spec ingress 0 from 0 namespaceSelector matchLabels kubernetes.io/metadata.name",
        "watch",
    ),
)
"""Values, and what each must make of which object."""

REFUSED = (
    (['mode="crd"'], "'/mode': value must be one of 'clusterspiffeid', 'controller-manager'"),
    (["replicass=1"], "additional properties 'replicass' not allowed"),
    (['config.cluter="a"'], "'/config': additional properties 'cluter' not allowed"),
    (['config.leader_election="yes"'], "'/config/leader_election': got string, want null or bool"),
    (["controllerManagerConfig.webhook.prt=1"], "additional properties 'prt' not allowed"),
    (['csi.config.kubelet_dir="/a"'], "additional properties 'kubelet_dir' not allowed"),
    (['image.digest="sha256:ab"'], "'/image/digest': 'sha256:ab' does not match pattern"),
    (['csi.kubeletDir="kubelet"'], "'/csi/kubeletDir': 'kubelet' does not match pattern"),
    (['mode="none"'], "nothing to install: set one of them"),
    (["config.leader_election=false"], "replicas is 2, but config.leader_election is not true"),
    (
        [*MANAGER, "controllerManagerConfig.leaderElection=null"],
        "replicas is 2, but controllerManagerConfig.leaderElection.leaderElect is not true",
    ),
    (['config.metrics_addr="0"'], 'config.metrics_addr is "0": it must name a port'),
    (
        [*MANAGER, "controllerManagerConfig.health=null"],
        "controllerManagerConfig.health.healthProbeBindAddress is",
    ),
)


@pytest.mark.parametrize("case", SAME)
def test_a_release_has_the_objects_that_kustomize_gives(case: str, tmp_path: Path) -> None:
    resources, components, values = SAME[case]
    folder = compose(tmp_path, resources, components)
    expected = without_kustomizes_own(render(folder))
    found = without_helms_own(template('image.tag="dev"', *values))
    assert sorted(found) == sorted(expected)
    for name, document in expected.items():
        assert found[name] == document, name


def test_every_value_reaches_its_object() -> None:
    given = [f"{name}={json.dumps(value)}" for name, value, _, _, _ in DOES]
    found = by_name(template("csi.enabled=true", *given, namespace="other"))
    for name, _, where, path, result in DOES:
        assert _at(found[where], path) == result, name


def test_values_that_turn_something_off() -> None:
    off = ("crds.install=false", "networkPolicy.enabled=false", "webhook.enabled=false")
    on = set(without_helms_own(template(*MANAGER)))
    rest = without_helms_own(template(*MANAGER, *off))
    gone = {name.partition(" ")[0] for name in on - rest.keys()}
    assert gone == {
        "CustomResourceDefinition",
        "NetworkPolicy",
        "Service",
        "ValidatingWebhookConfiguration",
    }
    variables = _at(rest["Deployment spire/spire-controller-manager"], f"{CONTAINER} env")
    assert variables == [{"name": "ENABLE_WEBHOOKS", "value": "false"}]


def test_nothing_points_to_the_namespace_of_the_manifests() -> None:
    for values in (
        ["csi.enabled=true", 'prometheus={"podMonitors": true, "rules": true}'],
        MANAGER,
    ):
        rendered = template(*values, namespace="other")
        assert _namespaces(list(rendered.objects)) == {"other", "kube-public"}, values


def test_a_pod_monitor_selects_the_pods_of_its_mode() -> None:
    found = without_helms_own(
        template(*MANAGER, "prometheus.podMonitors=true", 'prometheus.labels.release="prom"')
    )
    monitor = found["PodMonitor spire/spire-registrar"]
    pods = _at(found["Deployment spire/spire-controller-manager"], "spec template metadata labels")
    assert mapping(_at(monitor, "spec selector matchLabels")).items() <= mapping(pods).items()
    assert _at(monitor, "metadata labels release") == "prom"


def test_a_change_of_the_configuration_rolls_out() -> None:
    path = "spec template metadata annotations checksum/config"
    sums = {
        str(_at(each, path))
        for values in ([], ['config.log_level="debug"'], ['config.log_level="debug"'])
        for each in template(*values).of_kind("Deployment")
    }
    assert len(sums) == 2


@pytest.mark.parametrize(("values", "said"), REFUSED, ids=lambda each: str(each)[:40])
def test_wrong_values_are_refused(values: Sequence[str], said: str) -> None:
    assert said in refusal(*values)


def test_the_chart_lints() -> None:
    for values in ('mode="clusterspiffeid"', *MANAGER, "csi.enabled=true"):
        finished = helm("lint", "--strict", str(CHART), "--set-json", values)
        assert finished.returncode == 0, finished.stdout


def test_the_chart_has_the_version_of_the_product() -> None:
    setup = configparser.ConfigParser()
    setup.read(CONFIG.parent / "setup.cfg")
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    version = setup["metadata"]["version"]
    assert (str(chart["version"]), str(chart["appVersion"])) == (version, version)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of our own: a release must be the one who brings the kinds."""
    with ControlPlane((), tmp_path_factory.mktemp("helm")) as found:
        yield found


def test_a_release_is_installed_upgraded_tested_and_uninstalled(plane: ControlPlane) -> None:
    before = _everything(plane)
    plane.run_kubectl("create", "namespace", "identities")
    # The Pod that helm test starts keeps to the profile too.
    plane.run_kubectl(
        "label", "namespace", "identities", "pod-security.kubernetes.io/enforce=restricted"
    )
    _helm(plane, "install", *_given(*MANAGER, "csi.enabled=true", "admissionPolicy.enabled=true"))
    hook = _helm(plane, "get", "hooks")
    plane.run_kubectl("create", "-f", "-", "--dry-run=server", stdin=hook)
    # What the registrar writes there, an upgrade must leave.
    webhooks = "validatingwebhookconfiguration/spire-controller-manager-webhook"
    patch = '[{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "%s"}]'
    bundle = plane.ca_file.read_bytes()
    plane.run_kubectl("patch", webhooks, "--type=json", "-p", patch % _base64(bundle))
    _helm(plane, "upgrade", "--reuse-values", *_given("replicas=1", "networkPolicy.enabled=false"))
    assert _base64(bundle) in plane.run_kubectl("get", webhooks, "-o", "yaml")
    assert plane.run_kubectl(
        "get", "networkpolicy,deployment", "-n", "identities", "-o", "name"
    ) == ("deployment.apps/spire-controller-manager\n")
    # Another mode in the same namespace takes the place of the first.
    _helm(plane, "upgrade", "--reset-values")
    assert "spire-registrar" in plane.run_kubectl("get", "deployment", "-n", "identities")
    _helm(plane, "uninstall")
    more = _everything(plane) - before
    assert len(more) == 6
    assert all(name.startswith("customresourcedefinition") for name in more), more
    # They belong to the release of that name, and another one must say that it means it.
    refused = helm("install", "other", str(CHART), "-n", "identities", kubeconfig=plane.kubeconfig)
    assert "invalid ownership metadata" in refused.stderr
    taken = ("install", "other", str(CHART), "-n", "identities", "--take-ownership")
    assert helm(*taken, kubeconfig=plane.kubeconfig).returncode == 0


def _helm(plane: ControlPlane, *words: str) -> str:
    verb, *rest = words
    verb, more = (verb, [rest.pop(0)]) if verb == "get" else (verb, [])
    chart = [str(CHART)] if verb in {"install", "upgrade"} else []
    finished = helm(
        verb,
        *more,
        "identities",
        *chart,
        "--namespace",
        "identities",
        *rest,
        kubeconfig=plane.kubeconfig,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def _given(*values: str) -> list[str]:
    return [word for each in values for word in ("--set-json", each)]


def _everything(plane: ControlPlane) -> set[str]:
    """The names of all objects of the cluster that a chart of ours may have."""
    kinds = (
        "customresourcedefinitions,clusterroles,clusterrolebindings,csidrivers,"
        "validatingwebhookconfigurations,validatingadmissionpolicies,"
        "validatingadmissionpolicybindings"
    )
    found = plane.run_kubectl("get", kinds, "-o", "name").split()
    # What the API server makes by itself it may still be making.
    found = [name for name in found if "system:" not in name]
    names = "jsonpath={range .items[*]}{.kind}/{.metadata.name}{'\\n'}{end}"
    inside = plane.run_kubectl(
        "get", "roles,rolebindings", "-n", "kube-public", "-o", names
    ).split()
    return {*found, *inside}


def _base64(data: bytes) -> str:

    return base64.b64encode(data).decode()


def _at(value: JSONValue, path: str) -> JSONValue:
    for step in path.split():
        if isinstance(value, list):
            value = value[int(step)]
        else:
            assert isinstance(value, dict), path
            value = value.get(step)
    return value


def _namespaces(value: JSONValue) -> set[str]:
    """Every namespace that objects lie in or refer to."""
    if isinstance(value, list):
        return {name for each in value for name in _namespaces(each)}
    if not isinstance(value, dict):
        return set()
    own = value.get("namespace")
    found = {own} if isinstance(own, str) else set()
    return found.union(*map(_namespaces, value.values()))
