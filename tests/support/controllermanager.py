"""The controller manager's mode in tests: its objects, made and looked at."""

import contextlib
from collections.abc import AsyncIterator
from typing import TypeVar

from api.codec import JSONObject, convert
from api.kinds import (
    CLUSTER_FEDERATED_TRUST_DOMAIN,
    CLUSTER_SPIFFEID,
    CLUSTER_STATIC_ENTRY,
    Kind,
)
from api.meta import KubeObject, find_condition
from api.proto.types_pb2 import Entry
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID, ClusterSPIFFEIDStats
from api.spire.v1alpha1.clusterstaticentry import ClusterStaticEntry
from devcluster.spire.server import SpireServer
from manager.process import Process
from registrar.settings.model import ControllerManager
from tests.support.setup import Setup, eventually, until

TEMPLATE = (
    "spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}"
)
NODE = "node-1"
T = TypeVar("T", bound=KubeObject)


class Manager:
    """A Setup with the words of the controller manager."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.client = setup.client

    @property
    def spire(self) -> SpireServer:
        """The SPIRE server where it is embedded."""
        return self.setup.spire

    @contextlib.asynccontextmanager
    async def running(self, **config: object) -> AsyncIterator[Process]:
        """Run the registrar in this mode; settings of the process go by ``settings_``."""
        settings = {
            name.removeprefix("settings_"): config.pop(name)
            for name in list(config)
            if name.startswith("settings_")
        }
        manager = ControllerManager(**config)  # type: ignore[arg-type]
        async with self.setup.registrar(controller_manager=manager, **settings) as process:
            yield process

    async def node(self, name: str = NODE, **labels: str) -> str:
        """Create or change a Node; gives its uid."""
        document = await self.client.apply(
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": dict(labels)}}
        )
        return _uid(document)

    async def namespace(self, name: str, **labels: str) -> str:
        """Create or change a Namespace; gives its uid."""
        metadata: JSONObject = {"name": name, "labels": dict(labels)}
        document = await self.client.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        )
        return _uid(document)

    async def pod(
        self,
        name: str,
        *,
        namespace: str = "default",
        node: str = NODE,
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        owner: JSONObject | None = None,
    ) -> str:
        """Create a Pod on a node; gives its uid."""
        metadata: JSONObject = {
            "name": name,
            "labels": {**(labels or {})},
            "annotations": {**(annotations or {})},
        }
        if owner is not None:
            metadata["ownerReferences"] = [owner]
        spec: JSONObject = {
            "serviceAccountName": "default",
            "containers": [{"name": "main", "image": "example.org/main:1"}],
        }
        if node:
            spec["nodeName"] = node
        document = await self.client.create(
            f"/api/v1/namespaces/{namespace}/pods",
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec},
        )
        return _uid(document)

    async def delete_pod(self, name: str, namespace: str = "default") -> None:
        """Delete a Pod at once."""
        await self.client.delete(f"/api/v1/namespaces/{namespace}/pods/{name}?gracePeriodSeconds=0")

    async def template(self, name: str, **spec: object) -> ClusterSPIFFEID:
        """Apply a ClusterSPIFFEID; by default with the usual template for all Pods."""
        spec.setdefault("spiffeIDTemplate", TEMPLATE)
        return await self._apply(CLUSTER_SPIFFEID, name, spec)

    async def static_entry(self, name: str, **spec: object) -> ClusterStaticEntry:
        """Apply a ClusterStaticEntry; by default /static/<name>."""
        spec.setdefault("spiffeID", f"spiffe://example.org/static/{name}")
        spec.setdefault("parentID", "spiffe://example.org/agent")
        spec.setdefault("selectors", ["unix:uid:0"])
        return await self._apply(CLUSTER_STATIC_ENTRY, name, spec)

    async def trust_domain(self, name: str, **spec: object) -> ClusterFederatedTrustDomain:
        """Apply a ClusterFederatedTrustDomain."""
        return await self._apply(CLUSTER_FEDERATED_TRUST_DOMAIN, name, spec)

    async def get_template(self, name: str) -> ClusterSPIFFEID:
        """A ClusterSPIFFEID as stored."""
        found = await self.client.get(CLUSTER_SPIFFEID.path("", name))
        return convert(found, ClusterSPIFFEID)

    async def get_static_entry(self, name: str) -> ClusterStaticEntry:
        """A ClusterStaticEntry as stored."""
        found = await self.client.get(CLUSTER_STATIC_ENTRY.path("", name))
        return convert(found, ClusterStaticEntry)

    async def get_trust_domain(self, name: str) -> ClusterFederatedTrustDomain:
        """A ClusterFederatedTrustDomain as stored."""
        found = await self.client.get(CLUSTER_FEDERATED_TRUST_DOMAIN.path("", name))
        return convert(found, ClusterFederatedTrustDomain)

    async def delete(self, kind: Kind[KubeObject], name: str) -> None:
        """Delete a cluster-scoped object."""
        await self.client.delete(kind.path("", name))

    async def until_condition(self, name: str, type_: str, words: str | None) -> None:
        """Wait until a condition of a ClusterSPIFFEID has these words; None: until it is gone."""

        async def is_right() -> bool:
            found = find_condition((await self.get_template(name)).status.conditions, type_)
            return found is None if words is None else found is not None and words in found.message

        await eventually(is_right)

    async def until_stats(self, name: str, **stats: int) -> None:
        """Wait until the stats of a ClusterSPIFFEID have these values."""

        async def are_right() -> bool:
            found = (await self.get_template(name)).status.stats
            return all(getattr(found, key) == value for key, value in stats.items())

        try:
            await eventually(are_right)
        except TimeoutError:
            found: ClusterSPIFFEIDStats = (await self.get_template(name)).status.stats
            raise AssertionError(f"stats of {name}: {found}") from None

    def paths(self) -> list[str]:
        """The SPIFFE ID paths on the SPIRE server, sorted, one for each entry."""
        return sorted(entry.spiffe_id.path for entry in self.setup.entries())

    async def until_paths(self, *paths: str) -> list[Entry]:
        """Wait until the SPIRE server holds entries of just these paths."""
        try:
            await until(lambda: self.paths() == sorted(paths))
        except TimeoutError:
            raise AssertionError(f"entries: {self.paths()}") from None
        return self.setup.entries()

    async def _apply(self, kind: Kind[T], name: str, spec: dict[str, object]) -> T:
        document: JSONObject = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"name": name},
            "spec": spec,  # type: ignore[dict-item]
        }
        return convert(await self.client.apply(document), kind.type)


def _uid(document: JSONObject) -> str:
    metadata = document["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["uid"])
