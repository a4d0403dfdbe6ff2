"""A Kubernetes API, a SPIRE server, and registrar processes between them.

The same tests run on the embedded API server and on the real one, some on a real SPIRE server
too; ``Setup`` hides which it is. The registrar is the real process object on real sockets.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import aiohttp

from api.codec import JSONObject, convert
from api.core import Event
from api.crd import CUSTOM_KINDS, crd
from api.documents import dump_yaml
from api.kinds import (
    CLUSTER_SPIFFE_ID,
    ENDPOINT_SLICE,
    ENDPOINTS,
    EVENT,
    POD,
    SPIRE_ENTRY,
    Kind,
)
from api.meta import Condition, KubeObject, find_condition
from api.proto.types_pb2 import Entry
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from api.spiffeid.v1beta1.spireentry import SpireEntry
from devcluster.client import Client, NotFound
from devcluster.kubeapi.server import KubeAPI
from devcluster.spire.server import SpireServer
from hack.control_plane import ControlPlane
from hack.spire import RealServer
from manager.process import Process
from registrar.errors import LeadershipLost, flat
from registrar.settings.model import Settings, UnixAddress
from tests.support.waiting import eventually, until

__all__ = [
    "Setup",
    "changed",
    "cluster_spiffe_id",
    "connections_end",
    "embedded_setup",
    "eventually",
    "real_setup",
    "some_looks",
    "until",
]
from tests.support.spire import SharedSpire

T = TypeVar("T", bound=KubeObject)

DRIFT_SECONDS = 0.5


@dataclass
class Life:
    """One process from its start to its end."""

    process: Process
    lost: str = ""
    """Why it lost its leadership and ended, in words."""


@dataclass
class Setup:
    """The servers, and a client that knows nothing of the product's own."""

    client: Client
    spire_server: SpireServer | SharedSpire
    settings: Settings
    http: aiohttp.ClientSession
    url: str
    """Where the API server is, and connections to it that are logged in."""
    embedded: KubeAPI | None = None

    @property
    def spire(self) -> SpireServer:
        """The SPIRE server where it is embedded, with its state, its faults and its counters."""
        assert isinstance(self.spire_server, SpireServer), "the SPIRE server is a real one here"
        return self.spire_server

    def all_entries(self) -> list[Entry]:
        """All entries on the SPIRE server."""
        if isinstance(self.spire_server, SpireServer):
            return self.spire_server.state.entries()
        return self.spire_server.entries()

    @contextlib.asynccontextmanager
    async def registrar(self, **changes: object) -> AsyncIterator[Process]:
        """Run a registrar until the block ends; waits until its first pass is over."""
        async with self.starting(**changes) as process:
            await until(lambda: process.first_pass_is_over)
            yield process

    @contextlib.asynccontextmanager
    async def starting(self, **changes: object) -> AsyncIterator[Process]:
        """Run a registrar until the block ends, however far it comes."""
        process = Process(replace(self.settings, **changes))  # type: ignore[arg-type]
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(process.run())
            try:
                yield process
            finally:
                running.cancel()

    @contextlib.asynccontextmanager
    async def life(self, **changes: object) -> AsyncIterator[Life]:
        """Run a registrar until the block ends, or it loses its leadership."""
        life = Life(Process(replace(self.settings, **changes)))  # type: ignore[arg-type]

        async def run() -> None:
            lost = list[LeadershipLost]()
            try:
                await life.process.run()
            except* LeadershipLost as errors:
                lost = flat(errors)
            life.lost = "; ".join(map(str, lost))

        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(run())
            try:
                yield life
            finally:
                running.cancel()

    async def apply(self, name: str, **spec: object) -> None:
        """Apply a ClusterSpiffeId with that spec, in camelCase."""
        await self.client.apply(cluster_spiffe_id(name, **spec))

    async def create_pod(self, name: str, namespace: str = "default", **labels: str) -> str:
        """Create a Pod; gives its uid."""
        document = await self.client.create(
            f"/api/v1/namespaces/{namespace}/pods",
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "labels": dict(labels)},
                "spec": {"containers": [{"name": "main", "image": "example.org/main:1"}]},
            },
        )
        metadata = document["metadata"]
        assert isinstance(metadata, dict)
        return str(metadata["uid"])

    async def get(self, name: str) -> ClusterSpiffeId:
        """The ClusterSpiffeId of that name."""
        return convert(
            await self.client.get(CLUSTER_SPIFFE_ID.path("", name)), CLUSTER_SPIFFE_ID.type
        )

    async def cluster_spiffe_ids(self) -> list[ClusterSpiffeId]:
        """All ClusterSpiffeIds."""
        return await self._list(CLUSTER_SPIFFE_ID)

    async def spire_entries(self) -> list[SpireEntry]:
        """All SpireEntries but the registrar's own."""
        entries = await self._list(SPIRE_ENTRY)
        return [e for e in entries if not e.spec.spiffe_id.endswith("/node")]

    async def alias(self) -> SpireEntry:
        """The registrar's own SpireEntry, as soon as it is there: records follow the entries."""
        found = list[SpireEntry]()

        async def is_recorded() -> bool:
            entries = await self._list(SPIRE_ENTRY)
            found[:] = [e for e in entries if e.spec.spiffe_id.endswith("/node")]
            return bool(found)

        await eventually(is_recorded)
        return found[0]

    async def events(self, kind: str, name: str) -> list[Event]:
        """The Events on one object."""
        found = await self._list(EVENT)
        return [
            e for e in found if (e.involved_object.kind, e.involved_object.name) == (kind, name)
        ]

    async def condition(self, name: str, type_: str = "Ready") -> Condition | None:
        """A condition of a ClusterSpiffeId."""
        return find_condition((await self.get(name)).status.conditions, type_)

    async def until_ready(self, name: str, status: str = "True") -> ClusterSpiffeId:
        """Wait until a ClusterSpiffeId's Ready condition speaks of its generation."""
        found: list[ClusterSpiffeId] = []

        async def is_ready() -> bool:
            obj = await self.get(name)
            ready = find_condition(obj.status.conditions, "Ready")
            found[:] = [obj]
            return (
                ready is not None
                and ready.status == status
                and ready.reason != "Pending"
                and ready.observed_generation == obj.metadata.generation
            )

        await eventually(is_ready)
        return found[0]

    def entries(self, path: str = "") -> list[Entry]:
        """Entries on the SPIRE server: those of a SPIFFE ID's path, or all but the alias."""
        return [
            entry
            for entry in self.all_entries()
            if (
                entry.spiffe_id.path == path if path else not entry.spiffe_id.path.endswith("/node")
            )
        ]

    async def until_entries(self, path: str, number: int) -> list[Entry]:
        """Wait until the SPIRE server holds that many entries of a path."""
        await until(lambda: len(self.entries(path)) == number)
        return self.entries(path)

    async def _list(self, kind: Kind[T]) -> list[T]:
        items = (await self.client.get(kind.path()))["items"]
        assert isinstance(items, list)
        return [convert(item, kind.type) for item in items]

    async def clean(self) -> None:
        """Remove what a test left on a server that others use too, and wait until it is gone."""
        await self.client.delete("/api/v1/nodes")
        for plural in ("deployments", "replicasets"):
            await self.client.delete(f"/apis/apps/v1/namespaces/default/{plural}")
        await self.forget_federation()
        await eventually(self._is_clean)

    async def forget_federation(self) -> None:
        """Take away the record of which relationships are ours, as if it had never been kept."""
        with contextlib.suppress(NotFound):
            await self.client.delete(FEDERATION_RECORD)

    async def _is_clean(self) -> bool:
        """Delete what is there; tell whether there was nothing.

        The garbage collector deletes too, and namespaces take their content with them.
        """
        kinds = (*(custom.kind for custom in CUSTOM_KINDS), ENDPOINTS, ENDPOINT_SLICE, POD)
        is_clean = True
        for kind in kinds:
            for obj in await self._list(kind):
                path = kind.object_path(obj.key)
                if kind in {ENDPOINTS, ENDPOINT_SLICE} and obj.metadata.name == "kubernetes":
                    continue
                is_clean = False
                with contextlib.suppress(NotFound):
                    left = await self.client.delete(f"{path}?gracePeriodSeconds=0")
                    metadata = left.get("metadata")
                    if isinstance(metadata, dict) and metadata.get("finalizers"):
                        await self.client.merge(path, {"metadata": {"finalizers": None}})
        return is_clean


FEDERATION_RECORD = "/api/v1/namespaces/kube-public/configmaps/spire-registrar-federation"


def cluster_spiffe_id(name: str, **spec: object) -> JSONObject:
    """A ClusterSpiffeId to apply; by default /<name> for Pods labelled app=<name>."""
    document: JSONObject = {
        "apiVersion": CLUSTER_SPIFFE_ID.api_version,
        "kind": CLUSTER_SPIFFE_ID.kind,
        "metadata": {"name": name},
        "spec": {
            "spiffeId": f"spiffe://example.org/{name}",
            "selector": {"podLabel": {"app": name}},
            **spec,  # type: ignore[dict-item]
        },
    }
    return document


def changed(entry: Entry, **fields: object) -> Entry:
    """A copy of an entry with other fields."""
    copy = Entry()
    copy.CopyFrom(entry)
    for name, value in fields.items():
        setattr(copy, name, value)
    return copy


async def some_looks(setup: Setup, number: int = 4) -> None:
    """Wait until the drift check has looked a few times more."""
    listed = setup.spire.calls["ListEntries"]
    await until(lambda: setup.spire.calls["ListEntries"] >= listed + number)


@contextlib.asynccontextmanager
async def connections_end() -> AsyncIterator[None]:
    """Wait after the block until cut off TLS connections are closed: the peer has a say in it.

    A loop that ends before leaves them to the garbage collector, which warns in some later test.
    """
    yield
    transports = getattr(asyncio.get_running_loop(), "_transports", {})
    with contextlib.suppress(TimeoutError):
        await until(
            lambda: all(getattr(t, "_sock", None) is None for t in list(transports.values())), 2.0
        )


@contextlib.asynccontextmanager
async def embedded_setup(
    folder: Path, *, dropped_fields: frozenset[str] = frozenset()
) -> AsyncIterator[Setup]:
    """Everything embedded; the SPIRE server does not know ``dropped_fields`` of entries."""
    async with connections_end(), KubeAPI.serve() as api:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(dump_yaml(api.kubeconfig()), encoding="utf-8")
        async with (
            aiohttp.ClientSession() as http,
            _setup(folder, http, api.url, kubeconfig, dropped_fields) as setup,
        ):
            setup.embedded = api
            yield setup


@contextlib.asynccontextmanager
async def real_setup(
    folder: Path, plane: ControlPlane, spire: RealServer | None = None
) -> AsyncIterator[Setup]:
    """The real control plane with an embedded SPIRE server or a real one; cleaned afterwards."""
    await asyncio.to_thread(_install_kinds, plane)
    tls = ssl.create_default_context(cafile=str(plane.ca_file))
    async with (
        connections_end(),
        aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {plane.token}"},
            connector=aiohttp.TCPConnector(ssl=tls),
        ) as http,
        _setup(folder, http, plane.url, plane.kubeconfig, spire=spire) as setup,
    ):
        try:
            yield setup
        finally:
            await setup.clean()


def _install_kinds(plane: ControlPlane) -> None:
    """Install the CRDs; the garbage collector, which looks every 30 s, learns of them at once."""
    names = plane.run_kubectl("get", "customresourcedefinitions", "--output=name")
    documents = [crd(custom) for custom in CUSTOM_KINDS]
    if all(custom.kind.resource in names for custom in CUSTOM_KINDS):
        return
    plane.run_kubectl("apply", "-f", "-", stdin="---\n".join(map(dump_yaml, documents)))
    for custom in CUSTOM_KINDS:
        plane.run_kubectl(
            "wait", "--for=condition=Established", f"crd/{custom.kind.resource}", "--timeout=90s"
        )
    plane.stop_controller_manager()
    plane.start_controller_manager()


@contextlib.asynccontextmanager
async def _setup(
    folder: Path,
    http: aiohttp.ClientSession,
    url: str,
    kubeconfig: Path,
    dropped_fields: frozenset[str] = frozenset(),
    spire: RealServer | None = None,
) -> AsyncIterator[Setup]:
    client = Client(http, url)
    for custom in CUSTOM_KINDS:
        await client.apply(crd(custom))
    for custom in CUSTOM_KINDS:
        await _served(client, custom.kind)
    async with _spire(folder / "spire.sock", dropped_fields, spire) as (server, socket):
        yield Setup(
            client=client,
            http=http,
            url=url,
            spire_server=server,
            settings=Settings(
                cluster="test",
                trust_domain="example.org",
                spire=UnixAddress(socket),
                metrics_addr="127.0.0.1:0",
                drift_interval_seconds=DRIFT_SECONDS,
                kubeconfig=kubeconfig,
            ),
        )


@contextlib.asynccontextmanager
async def _spire(
    socket: Path, dropped_fields: frozenset[str], real: RealServer | None
) -> AsyncIterator[tuple[SpireServer | SharedSpire, Path]]:
    if real is None:
        async with SpireServer.serve(socket_path=socket, dropped_fields=dropped_fields) as server:
            yield server, socket
        return
    with SharedSpire.use(real) as shared:
        yield shared, real.socket_path


async def _served(client: Client, kind: Kind[T]) -> None:
    """Wait until the API server serves a custom kind."""

    async def answers() -> bool:
        try:
            await client.get(kind.path())
        except RuntimeError:
            return False
        return True

    await eventually(answers)
