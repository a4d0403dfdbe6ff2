"""A whole pretend cluster: Kubernetes API, one node, and a SPIRE server, on loopback."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from api.codec import JSONObject
from api.crd import CUSTOM_KINDS, crd
from api.documents import dump_yaml
from api.proto.types_pb2 import Bundle, Entry
from devcluster.client import Client
from devcluster.kubeapi.server import KubeAPI
from devcluster.nodes import add_node, run_pods
from devcluster.spire.server import SpireServer


class Cluster:
    """The running servers and where to reach them; made by ``serve``."""

    def __init__(self, kube: KubeAPI, spire: SpireServer, client: Client, folder: Path) -> None:
        self.kube = kube
        self.spire = spire
        self.client = client
        self.kubeconfig = folder / "kubeconfig"
        self.spire_socket = folder / "spire-server.sock"

    async def apply(self, documents: Iterable[JSONObject]) -> None:
        """Apply objects in their order."""
        for document in documents:
            await self.client.apply(document)

    async def entries(self) -> list[Entry]:
        """All entries on the SPIRE server."""
        return self.spire.state.entries()

    async def put_entry(self, entry: Entry) -> None:
        """Make an entry as somebody else would."""
        self.spire.state.put(entry)

    async def delete_entry(self, entry_id: str) -> None:
        """Delete an entry as somebody else would."""
        self.spire.state.delete(entry_id)

    async def put_bundle(self, bundle: Bundle) -> None:
        """Let the SPIRE server know another trust domain."""
        self.spire.state.bundles[bundle.trust_domain] = bundle

    @classmethod
    @asynccontextmanager
    async def serve(
        cls, folder: Path, *, trust_domain: str = "example.org", port: int = 0
    ) -> AsyncIterator["Cluster"]:
        """Run until the block ends; sockets and the kubeconfig lie in ``folder``."""
        async with (
            KubeAPI.serve(port=port) as kube,
            SpireServer.serve(
                socket_path=folder / "spire-server.sock", trust_domain=trust_domain
            ) as spire,
            aiohttp.ClientSession() as http,
        ):
            client = Client(http, kube.url)
            cluster = cls(kube, spire, client, folder)
            await asyncio.to_thread(
                cluster.kubeconfig.write_text, dump_yaml(kube.kubeconfig()), encoding="utf-8"
            )
            await cluster.apply(crd(custom) for custom in CUSTOM_KINDS)
            await add_node(client)
            async with asyncio.TaskGroup() as tasks:
                kubelet = tasks.create_task(run_pods(client))
                try:
                    yield cluster
                finally:
                    kubelet.cancel()
