"""The embedded Kubernetes API as one handle: start it, point clients at it, break it, stop it."""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator

from aiohttp import web

from devcluster.kubeapi.builtin import Builtins
from devcluster.kubeapi.customresources import CustomResources
from devcluster.kubeapi.documents import JSONObject
from devcluster.kubeapi.faults import Faults
from devcluster.kubeapi.garbage import Collector
from devcluster.kubeapi.objects import Objects, WriteOptions
from devcluster.kubeapi.resources import Registry
from devcluster.kubeapi.routes import Routes
from devcluster.kubeapi.storage import Store
from devcluster.kubeapi.watch import Watches

_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_SHUTDOWN_SECONDS = 1.0


class KubeAPI:
    """One embedded API server. Make it with `serve`."""

    def __init__(self, builtins: Builtins, *, port: int, garbage_collection: bool) -> None:
        self._port = port
        self._store = Store()
        registry = Registry()
        registry.install(builtins.resources())
        CustomResources(self._store, registry, builtins)
        self._objects = Objects(self._store, registry, builtins.messages)
        self._collector = Collector(self._objects, follows_owners=garbage_collection)
        self._watches = Watches()
        self.faults = Faults(drop=self._watches.close_all, expire=self._store.compact)
        self._routes = Routes(self._objects, builtins, self.faults, self._watches)
        self._runner: web.ServerRunner | None = None
        for name in _NAMESPACES:
            self._create_namespace(name)

    def _create_namespace(self, name: str) -> None:
        resource = self._objects.registry.find("", "v1", "namespaces")
        if resource is not None:
            options = WriteOptions(manager="kube-apiserver")
            self._objects.create(
                resource,
                "",
                {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}},
                options,
            )

    @classmethod
    @contextlib.asynccontextmanager
    async def serve(
        cls, *, port: int = 0, garbage_collection: bool = True
    ) -> AsyncIterator["KubeAPI"]:
        """A server that runs until the block is left; port 0 takes a free one."""
        server = cls(
            await asyncio.to_thread(Builtins), port=port, garbage_collection=garbage_collection
        )
        await server.start()
        try:
            yield server
        finally:
            await server.stop()

    @property
    def url(self) -> str:
        """Where it listens, such as http://127.0.0.1:40123."""
        return f"http://127.0.0.1:{self._port}"

    def kubeconfig(self) -> JSONObject:
        """A kubeconfig document that points here; any token is as good as this one."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "embedded", "cluster": {"server": self.url}}],
            "users": [{"name": "embedded", "user": {"token": "embedded"}}],
            "contexts": [
                {
                    "name": "embedded",
                    "context": {"cluster": "embedded", "user": "embedded", "namespace": "default"},
                }
            ],
            "current-context": "embedded",
        }

    async def start(self) -> None:
        """Listens, on the same port as before if it did so before; all objects are still there."""
        if self._runner is not None:
            return
        listener = _listener(self._port)
        self._port = listener.getsockname()[1]
        runner = web.ServerRunner(
            web.Server(self._routes.handle, access_log=None, handler_cancellation=True),
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        await runner.setup()
        await web.SockSite(runner, listener, backlog=1024).start()
        self._runner = runner
        self._collector.resume()

    async def stop(self) -> None:
        """Goes away: open watches end, connections are refused, all objects are kept."""
        runner, self._runner = self._runner, None
        if runner is not None:
            self._collector.pause()
            self._watches.close_all()
            await runner.cleanup()

    async def settled(self) -> None:
        """Returns when the garbage collector and its kin have nothing left to do."""
        await self._collector.settled()


def _listener(port: int) -> socket.socket:
    """Bind to the port; without one, to one below those that outgoing connections take.

    One of those could take the port while the server is stopped.
    """
    while True:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        wanted = port or random.randint(15000, 29999)  # noqa: S311 - no secret
        try:
            listener.bind(("127.0.0.1", wanted))
        except OSError:
            listener.close()
            if port:
                raise
        else:
            return listener
