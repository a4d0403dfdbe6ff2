"""The peers' installations as objects of a cluster, and a stand-in for the node that runs them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from api.codec import JSONObject, JSONValue
from api.proto.types_pb2 import Entry
from devcluster.client import NotFound
from registrar.settings.load import interpret
from tests.support.setup import Setup

NAMESPACE = "spire-peer"
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
ignoreNamespaces: [kube-system, kube-public, spire-peer]
leaderElection: {{leaderElect: true}}
"""
WORKLOAD_FILE = """\
mode = "reconcile"
cluster = "test"
trust_domain = "example.org"
server_socket_path = "{socket}"
metrics_addr = "127.0.0.1:0"
disabled_namespaces = ["kube-system", "kube-public", "spire-peer"]
"""
LAYERED_FILE = """\
cluster = "test"
trust_domain = "example.org"
server_socket_path = "{socket}"
metrics_addr = "127.0.0.1:0"
"""


@dataclass
class PeerWorld:
    """One peer as it is installed: its workload, its ConfigMap and the words of its container."""

    setup: Setup
    peer: str
    file: str
    file_name: str
    kind: str = "Deployment"
    name: str = "registrar"
    namespace: str = NAMESPACE
    others: tuple[JSONObject, ...] = ()
    """Containers in the same Pod."""
    spec: JSONObject = field(default_factory=dict)
    """What else the workload's spec says."""
    container: JSONObject = field(default_factory=dict)
    """What else the container says."""

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


def manager_world(setup: Setup, **changes: object) -> PeerWorld:
    """spire-controller-manager, by default in a Deployment of its own."""
    text = MANAGER_FILE.format(socket=setup.settings.spire.path)  # type: ignore[union-attr]
    return PeerWorld(setup, MANAGER, text, "config.yaml", **changes)  # type: ignore[arg-type]


def workload_world(setup: Setup, **changes: object) -> PeerWorld:
    """k8s-workload-registrar in reconcile mode."""
    text = WORKLOAD_FILE.format(socket=setup.settings.spire.path)  # type: ignore[union-attr]
    name = "k8s-workload-registrar.conf"
    return PeerWorld(setup, WORKLOAD, text, name, **changes)  # type: ignore[arg-type]


def layered_world(setup: Setup, **changes: object) -> PeerWorld:
    """spire-k8s-registrar."""
    text = LAYERED_FILE.format(socket=setup.settings.spire.path)  # type: ignore[union-attr]
    return PeerWorld(setup, LAYERED, text, "spire-k8s-registrar.conf", **changes)  # type: ignore[arg-type]
