"""What the manifests of config/ say about paths, users and ports fits together.

One socket is named in the agent's, the node driver's and the registrars' files, in their Pods'
mounts and in the node's folders. Only together they are right.
"""

import re
from collections import Counter
from pathlib import Path, PurePosixPath

import msgspec
import pytest

from api.codec import convert
from api.documents import load_yaml_documents
from api.labels import LabelSelector, compile_selector
from api.meta import ObjectMeta
from registrar.settings import hcl
from registrar.settings.csi import CSISettings, load_csi
from registrar.settings.load import interpret
from registrar.settings.model import Settings, TCPAddress, UnixAddress
from tests.support.manifests import (
    CONFIG,
    KUSTOMIZATIONS,
    Container,
    PodSpec,
    Rendered,
    compose,
    render,
)

pytestmark = [pytest.mark.real, pytest.mark.slow]

ROOT = CONFIG.parent
WORKLOAD_API = PurePosixPath("/run/spire/agent/api.sock")
ADMIN = PurePosixPath("/run/spire/admin/admin.sock")
SERVER = PurePosixPath("/run/spire/server/api.sock")

DRIVERS = ("csi", "overlays/csi/k0s", "overlays/csi/microk8s")
BESIDE = (
    "samples/sidecar",
    "samples/controller-manager-sidecar",
    "samples/workload-registrar-crd",
    "samples/workload-registrar-reconcile",
    "samples/workload-registrar-webhook",
)
APART = ("default", "overlays/controller-manager/apart")
SHOWN_BY = ("", "overlays/agent-socket/hostpath", "overlays/agent-socket/csi-spiffe")
READY_MADE = ("overlays/agent-socket-hostpath", "overlays/agent-socket-csi-spiffe")


def text_at(document: hcl.Table, *keys: str) -> str:
    """A text of SPIRE's own files, by the keys that lead to it."""
    value: hcl.Value = document
    for key in keys:
        assert isinstance(value, hcl.Table)
        value = value.entries[key].value
    assert isinstance(value, hcl.Scalar)
    return str(value.value)


def only(pods: dict[str, PodSpec]) -> PodSpec:
    (pod,) = pods.values()
    return pod


def spire(folder: str, name: str) -> tuple[PodSpec, Container, hcl.Table]:
    """A SPIRE server or agent of the samples, and its configuration."""
    rendered = render(folder)
    pod = rendered.pods()[name]
    container = pod.container(name)
    return pod, container, hcl.parse(rendered.configuration(pod, container)).root


def agent_socket(key: str) -> PurePosixPath:
    """Where a socket of the sample agent lies on the node."""
    pod, container, configuration = spire("samples/spire-agent", "spire-agent")
    path = PurePosixPath(text_at(configuration, "agent", key))
    return pod.place_of(container, path).on_the_node


def node_driver(folder: str, tmp_path: Path) -> tuple[PodSpec, Container, CSISettings]:
    rendered = render(folder)
    pod = only(rendered.pods())
    container = pod.container("csi-spire")
    file = tmp_path / "csi.conf"
    file.write_text(rendered.configuration(pod, container), encoding="utf-8")
    return pod, container, load_csi(file, environment={"NODE_NAME": "node-1"})


def registrar(rendered: Rendered) -> tuple[PodSpec, Container, Settings]:
    """The one container of a render that runs the registrar."""
    ((pod, container),) = (
        (pod, container)
        for pod in rendered.pods().values()
        for container in pod.containers
        if container.image.startswith("spire-registrar:")
    )
    text = rendered.configuration(pod, container)
    return pod, container, interpret(text, path=Path(container.config_path()), environment={})


def test_the_agents_sockets_lie_where_the_documentation_says() -> None:
    assert (agent_socket("socket_path"), agent_socket("admin_socket_path")) == (WORKLOAD_API, ADMIN)


@pytest.mark.parametrize("folder", DRIVERS)
def test_the_node_driver_finds_the_agents_sockets(folder: str, tmp_path: Path) -> None:
    pod, container, settings = node_driver(folder, tmp_path)
    assert settings.workload_api_socket is not None
    for path, key in (
        (settings.workload_api_socket, "socket_path"),
        (settings.agent_admin_socket or Path(), "admin_socket_path"),
    ):
        place = pod.place_of(container, PurePosixPath(path))
        assert place.on_the_node == agent_socket(key)


def test_the_agent_trusts_the_node_driver_by_the_name_that_its_entries_give() -> None:
    _, _, configuration = spire("samples/spire-agent", "spire-agent")
    agent = configuration.entries["agent"].value
    assert isinstance(agent, hcl.Table)
    delegates = agent.entries["authorized_delegates"].value
    assert isinstance(delegates, hcl.Items)
    (delegate,) = (each.value for each in delegates.values if isinstance(each, hcl.Scalar))
    for folder in ("samples/csi-clusterspiffeid", "samples/csi-controller-manager"):
        (entry,) = (
            each["spec"]
            for each in render(folder).objects
            if "csi-spire" in str(each["metadata"]) and isinstance(each["spec"], dict)
        )
        assert delegate in (entry.get("spiffeId"), entry.get("spiffeID"))


@pytest.mark.parametrize("shown_by", SHOWN_BY)
@pytest.mark.parametrize("folder", APART)
def test_a_registrar_apart_finds_the_agents_socket(
    folder: str, shown_by: str, tmp_path: Path
) -> None:
    made = compose(tmp_path, [folder], [shown_by] if shown_by else [])
    assert_finds_the_agent(render(made), tmp_path)


@pytest.mark.parametrize("folder", READY_MADE)
def test_a_ready_made_overlay_finds_the_agents_socket(folder: str, tmp_path: Path) -> None:
    assert_finds_the_agent(render(folder), tmp_path)


def assert_finds_the_agent(rendered: Rendered, tmp_path: Path) -> None:
    pod, container, settings = registrar(rendered)
    assert isinstance(settings.spire, TCPAddress)
    place = pod.place_of(container, PurePosixPath(settings.spire.workload_api_socket))
    if place.volume.csi is None:
        assert place.on_the_node == agent_socket("socket_path")
        return
    if place.volume.csi.driver == "csi.spire.io":
        assert place.volume.csi.volume_attributes == {"mode": "workload-api"}
        _, _, driver = node_driver("csi", tmp_path)
        assert driver.workload_api_socket is not None
        # The folder of that socket is what a volume shows.
        assert str(place.path) == driver.workload_api_socket.name
    else:
        assert place.volume.csi.driver == "csi.spiffe.io"
        assert not place.volume.csi.volume_attributes
        assert str(place.path) == agent_socket("socket_path").name


def test_a_sample_pod_finds_the_workload_api() -> None:
    pod = render("samples/csi").pods()["workload-api"]
    (container,) = pod.containers
    (variable,) = container.env
    assert variable.name == "SPIFFE_ENDPOINT_SOCKET"
    place = pod.place_of(container, PurePosixPath(variable.value.removeprefix("unix://")))
    assert place.volume.csi is not None
    assert place.volume.csi.volume_attributes == {"mode": "workload-api"}
    assert str(place.path) == agent_socket("socket_path").name


@pytest.mark.parametrize("folder", BESIDE)
def test_a_registrar_beside_the_server_may_open_its_socket(folder: str) -> None:
    server_pod, server, configuration = spire(folder, "spire-server")
    pod, container, settings = registrar(render(folder))
    assert isinstance(settings.spire, UnixAddress)
    theirs = server_pod.place_of(
        server, PurePosixPath(text_at(configuration, "server", "socket_path"))
    )
    ours = pod.place_of(container, PurePosixPath(settings.spire.path))
    assert (ours.volume.name, ours.path) == (theirs.volume.name, theirs.path)
    assert theirs.is_writable
    # The server gives it the mode 0770.
    assert pod.user_of(container) == server_pod.user_of(server) == (1000, 1000)


@pytest.mark.parametrize(
    ("folder", "name", "keys"),
    [
        (
            "samples/spire-server",
            "spire-server",
            [("server", "socket_path"), ("server", "data_dir")],
        ),
        (
            "samples/spire-agent",
            "spire-agent",
            [("agent", "socket_path"), ("agent", "admin_socket_path"), ("agent", "data_dir")],
        ),
    ],
)
def test_spire_may_write_where_its_configuration_says(
    folder: str, name: str, keys: list[tuple[str, str]]
) -> None:
    pod, container, configuration = spire(folder, name)
    assert container.security_context.read_only_root_filesystem
    for key in keys:
        assert pod.place_of(container, PurePosixPath(text_at(configuration, *key))).is_writable
    files = re.findall(r'"(/run/spire/data/[^"]*)"', render_configuration(folder, name))
    for file in files:
        assert pod.place_of(container, PurePosixPath(file)).is_writable


def render_configuration(folder: str, name: str) -> str:
    rendered = render(folder)
    pod = rendered.pods()[name]
    return rendered.configuration(pod, pod.container(name))


@pytest.mark.parametrize("folder", DRIVERS)
def test_the_node_driver_may_write_where_its_configuration_says(
    folder: str, tmp_path: Path
) -> None:
    pod, container, settings = node_driver(folder, tmp_path)
    assert container.security_context.read_only_root_filesystem
    paths = [settings.csi_socket, settings.data_dir, settings.kubelet_dir / "pods"]
    if settings.registration_dir is not None:
        paths.append(settings.registration_dir)
    for path in paths:
        assert pod.place_of(container, PurePosixPath(path)).is_writable


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_nobody_in_a_pod_listens_where_another_does(folder: str) -> None:
    """Also by configuration: SPIRE's own health checks, and where a registrar listens."""
    rendered = render(folder)
    for name, pod in rendered.pods().items():
        ports = Counter(port.container_port for each in pod.containers for port in each.ports)
        assert [port for port, users in ports.items() if users > 1] == [], name
        for container in pod.containers:
            named = {port.name: port.container_port for port in container.ports}
            for probe in container.probes:
                port = probe.http_get.port
                assert isinstance(port, int) or port in named, (name, container.name)


@pytest.mark.parametrize("folder", [*BESIDE, *APART])
def test_a_registrar_listens_where_its_pod_says(folder: str) -> None:
    _, container, settings = registrar(render(folder))
    named = {port.name: port.container_port for port in container.ports}
    assert named["http-metrics"] == int(settings.metrics_addr.rpartition(":")[2])


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_prometheus_finds_every_registrar_and_nothing_else(folder: str) -> None:
    text = (CONFIG / "prometheus/pod_monitor.yaml").read_text(encoding="utf-8")
    (document,) = load_yaml_documents(text)
    monitor = convert(document, _PodMonitor)
    rendered = render(folder)
    selector = compile_selector(monitor.spec.selector, path="selector")
    found = {
        name: [port.name for each in template.spec.containers for port in each.ports]
        for name, template in rendered.templates().items()
        if selector.matches(template.metadata.labels)
    }
    assert set(found) == {
        name
        for name, pod in rendered.pods().items()
        for container in pod.containers
        if container.image.partition(":")[0] == "spire-registrar" and container.args[0] != "csi"
    }
    (endpoint,) = monitor.spec.pod_metrics_endpoints
    assert all(ports.count(endpoint.port) == 1 for ports in found.values())
    assert all(
        convert(each["metadata"], ObjectMeta).namespace == monitor.metadata.namespace
        for each in rendered.of_kind("Deployment", "StatefulSet")
        if convert(each["metadata"], ObjectMeta).name in found
    )


class _Endpoint(msgspec.Struct):
    port: str


class _MonitorSpec(msgspec.Struct, rename="camel"):
    selector: LabelSelector
    pod_metrics_endpoints: list[_Endpoint]


class _PodMonitor(msgspec.Struct):
    metadata: ObjectMeta
    spec: _MonitorSpec


@pytest.mark.parametrize("name", ["spire-server", "spire-agent"])
def test_the_probes_of_spire_ask_where_it_answers(name: str) -> None:
    _, container, configuration = spire(f"samples/{name}", name)
    port = int(text_at(configuration, "health_checks", "bind_port"))
    named = {each.name: each.container_port for each in container.ports}
    for probe in container.probes:
        asked = probe.http_get.port
        assert (named[asked] if isinstance(asked, str) else asked) == port


def test_a_registrar_apart_may_call_whom_its_configuration_names() -> None:
    rendered = render("default")
    _, _, settings = registrar(rendered)
    assert isinstance(settings.spire, TCPAddress)
    (policy,) = rendered.of_kind("NetworkPolicy")
    egress = convert(policy["spec"], _Policy).egress
    namespaces = {
        (port.protocol, port.port): namespace
        for rule in egress
        for port in rule.ports
        for namespace in ([peer.name for peer in rule.to] or ["anywhere"])
    }
    server_namespace = settings.spire.host.split(".")[1]
    assert namespaces == {
        ("UDP", 53): "kube-system",
        ("TCP", 53): "kube-system",
        # The Service of the Kubernetes API, and what stands behind it.
        ("TCP", 443): "anywhere",
        ("TCP", 6443): "anywhere",
        ("TCP", settings.spire.port): server_namespace,
    }


class _PolicyPort(msgspec.Struct):
    port: int
    protocol: str


class _NamespaceSelector(msgspec.Struct, rename="camel"):
    match_labels: dict[str, str]


class _Peer(msgspec.Struct, rename="camel"):
    namespace_selector: _NamespaceSelector

    @property
    def name(self) -> str:
        return self.namespace_selector.match_labels["kubernetes.io/metadata.name"]


class _Rule(msgspec.Struct):
    ports: list[_PolicyPort]
    to: list[_Peer] = []


class _Policy(msgspec.Struct):
    egress: list[_Rule]


def test_every_namespace_is_the_same_whoever_brings_it() -> None:
    """So that applying one kustomization takes nothing from another."""
    found = [
        each
        for folder in KUSTOMIZATIONS
        for each in render(folder).of_kind("Namespace")
        if each["metadata"] != {"name": "shop"}
    ]
    assert len(found) > 5
    assert all(each == found[0] for each in found)


SPIRE_SOCKETS = re.compile(r"/run/spire/[\w./-]*\.sock\b")


def test_no_file_names_another_socket() -> None:
    known = {str(WORKLOAD_API), str(ADMIN), str(SERVER)}
    for file in [*CONFIG.rglob("*.*"), *(ROOT / "docs/howto").glob("*.md")]:
        if not file.is_file() or file.name.startswith("migrate-from"):
            continue  # what others have
        named = set(SPIRE_SOCKETS.findall(file.read_text(encoding="utf-8")))
        assert named - known == set(), file
