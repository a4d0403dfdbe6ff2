"""The manifests of deploy/: SPIRE and a real API server take them, and names fit together."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from api.codec import JSONObject, convert, encode
from hack import tool_build
from hack.control_plane import ControlPlane
from registrar.settings.load import load
from tests.support.manifests import CONFIG, Rendered, render
from tests.support.topologies import APPLIED, DEPLOY, MODULES, Container, Metadata, Module, Workload

pytestmark = [pytest.mark.real("control plane", "spire"), pytest.mark.slow]

PUBLISHED = "ghcr.io/spiffe/"


@pytest.fixture(scope="module", params=MODULES)
def module(request: pytest.FixtureRequest) -> Module:
    name: str = request.param
    return Module(name)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane((), tmp_path_factory.mktemp("topologies")) as made:
        made.run_kubectl("apply", "-k", str(CONFIG / "crd"))
        made.run_kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=90s")
        # A dry run makes no namespace for the objects that lie in it.
        for name in MODULES:
            made.run_kubectl("apply", "-f", str(DEPLOY / name / "namespace.yaml"))
        yield made


@pytest.mark.parametrize("folder", APPLIED)
def test_the_api_server_accepts(plane: ControlPlane, folder: str) -> None:
    where = ("-k", str(DEPLOY / folder))
    answer = plane.run_kubectl("apply", "--dry-run=server", "--validate=strict", *where)
    assert "created (server dry run)" in answer
    # As the command applies them.
    assert plane.run_kubectl("apply", "--server-side", "--dry-run=server", *where)


def test_servers_do_without_volumes_where_there_are_none(tmp_path: Path) -> None:
    def from_here(folder: str) -> str:
        return os.path.relpath(DEPLOY / folder, tmp_path.resolve())

    document = {
        "resources": [from_here("nested")],
        "components": [from_here("components/ephemeral")],
    }
    (tmp_path / "kustomization.yaml").write_text(json.dumps(document))
    servers = render(tmp_path).of_kind("StatefulSet")
    assert len(servers) == 3
    for server in servers:
        assert "volumeClaimTemplates" not in server["spec"]  # type: ignore[operator]
        assert b'"emptyDir":{},"name":"data"' in encode(server)


class _Peer(msgspec.Struct, rename="camel"):
    namespace_selector: dict[str, dict[str, str]] = {}
    pod_selector: dict[str, dict[str, str]] = {}


class _Port(msgspec.Struct):
    port: int | str


class _Ingress(msgspec.Struct, rename={"from_": "from"}):
    ports: list[_Port]
    from_: list[_Peer] = []


class _PolicySpec(msgspec.Struct, rename="camel"):
    policy_types: list[str]
    ingress: list[_Ingress] = []


class _Policy(msgspec.Struct):
    spec: _PolicySpec


def test_metrics_are_for_those_who_watch(module: Module) -> None:
    policies = [convert(each, _Policy).spec for each in module.rendered.of_kind("NetworkPolicy")]
    assert policies
    for policy in policies:
        assert policy.policy_types == ["Ingress"]
        for rule in policy.ingress:
            ports = {each.port for each in rule.ports}
            assert ports <= ({9988, 8082} if rule.from_ else {"grpc", "bundle", "http"})


def running(module: Module, image: str) -> list[tuple[Workload, Container]]:
    return [
        (workload, container)
        for workload in module.workloads
        for container in (*workload.pod.containers, *workload.pod.init_containers)
        if container.image.partition(":")[0] == image
    ]


@pytest.mark.parametrize(
    ("program", "file"), [("spire-server", "server.conf"), ("spire-agent", "agent.conf")]
)
def test_spire_accepts_its_configuration(
    module: Module, program: str, file: str, tmp_path: Path
) -> None:
    for workload, container in running(module, PUBLISHED + program):
        path = tmp_path / file
        path.write_text(module.file(workload, file))
        binary = tool_build.required(tool_build.SPIRE) / program
        environment = module.environment(workload, container)
        finished = subprocess.run(
            [str(binary), "validate", "-config", str(path), "-expandEnv"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, (workload.metadata.name, finished.stderr)
        used = {name for name in named_in(path.read_text()) if name not in environment}
        assert used == set(), workload.metadata.name


def named_in(text: str) -> set[str]:
    """The environment variables that a configuration names outside of its comments."""
    lines = [line for line in text.splitlines() if not line.strip().startswith("#")]
    return {part.partition("}")[0] for line in lines for part in line.split("${")[1:]}


def test_the_registrars_configurations_are_right_and_tell_them_apart(
    module: Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes, leases = set(), set()
    found = [each for each in running(module, "spire-registrar") if each[1].args[0] == "run"]
    for workload, container in found:
        for name, value in module.environment(workload, container).items():
            monkeypatch.setenv(name, value)
        path = tmp_path / "config.yaml"
        path.write_text(module.file(workload, "spire-controller-manager-config.yaml"))
        settings = load(path, expand_env=True)
        assert [each for each in settings.warnings if "is not set" in each] == []
        classes.add(settings.class_name)
        leases.add(str(settings.leader_election))
        assert settings.cluster == settings.class_name == workload.server
        for name in module.environment(workload, container):
            monkeypatch.delenv(name)
    servers = running(module, f"{PUBLISHED}spire-server")
    assert len(classes) == len(servers)


def test_every_server_has_an_environment_and_a_name_of_its_own(module: Module) -> None:
    servers = running(module, f"{PUBLISHED}spire-server")
    clusters = set()
    for workload, container in servers:
        environment = module.environment(workload, container)
        name, namespace = environment["SERVER_NAME"], environment["NAMESPACE"]
        clusters.add(environment["CLUSTER"])
        # What its configuration makes of the name.
        assert workload.metadata.name == f"{name}-server"
        assert workload.server == name
        assert {f"{name}-bundle", f"{name}-bundle-pem"} <= module.configmaps.keys()
        assert module.configmaps[f"{name}-bundle"] == {}
        (agent,) = (
            each for each in module.workloads if each.kind == "DaemonSet" and each.server == name
        )
        assert agent.pod.service_account_name == f"{name}-agent"
        assert agent.metadata.namespace == namespace
        assert module.named("Service", f"{name}-server")
        upstream = environment.get("UPSTREAM")
        if upstream is not None:
            assert environment["UPSTREAM_ADDRESS"].startswith(f"{upstream}-server.")
    assert len(clusters) == len(servers)


def test_images_have_their_version_from_one_place(module: Module) -> None:
    version = tool_build.SPIRE.version().removeprefix("v")
    for workload in module.workloads:
        for container in (*workload.pod.containers, *workload.pod.init_containers):
            wanted = (
                f"{container.image.partition(':')[0]}:{version}"
                if container.image.startswith(PUBLISHED)
                else "spire-registrar:dev"
            )
            assert container.image == wanted


class _Rule(msgspec.Struct, rename="camel"):
    resources: list[str]
    verbs: list[str]
    api_groups: list[str]
    resource_names: list[str] = []


class _Role(msgspec.Struct):
    rules: list[_Rule]


def test_nobody_has_a_right_too_many(module: Module) -> None:
    for each in module.rendered.of_kind("Role", "ClusterRole"):
        for rule in convert(each, _Role).rules:
            assert "*" not in {*rule.resources, *rule.verbs, *rule.api_groups}
            if "secrets" in rule.resources:
                assert rule.verbs == ["create"]
            if {"pods", "nodes", "namespaces"} & {*rule.resources}:
                assert {*rule.verbs} <= {"get", "list", "watch"}


class _Subject(msgspec.Struct):
    kind: str
    name: str
    namespace: str


class _RoleRef(msgspec.Struct):
    kind: str
    name: str


class _Binding(msgspec.Struct, rename="camel"):
    metadata: Metadata
    role_ref: _RoleRef
    subjects: list[_Subject]


def astray(rendered: Rendered) -> list[str]:
    """The bindings that give rights to nobody, or rights that are not there."""
    accounts, roles = set(), set()
    for each in rendered.of_kind("ServiceAccount"):
        metadata = convert(each["metadata"], Metadata)
        accounts.add((metadata.namespace, metadata.name))
    for each in rendered.of_kind("Role", "ClusterRole"):
        metadata = convert(each["metadata"], Metadata)
        roles.add((str(each["kind"]), metadata.namespace, metadata.name))
    found = []
    for each in rendered.of_kind("RoleBinding", "ClusterRoleBinding"):
        binding = convert(each, _Binding)
        namespace = binding.metadata.namespace
        place = namespace if binding.role_ref.kind == "Role" else ""
        if (binding.role_ref.kind, place, binding.role_ref.name) not in roles:
            found.append(f"{each['kind']} {binding.metadata.name}: {binding.role_ref}")
        found += [
            f"{each['kind']} {binding.metadata.name}: {subject}"
            for subject in binding.subjects
            if (subject.namespace, subject.name) not in accounts
        ]
    return found


@pytest.mark.parametrize("folder", APPLIED)
def test_all_rights_are_given_to_somebody_who_is_there(folder: str, tmp_path: Path) -> None:
    alone = render(DEPLOY / folder)
    assert alone.of_kind("RoleBinding", "ClusterRoleBinding") or folder == "oidc"
    assert astray(alone) == []
    # Also where something of the user's own is taken in beside it, in the same namespace.
    namespace = f"spire-{folder.rpartition('/')[2]}"
    other = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "mine", "namespace": namespace},
    }
    (tmp_path / "other.yaml").write_text(json.dumps(other))
    resources = [os.path.relpath(DEPLOY / folder, tmp_path.resolve()), "other.yaml"]
    (tmp_path / "kustomization.yaml").write_text(json.dumps({"resources": resources}))
    assert astray(render(tmp_path)) == []


class _SpiffeIdSpec(msgspec.Struct, rename="camel"):
    class_name: str = ""
    downstream: bool = False
    workload_selector_templates: list[str] = []
    namespace_selector: dict[str, dict[str, str]] = {}
    federates_with: list[str] = []


class _SpiffeId(msgspec.Struct):
    spec: _SpiffeIdSpec


def spiffe_ids(objects: list[JSONObject]) -> list[_SpiffeIdSpec]:
    return [convert(each, _SpiffeId).spec for each in objects]


def test_no_sidecar_of_a_server_is_a_certificate_authority(module: Module) -> None:
    for spec in spiffe_ids(module.rendered.of_kind("ClusterSPIFFEID")):
        assert spec.class_name
        # Nobody outside of a topology gets an identity by writing a label.
        assert spec.namespace_selector["matchLabels"] == {
            "app.kubernetes.io/part-of": "spire-topology"
        }
        if spec.downstream:
            assert spec.workload_selector_templates == ["k8s:container-name:spire-server"]


def test_the_lifetimes_lie_where_the_documentation_says() -> None:
    link = DEPLOY / "lifetimes.env"
    assert link.resolve() == DEPLOY / "base/lifetimes/lifetimes.env"
    assert os.path.relpath(link.resolve(), DEPLOY) == os.readlink(link)  # noqa: PTH115


def test_everything_has_the_labels_by_which_it_is_found(module: Module) -> None:
    for each in module.rendered.objects:
        labels = convert(each["metadata"], Metadata).labels
        assert labels["app.kubernetes.io/part-of"] == "spire-topology"
        assert labels["topology.spire.io/module"] == module.name
