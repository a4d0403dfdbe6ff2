"""The peers' installations as objects of a cluster, with the entries that they made."""

import contextlib
from dataclasses import dataclass, field

from api.codec import JSONObject, JSONValue
from api.crd import CUSTOM_KINDS, crd
from api.proto.types_pb2 import Entry
from devcluster.client import NotFound
from devcluster.spire.server import SpireServer
from manager.migrate.reading import at, mappings
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
    """Containers in the same Pod, behind the peer's."""
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
        await setup.client.apply(raw("v1", "Namespace", self.namespace))
        await setup.client.apply(
            {
                **raw("v1", "ConfigMap", f"{self.name}-config", self.namespace),
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
        containers: list[JSONValue] = [container, *self.others]
        return {
            **raw("apps/v1", self.kind, self.name, self.namespace),
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
        return image_of(await self.setup.client.get(self.path))

    async def containers_there(self) -> list[str]:
        """The names of the containers now, in their order."""
        return [str(each["name"]) for each in containers_of(await self.setup.client.get(self.path))]

    async def text(self) -> str:
        """The file in the ConfigMap now."""
        path = f"/api/v1/namespaces/{self.namespace}/configmaps/{self.name}-config"
        data = (await self.setup.client.get(path))["data"]
        assert isinstance(data, dict)
        return str(data[self.file_name])


def raw(version: str, kind: str, name: str, namespace: str = "") -> JSONObject:
    metadata: JSONObject = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def containers_of(workload: JSONObject) -> list[JSONObject]:
    return mappings(at(workload, "spec", "template", "spec", "containers"))


def image_of(workload: JSONObject) -> str:
    return next((str(c["image"]) for c in containers_of(workload) if c["name"] == "peer"), "")


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


def layered_definition(plural: str, kind: str) -> JSONObject:
    """The definition of a kind as the layered peer spelled it, which lets everything be stored."""
    schema: JSONObject = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    name = f"{plural}.spiffeid.spiffe.io"
    return {
        **raw("apiextensions.k8s.io/v1", "CustomResourceDefinition", name),
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


async def _install_kinds_of_the_layered(setup: Setup, uids: dict[str, str]) -> None:
    """Its kinds as it spelled them, with objects that have its finalizer."""
    for plural, kind in (("clusterspiffeids", "ClusterSpiffeID"), ("spireentries", "SpireEntry")):
        name = f"{plural}.spiffeid.spiffe.io"
        with contextlib.suppress(NotFound):
            await setup.client.delete(CRDS + name)
        await eventually(lambda name=name: _is_away(setup, CRDS + name))  # type: ignore[misc]
        await setup.client.apply(layered_definition(plural, kind))
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
    document = raw("spiffeid.spiffe.io/v1beta1", kind, name)
    metadata: JSONObject = {"name": name, "finalizers": ["spiffeid.spiffe.io/original"]}
    document = {
        **document,
        "metadata": metadata,
        "spec": spec,
        "status": {"entryId": f"peer-{name}"},
    }
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
