"""The peers' installations as objects of a cluster, and a stand-in for the node that runs them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from api.codec import JSONObject, JSONValue
from api.crd import CUSTOM_KINDS, crd
from api.proto.types_pb2 import Entry
from devcluster.client import NotFound
from devcluster.spire.server import SpireServer
from manager import cli
from manager.commands.migrating import migrate
from registrar.settings.load import interpret
from registrar.settings.model import UnixAddress
from tests.support.controllermanager import Manager
from tests.support.setup import Setup, eventually

OURS = "example.org/spire-registrar:test"
MANAGER, WORKLOAD, LAYERED = (
    "spire-controller-manager",
    "k8s-workload-registrar",
    "spire-k8s-registrar",
)
MANAGER_FILE = """\
apiVersion: spire.spiffe.io/v1alpha1
kind: ControllerManagerConfig
clusterName: test
trustDomain: example.org
spireServerSocketPath: {socket}
metrics: {{bindAddress: "127.0.0.1:0"}}
ignoreNamespaces: [kube-system, kube-public, "^of-"]
leaderElection: {{leaderElect: true}}
"""
WORKLOAD_FILE = """\
mode = "reconcile"
cluster = "test"
trust_domain = "example.org"
server_socket_path = "{socket}"
metrics_addr = "127.0.0.1:0"
disabled_namespaces = ["kube-system", "kube-public", "of-k8s-workload-registrar"]
"""
LAYERED_FILE = """\
cluster = "test"
trust_domain = "example.org"
server_socket_path = "{socket}"
metrics_addr = "127.0.0.1:0"
"""
PEERS = (MANAGER, WORKLOAD, LAYERED)
_FILES = {
    MANAGER: (MANAGER_FILE, "config.yaml"),
    WORKLOAD: (WORKLOAD_FILE, "k8s-workload-registrar.conf"),
    LAYERED: (LAYERED_FILE, "spire-k8s-registrar.conf"),
}
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
LAYERED_KINDS = "/apis/spiffeid.spiffe.io/v1beta1"


def namespace_of(peer: str) -> str:
    """Where a peer is installed."""
    return f"of-{peer}"


@dataclass
class PeerWorld:
    """One peer as it is installed: its workload, its ConfigMap and the words of its container."""

    setup: Setup
    peer: str
    file: str
    file_name: str
    kind: str = "Deployment"
    name: str = "registrar"
    others: tuple[JSONObject, ...] = ()
    """Containers in the same Pod."""
    spec: JSONObject = field(default_factory=dict)
    """What else the workload's spec says."""
    container: JSONObject = field(default_factory=dict)
    """What else the container says."""

    @property
    def namespace(self) -> str:
        """One for each peer: on a real server one that is deleted stays for a while."""
        return namespace_of(self.peer)

    @property
    def image(self) -> str:
        """Of the peer."""
        return f"example.org/spiffe/{self.peer}:1.0"

    @property
    def path(self) -> str:
        """Of the workload."""
        return f"/apis/apps/v1/namespaces/{self.namespace}/{self.kind.lower()}s/{self.name}"

    async def install(self) -> None:
        """Make the objects."""
        setup = self.setup
        await setup.client.apply(_object("v1", "Namespace", self.namespace))
        await setup.client.apply(
            {
                **_object("v1", "ConfigMap", f"{self.name}-config", self.namespace),
                "data": {self.file_name: self.file},
            }
        )
        await setup.client.apply(self.workload())

    async def remove(self) -> None:
        """Take away what the installation and a migration left on servers that others use."""
        client = self.setup.client
        name = f"spire-registrar-for-{self.namespace}-{self.name}"
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        for path in (
            self.path,
            f"/api/v1/namespaces/{self.namespace}",
            f"{rbac}/clusterroles/{name}",
            f"{rbac}/clusterrolebindings/{name}",
            f"{rbac}/namespaces/kube-public/roles/{name}",
            f"{rbac}/namespaces/kube-public/rolebindings/{name}",
        ):
            with contextlib.suppress(NotFound):
                await client.delete(path)

    def workload(self) -> JSONObject:
        """The Deployment or the like."""
        labels: JSONObject = {"app": self.name}
        container: JSONObject = {
            "name": "peer",
            "image": self.image,
            "args": ["-config", f"/etc/peer/{self.file_name}"],
            "env": [{"name": "ENABLE_WEBHOOKS", "value": "false"}],
            "volumeMounts": [{"name": "config", "mountPath": "/etc/peer"}],
            **self.container,
        }
        containers: list[JSONValue] = [*self.others, container]
        return {
            **_object("apps/v1", self.kind, self.name, self.namespace),
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "serviceAccountName": "peer",
                        "containers": containers,
                        "volumes": [
                            {"name": "config", "configMap": {"name": f"{self.name}-config"}}
                        ],
                    },
                },
                **({"serviceName": self.name} if self.kind == "StatefulSet" else {}),
                **self.spec,
            },
        }

    async def image_there(self) -> str:
        """The image of the container now; empty where it was taken out."""
        return _image(await self.setup.client.get(self.path))

    @contextlib.asynccontextmanager
    async def node(self) -> AsyncIterator["StandIn"]:
        """Play controller and kubelet of the workload until the block ends."""
        node = StandIn(self)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(node.run())
            try:
                yield node
            finally:
                running.cancel()


def _object(version: str, kind: str, name: str, namespace: str = "") -> JSONObject:
    metadata: JSONObject = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _image(workload: JSONObject) -> str:
    spec = workload["spec"]
    assert isinstance(spec, dict)
    template = spec["template"]
    assert isinstance(template, dict)
    pod = template["spec"]
    assert isinstance(pod, dict)
    containers = pod["containers"]
    assert isinstance(containers, list)
    for each in containers:
        assert isinstance(each, dict)
        if each["name"] == "peer":
            return str(each["image"])
    return ""


class StandIn:
    """Runs what the workload says: ours as a real process, of the peer only its Pod is there.

    A container of another image is started only when the one before has ended, as in a Pod.
    """

    def __init__(self, world: PeerWorld) -> None:
        self._world = world
        self._stack = contextlib.AsyncExitStack()
        self.ran: list[str] = []
        """The images that ran, one after the other; the empty text is none."""
        self.fails = False
        """Whether nothing comes up any more."""

    async def run(self) -> None:
        """Play until cancelled."""
        try:
            while True:
                with contextlib.suppress(NotFound):
                    await self._look()
                await asyncio.sleep(0.05)
        finally:
            await self._stack.aclose()

    async def _look(self) -> None:
        world = self._world
        workload = await world.setup.client.get(world.path)
        spec, metadata = workload["spec"], workload["metadata"]
        assert isinstance(spec, dict)
        assert isinstance(metadata, dict)
        replicas = spec.get("replicas", 1)
        selector = _node_selector(workload)
        image = "" if replicas == 0 or selector else _image(workload)
        if not self.ran or self.ran[-1] != image:
            await self._end()
            if self.fails and image:
                return
            self.ran.append(image)
            await self._begin(image)
        number = 0 if selector else replicas
        status: JSONObject = {
            "observedGeneration": metadata["generation"],
            "replicas": number,
            "updatedReplicas": number,
            "readyReplicas": number,
            "availableReplicas": number,
        }
        if world.kind == "StatefulSet":
            status |= {"currentReplicas": number, "currentRevision": "1", "updateRevision": "1"}
        if world.kind == "DaemonSet":
            status = {
                "observedGeneration": metadata["generation"],
                "currentNumberScheduled": number,
                "desiredNumberScheduled": number,
                "updatedNumberScheduled": number,
                "numberMisscheduled": 0,
                "numberReady": number,
            }
        await world.setup.client.merge(f"{world.path}/status", {"status": status})

    async def _begin(self, image: str) -> None:
        world = self._world
        if not image:
            return
        await world.setup.client.create(
            f"/api/v1/namespaces/{world.namespace}/pods",
            {
                **_object("v1", "Pod", f"{world.name}-0", world.namespace),
                "metadata": {"name": f"{world.name}-0", "labels": {"app": world.name}},
                "spec": {"containers": [{"name": "peer", "image": image}]},
            },
        )
        if image == OURS:
            settings = interpret(
                await self._text(),
                path=Path(world.file_name),
                environment={"ENABLE_WEBHOOKS": "false"},
            )
            own = replace(settings, kubeconfig=world.setup.settings.kubeconfig)
            changes = {name: getattr(own, name) for name in own.__slots__}
            await self._stack.enter_async_context(world.setup.starting(**changes))

    async def _text(self) -> str:
        world = self._world
        path = f"/api/v1/namespaces/{world.namespace}/configmaps/{world.name}-config"
        data = (await world.setup.client.get(path))["data"]
        assert isinstance(data, dict)
        return str(data[world.file_name])

    async def _end(self) -> None:
        world = self._world
        await self._stack.aclose()
        path = f"/api/v1/namespaces/{world.namespace}/pods/{world.name}-0"
        with contextlib.suppress(NotFound):
            await world.setup.client.delete(f"{path}?gracePeriodSeconds=0")


def _node_selector(workload: JSONObject) -> bool:
    """Whether it selects Nodes that are not there."""
    return "spire-registrar.spiffe.io/stopped" in str(workload["spec"])


def an_entry(id_: str, path: str, parent: str, *selectors: str) -> Entry:
    """An entry as a peer made it, under an ID that the server chose."""
    entry = Entry(id=id_)
    entry.spiffe_id.trust_domain, entry.spiffe_id.path = "example.org", path
    entry.parent_id.trust_domain, entry.parent_id.path = "example.org", parent
    for selector in selectors:
        type_, _, value = selector.partition(":")
        entry.selectors.add(type=type_, value=value)
    return entry


def world_of(setup: Setup, peer: str, **changes: object) -> PeerWorld:
    """A peer, by default in a Deployment of its own."""
    address = setup.settings.spire
    assert isinstance(address, UnixAddress)
    text, name = _FILES[peer]
    return PeerWorld(setup, peer, text.format(socket=address.path), name, **changes)  # type: ignore[arg-type]


async def installed(setup: Setup, peer: str, **changes: object) -> PeerWorld:
    """A peer that has made its entries for two Pods, beside an entry that a person made."""
    manager = Manager(setup)
    node = await manager.node()
    uids = {name: await manager.pod(name) for name in ("a", "b")}
    if peer == LAYERED:
        await _install_kinds_of_the_layered(setup, uids)
    elif peer == MANAGER:
        template = "spiffe://{{ .TrustDomain }}/{{ .PodMeta.Name }}"
        await manager.template("all", spiffeIDTemplate=template)
    for entry in _entries(peer, node, uids):
        _put(setup, entry)
    _put(setup, an_entry("by-hand", "/by-hand", "/spire/server", "unix:uid:7"))
    world = world_of(setup, peer, **changes)
    await world.install()
    return world


def _entries(peer: str, node: str, uids: dict[str, str]) -> list[Entry]:
    """The entries as the peer makes them."""
    if peer == MANAGER:
        parent = f"/spire/agent/k8s_psat/test/{node}"
        return [
            an_entry(f"peer-{name}", f"/{name}", parent, f"k8s:pod-uid:{uid}")
            for name, uid in uids.items()
        ]
    if peer == LAYERED:
        parent = "/spire-k8s-operator/test/node"
        return [
            an_entry("peer-node", parent, "/spire/server", "k8s_psat:cluster:test"),
            *(
                an_entry(f"peer-{name}", f"/{name}", parent, f"k8s:pod-label:app:{name}")
                for name in uids
            ),
        ]
    root = "/spire-k8s-registrar/test/node"
    of_node = ("k8s_psat:agent_node_name:node-1", "k8s_psat:cluster:test")
    return [
        an_entry("peer-node", f"{root}/node-1", "/spire/server", *of_node),
        *(
            an_entry(
                f"peer-{name}",
                "/ns/default/sa/default",
                f"{root}/node-1",
                "k8s:ns:default",
                f"k8s:pod-name:{name}",
            )
            for name in uids
        ),
    ]


def _put(setup: Setup, entry: Entry) -> None:
    if isinstance(setup.spire_server, SpireServer):
        setup.spire_server.state.put(entry)
    else:
        setup.spire_server.put(entry)


async def _install_kinds_of_the_layered(setup: Setup, uids: dict[str, str]) -> None:
    """Its kinds as it spelled them, with objects that have its finalizer."""
    for plural, kind in (("clusterspiffeids", "ClusterSpiffeID"), ("spireentries", "SpireEntry")):
        name = f"{plural}.spiffeid.spiffe.io"
        with contextlib.suppress(NotFound):
            await setup.client.delete(CRDS + name)
        await eventually(lambda name=name: _is_away(setup, CRDS + name))  # type: ignore[misc]
        schema: JSONObject = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        await setup.client.apply(
            {
                **_object("apiextensions.k8s.io/v1", "CustomResourceDefinition", name),
                "spec": {
                    "group": "spiffeid.spiffe.io",
                    "scope": "Cluster",
                    "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
                    "versions": [
                        {
                            "name": "v1beta1",
                            "served": True,
                            "storage": True,
                            "schema": {"openAPIV3Schema": schema},
                        }
                    ],
                },
            }
        )
        await eventually(lambda plural=plural: _is_served(setup, plural))  # type: ignore[misc]
    for name, uid in uids.items():
        spec: JSONObject = {
            "spiffeId": f"spiffe://example.org/{name}",
            "selector": {"podLabel": {"app": name}},
        }
        made: JSONObject = {**spec, "selector": {"podUid": uid}}
        await _create(setup, "clusterspiffeids", "ClusterSpiffeID", name, spec)
        await _create(setup, "clusterspiffeids", "ClusterSpiffeID", f"pod-{name}", made)
        await _create(setup, "spireentries", "SpireEntry", f"record-{name}", spec)


async def _is_away(setup: Setup, path: str) -> bool:
    try:
        await setup.client.get(path)
    except NotFound:
        return True
    return False


async def _is_served(setup: Setup, plural: str) -> bool:
    try:
        await setup.client.get(f"{LAYERED_KINDS}/{plural}")
    except RuntimeError:
        return False
    return True


async def _create(setup: Setup, plural: str, kind: str, name: str, spec: JSONObject) -> None:
    document = _object("spiffeid.spiffe.io/v1beta1", kind, name)
    metadata: JSONObject = {"name": name, "finalizers": ["spiffeid.spiffe.io/original"]}
    document = {**document, "metadata": metadata, "spec": spec, "status": {"entryId": f"peer-{name}"}}
    await setup.client.create(f"{LAYERED_KINDS}/{plural}", document)


async def restore_kinds(setup: Setup) -> None:
    """Put our spelling of the layered registrar's kinds back, for what cleans up afterwards."""
    for custom in CUSTOM_KINDS:
        path = CRDS + custom.kind.resource
        if custom.kind.group == "spiffeid.spiffe.io":
            for document in _items(await setup.client.get(custom.kind.path())):
                metadata = document["metadata"]
                assert isinstance(metadata, dict)
                one = custom.kind.path(str(metadata.get("namespace", "")), str(metadata["name"]))
                await setup.client.merge(one, {"metadata": {"finalizers": None}})
            await setup.client.delete(path)
            await eventually(lambda path=path: _is_away(setup, path))  # type: ignore[misc]
        await setup.client.apply(crd(custom))
    for plural in ("clusterspiffeids", "spireentries", "spiffeids"):
        await eventually(lambda plural=plural: _is_served(setup, plural))  # type: ignore[misc]


def _items(listed: JSONObject) -> list[JSONObject]:
    items = listed["items"]
    assert isinstance(items, list)
    return [item for item in items if isinstance(item, dict)]


class Run:
    """The command in this process."""

    def __init__(self, setup: Setup, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder / "out"
        self._setup = setup
        self._capsys = capsys
        self.out = self.err = ""

    async def __call__(self, peer: str, *flags: str) -> int:
        words = ["migrate", peer, "--kubeconfig", str(self._setup.settings.kubeconfig)]
        words += ["--output-dir", str(self.folder), "--timeout", "60s", *flags]
        self._capsys.readouterr()
        arguments = cli.parser().parse_args(words)
        code = await migrate(arguments)
        self.out, self.err = self._capsys.readouterr()
        return code

    async def document(self, peer: str, *flags: str) -> tuple[int, dict[str, object]]:
        code = await self(peer, "-o", "json", *flags)
        return code, json.loads(self.out)


async def there_and_back(run: Run, world: PeerWorld, *, ran: list[str] | None = None) -> None:
    """Migrate, and undo it: no entry that was there first is missing at any moment."""
    setup = world.setup
    before = {entry.id for entry in setup.all_entries()}
    assert before
    async with world.node() as node:
        code, document = await run.document(world.peer, "--apply", "--yes", "--image", OURS)
        assert code == 0, (run.out, run.err)
        assert seen(document) == (len(before), 0)
        assert await world.image_there() == OURS
        assert before <= {entry.id for entry in setup.all_entries()}
        code, document = await run.document(world.peer, "--undo", "--yes")
        assert code == 0, (run.out, run.err)
        assert seen(document) == (len(setup.all_entries()), 0)
        assert await world.image_there() == world.image
        assert node.ran == (ran or [world.image, "", OURS, "", world.image])
    assert before <= {entry.id for entry in setup.all_entries()}


def seen(document: dict[str, object]) -> tuple[object, object]:
    """How many entries were watched, and in how many moments one was missing."""
    watch = document["watch"]
    assert isinstance(watch, dict)
    return watch["entries"], watch["missingMoments"]
