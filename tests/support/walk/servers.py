"""What can happen to the servers of a walk, embedded or real: the same words for both."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import grpc

from api.codec import JSONObject
from api.crd import CUSTOM_KINDS, crd
from api.documents import dump_yaml
from api.kinds import SPIRE_ENTRY, Kind
from api.meta import KubeObject
from api.proto.types_pb2 import Entry
from devcluster.client import NotFound
from devcluster.spire.server import SpireServer
from hack.control_plane import ControlPlane
from hack.spire import RealServer
from manager.names import OWNERS_NAMESPACE
from registrar.settings.model import Settings, UnixAddress
from tests.support.setup import Setup, embedded_setup, eventually, real_setup
from tests.support.walk.line import Line
from tests.support.walk.model import PREFIX

_USER = "walker"


@dataclass
class Servers(ABC):
    """The servers of one walk. ``rights`` are those that were taken away, ``unserved`` kinds."""

    setup: Setup
    folder: Path
    unserved: set[str] = field(default_factory=set)
    forbidden: set[str] = field(default_factory=set)
    _lines: int = 0

    @abstractmethod
    async def forbid(self, plural: str) -> None:
        """Take away the registrar's right to read and write a kind."""

    @abstractmethod
    async def allow(self, plural: str) -> None:
        """Give it back."""

    @abstractmethod
    async def restart_spire(self) -> None:
        """Stop the SPIRE server and start it again."""

    @abstractmethod
    async def upset(self, number: int) -> str:
        """Do one of the things that only these servers can do; gives what was done."""

    @abstractmethod
    async def calm(self) -> None:
        """No more faults."""

    def entries(self) -> list[Entry]:
        """The entries of the walk."""
        return [e for e in self.setup.all_entries() if e.spiffe_id.path.startswith(PREFIX)]

    async def read(self) -> list[Entry] | None:
        """The entries of the walk, while all else goes on; None when SPIRE does not answer."""
        try:
            if isinstance(self.setup.spire_server, SpireServer):
                return self.entries()
            return await asyncio.to_thread(self.entries)
        except grpc.RpcError:
            return None

    def put_entry(self, entry: Entry) -> None:
        """Make an entry as somebody else would."""
        server = self.setup.spire_server
        (server.state if isinstance(server, SpireServer) else server).put(entry)

    def delete_entry(self, entry_id: str) -> None:
        """Delete an entry as somebody else would."""
        server = self.setup.spire_server
        (server.state if isinstance(server, SpireServer) else server).delete(entry_id)

    async def serve(self, kind: Kind[KubeObject], *, served: bool) -> None:
        """Serve a kind, whose schema takes anything, or serve it no more."""
        await self.setup.client.apply(_loose(kind, served=served))
        (self.unserved.discard if served else self.unserved.add)(kind.kind)

        async def is_so() -> bool:
            try:
                await self.setup.client.get(kind.path())
            except NotFound:
                return not served
            except RuntimeError:
                return False
            return served

        if kind.resource.partition(".")[0] not in self.forbidden:
            await eventually(is_so)

    async def delete_record(self, number: int) -> None:
        """Delete one of the SpireEntries, if there are any that may be read."""
        plural = SPIRE_ENTRY.resource.partition(".")[0]
        if SPIRE_ENTRY.kind in self.unserved or plural in self.forbidden:
            return
        found = await self._metadata(SPIRE_ENTRY)
        if found:
            metadata = found[number % len(found)]
            with contextlib.suppress(NotFound):
                await self.setup.client.delete(SPIRE_ENTRY.path("", str(metadata["name"])))

    async def _metadata(self, kind: Kind[KubeObject]) -> list[JSONObject]:
        """The metadata of all objects of a kind, once the API server has it ready."""
        found: list[JSONObject] = []

        async def is_read() -> bool:
            try:
                items = (await self.setup.client.get(kind.path()))["items"]
            except RuntimeError:
                return False
            assert isinstance(items, list)
            for item in items:
                assert isinstance(item, dict)
                assert isinstance(item["metadata"], dict)
                found.append(item["metadata"])
            return True

        await eventually(is_read)
        return found

    @contextlib.asynccontextmanager
    async def lines(self) -> AsyncIterator[tuple[Line, Line, Settings]]:
        """The lines of one registrar to the API server and to SPIRE, and settings that use them."""
        self._lines += 1
        settings, socket = self.setup.settings, self.folder / f"{self._lines}.sock"
        assert isinstance(settings.spire, UnixAddress)
        assert settings.kubeconfig is not None
        host, _, port = self.setup.url.rpartition(":")
        async with (
            Line.to_port(int(port)) as api,
            Line.to_socket(settings.spire.path, socket) as spire,
        ):
            kubeconfig = self.folder / f"{self._lines}.kubeconfig"
            text = settings.kubeconfig.read_text(encoding="utf-8")
            kubeconfig.write_text(text.replace(self.setup.url, f"{host}:{api.port}"))
            changed = replace(settings, kubeconfig=kubeconfig, spire=UnixAddress(socket))
            yield api, spire, changed


class Embedded(Servers):
    """Both servers are embedded."""

    @classmethod
    @contextlib.asynccontextmanager
    async def use(cls, folder: Path) -> AsyncIterator["Embedded"]:
        """Servers of one's own, until the block ends."""
        async with embedded_setup(folder) as setup:
            yield cls(setup, folder)

    async def forbid(self, plural: str) -> None:
        assert self.setup.embedded is not None
        self.forbidden.add(plural)
        self.setup.embedded.faults.fail(None, 403, resource=plural)
        self.setup.embedded.faults.drop_watches()

    async def allow(self, plural: str) -> None:
        assert self.setup.embedded is not None
        self.forbidden.discard(plural)
        self.setup.embedded.faults.clear()
        for left in self.forbidden:
            self.setup.embedded.faults.fail(None, 403, resource=left)

    async def restart_spire(self) -> None:
        await self.setup.spire.stop()
        await self.setup.spire.start()

    async def upset(self, number: int) -> str:
        api, faults = self.setup.embedded, self.setup.spire.faults
        assert api is not None
        match number % 4:
            case 0:
                api.faults.expire_watches()
                return "the watches expire"
            case 1:
                await api.stop()
                await api.start()
                return "the API server restarts"
            case 2:
                api.faults.drop_watches()
                return "the watches end"
        method = ("BatchCreateEntry", "BatchUpdateEntry", "BatchDeleteEntry")[number // 4 % 3]
        faults.fail(method, times=1 + number // 12 % 2)
        return f"{method} fails"

    async def calm(self) -> None:
        self.setup.spire.faults.clear()


@dataclass
class Real(Servers):
    """The real API server, where the registrar has only rights that can be taken, and SPIRE."""

    plane: ControlPlane = field(kw_only=True)
    spire: RealServer = field(kw_only=True)

    @classmethod
    @contextlib.asynccontextmanager
    async def use(
        cls, folder: Path, plane: ControlPlane, spire: RealServer
    ) -> AsyncIterator["Real"]:
        """Use servers that others use too; all is as before when the block ends."""
        async with real_setup(folder, plane, spire) as setup:
            made = cls(setup, folder, plane=plane, spire=spire)
            kubeconfig = await asyncio.to_thread(plane.kubeconfig_for, _USER)
            setup.settings = replace(setup.settings, kubeconfig=kubeconfig)
            await made._give_rights()
            try:
                yield made
            finally:
                await made._put_back()

    async def forbid(self, plural: str) -> None:
        self.forbidden.add(plural)
        await self._give_rights()

    async def allow(self, plural: str) -> None:
        self.forbidden.discard(plural)
        await self._give_rights()

    async def restart_spire(self) -> None:
        await asyncio.to_thread(self.spire.kill)
        await asyncio.to_thread(self.spire.start)

    async def upset(self, number: int) -> str:
        del number
        await self.restart_spire()
        return "the SPIRE server is killed and starts again"

    async def calm(self) -> None:
        """There are no faults but those that are mended."""

    async def _give_rights(self) -> None:
        """Rights on all that is used but what is forbidden."""
        ours = [custom.kind.resource.partition(".") for custom in CUSTOM_KINDS]
        plurals: dict[str, set[str]] = {
            "": {"pods", "nodes", "namespaces", "services", "endpoints", "configmaps", "events"},
            "events.k8s.io": {"events"},
            "coordination.k8s.io": {"leases"},
            "discovery.k8s.io": {"endpointslices"},
            "apps": {"replicasets"},
            "batch": {"jobs"},
        }
        for plural, _, group in ours:
            plurals.setdefault(group, set()).update((plural, f"{plural}/status"))
        rules = [
            {
                "apiGroups": [group],
                "resources": sorted(
                    name for name in names if name.partition("/")[0] not in self.forbidden
                ),
                "verbs": ["*"],
            }
            for group, names in plurals.items()
        ]
        kept = [rule for rule in rules if rule["resources"]]
        group = "rbac.authorization.k8s.io"
        metadata: JSONObject = {"name": _USER}
        await self.setup.client.apply(
            {
                "apiVersion": f"{group}/v1",
                "kind": "ClusterRole",
                "metadata": metadata,
                "rules": kept,  # type: ignore[dict-item]
            }
        )
        await self.setup.client.apply(
            {
                "apiVersion": f"{group}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": metadata,
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": _USER},
                "subjects": [{"apiGroup": group, "kind": "User", "name": _USER}],
            }
        )

    async def _put_back(self) -> None:
        """What does not decode goes first: nobody else could read it."""
        for custom in CUSTOM_KINDS:
            await self.serve(custom.kind, served=True)
            for metadata in await self._metadata(custom.kind):
                namespace, name = str(metadata.get("namespace", "")), str(metadata["name"])
                with contextlib.suppress(NotFound):
                    await self.setup.client.delete(custom.kind.path(namespace, name))
        crds = [crd(custom) for custom in CUSTOM_KINDS]
        text = "---\n".join(map(dump_yaml, crds))
        await asyncio.to_thread(self.plane.run_kubectl, "replace", "-f", "-", stdin=text)
        for custom in CUSTOM_KINDS:
            await self._metadata(custom.kind)
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        for plural in ("clusterroles", "clusterrolebindings"):
            await self.setup.client.delete(f"{rbac}/{plural}/{_USER}")
        for namespace in ("default", OWNERS_NAMESPACE):
            leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
            await self.setup.client.delete(leases)


def _loose(kind: Kind[KubeObject], *, served: bool) -> JSONObject:
    """The CustomResourceDefinition, with a schema that takes anything."""
    document = next(crd(custom) for custom in CUSTOM_KINDS if custom.kind.resource == kind.resource)
    spec = document["spec"]
    assert isinstance(spec, dict)
    for version in spec["versions"]:  # type: ignore[union-attr]
        schema: JSONObject = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version["served"] = served  # type: ignore[index, call-overload]
        version["schema"]["openAPIV3Schema"] = schema  # type: ignore[index, call-overload]
    return document
