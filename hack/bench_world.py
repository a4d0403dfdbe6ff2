"""What the benchmark measures: a real control plane, a SPIRE server, a controller's process."""

import asyncio
import contextlib
import itertools
import os
import shlex
import shutil
import socket
import ssl
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import STDOUT

import aiohttp

from api.codec import JSONValue
from api.crd import CUSTOM_KINDS, crd
from api.documents import dump_yaml
from hack.bench_relay import Relays
from hack.bench_server import Database, Spire, cpu_seconds, open_spire
from hack.control_plane import ControlPlane

ROOT = Path(__file__).resolve().parent.parent
NAMESPACE, BYSTANDERS = "bench", "bystanders"
_PATIENCE_SECONDS = 600.0

_CONFIGURATION = """\
cluster            = "bench"
trust_domain       = "example.org"
server_socket_path = "{socket}"
metrics_addr       = "127.0.0.1:{port}"
pod_controller     = true
pod_label          = "spiffe"
"""

_MANAGER_CONFIGURATION = """\
apiVersion: spire.spiffe.io/v1alpha1
kind: ControllerManagerConfig
clusterName: bench
trustDomain: example.org
clusterDomain: cluster.local
spireServerSocketPath: {socket}
metrics: {{bindAddress: "127.0.0.1:{port}"}}
health: {{healthProbeBindAddress: "127.0.0.1:{health}"}}
"""

TEMPLATES = 20

# A mount namespace of its own shows the process a service account where a Pod has it.
_IN_CLUSTER = """\
set -e
mount -t tmpfs none /run
mkdir -p /run/secrets/kubernetes.io/serviceaccount
cp {ca} /run/secrets/kubernetes.io/serviceaccount/ca.crt
printf %s {token} > /run/secrets/kubernetes.io/serviceaccount/token
exec {command}
"""


@dataclass
class Registrar:
    """A controller's process, its metrics and its probes."""

    process: Process
    url: str
    health: str
    http: aiohttp.ClientSession

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    def memory(self) -> dict[str, int]:
        """VmRSS and VmHWM in MB (10^6 bytes)."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        lines = (line.split() for line in status.splitlines())
        wanted = {"VmRSS:": "resident", "VmHWM:": "highest"}
        return {wanted[w[0]]: int(w[1]) * 1024 // 10**6 for w in lines if w and w[0] in wanted}

    def cpu_seconds(self) -> float:
        """User and system time used so far."""
        return cpu_seconds(self.pid)

    async def until_ready(self) -> None:
        """Wait for /readyz. Raises RuntimeError when the process ends before."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                if self.process.returncode is not None:
                    raise RuntimeError(f"the controller ended: {self.process.returncode}")
                with contextlib.suppress(aiohttp.ClientError):
                    async with self.http.get(f"{self.health}/readyz") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.02)

    async def until_idle(self) -> None:
        """Wait until every work queue is empty."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while any(  # noqa: ASYNC110 - asks a server
                value > 0
                for name, value in (await self.metrics()).items()
                if name.startswith(("workqueue_depth", "controller_runtime_active_workers"))
            ):
                await asyncio.sleep(0.2)

    async def api_writes(self) -> int:
        """How many writes it has sent to the Kubernetes API."""
        found = await self.metrics()
        return int(
            sum(
                value
                for name, value in found.items()
                if name.startswith("rest_client_requests_total") and 'method="GET"' not in name
            )
        )

    async def metrics(self) -> dict[str, float]:
        """Every series with its value."""
        async with self.http.get(f"{self.url}/metrics") as response:
            text = await response.text()
        series = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                series[name] = float(value)
        return series


class World:
    """Everything together; make it with ``open_world``."""

    def __init__(
        self,
        plane: ControlPlane,
        spire: Spire,
        kube: aiohttp.ClientSession,
        *,
        manager: bool,
        nodes: int,
    ) -> None:
        self.plane = plane
        self._manager = manager
        self._nodes = itertools.cycle([node_name(number) for number in range(nodes)])
        # The layered mode has one entry more than Pods: the alias of the agents.
        self.extra_entries = 0 if manager else 1
        self.spire = spire
        self._kube = kube
        self.in_cluster = os.geteuid() == 0 and shutil.which("unshare") is not None

    @contextlib.asynccontextmanager
    async def registrar(
        self, against: str = "", *, through: Relays | None = None
    ) -> AsyncIterator[Registrar]:
        """Run the registrar, as in a Pod where the machine allows; waits until it is ready.

        ``against`` is the command line of another controller, to be run instead of ours.
        ``through`` are relays before both servers; ours alone goes through them.
        """
        port, health = _free_port(), _free_port()
        folder = self.plane.folder
        configuration = self.configure(
            through.socket if through else self.spire.socket, port=port, health=health
        )
        environment = {**os.environ, "ENABLE_WEBHOOKS": "false"}
        if against:
            environment["KUBECONFIG"] = str(self.plane.kubeconfig)
            command = [
                word.replace("{config}", str(configuration)) for word in shlex.split(against)
            ]
        else:
            command, more = self._our_command(
                configuration, through.api_port if through else self.api_port
            )
            environment |= more
        with (folder / "controller.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=environment, stdout=log, stderr=STDOUT
            )
        url, probes = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{health}"
        try:
            async with aiohttp.ClientSession() as http:
                registrar = Registrar(process, url, probes if self._manager else url, http)
                await registrar.until_ready()
                yield registrar
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    def configure(self, socket: Path, *, port: int = 0, health: int = 0) -> Path:
        """Write the configuration of whoever is measured, and say where."""
        configuration = self.plane.folder / "controller.conf"
        template = _MANAGER_CONFIGURATION if self._manager else _CONFIGURATION
        configuration.write_text(
            template.format(socket=socket, port=port, health=health), encoding="utf-8"
        )
        return configuration

    @property
    def api_port(self) -> int:
        """The API server's, on 127.0.0.1."""
        return int(self.plane.url.rpartition(":")[2])

    def _our_command(self, configuration: Path, api_port: int) -> tuple[list[str], dict[str, str]]:
        """How we are run, and what the environment has besides."""
        command = [sys.executable, "-m", "manager", "run", "--config", str(configuration)]
        if not self.in_cluster:
            return [*command, "--kubeconfig", str(self.plane.kubeconfig)], {}
        script = _IN_CLUSTER.format(
            ca=self.plane.ca_file, token=self.plane.token, command=shlex.join(command)
        )
        environment = {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(api_port),
        }
        return ["unshare", "--mount", "sh", "-c", script], environment

    async def create_pod(
        self, name: str, label: str = "", *, namespace: str = NAMESPACE, node: str = ""
    ) -> tuple[float, float]:
        """Create a Pod; gives the times before the request and after the answer."""
        labels = {"spiffe": label} if label else {}
        spec: dict[str, object] = {"containers": [{"name": "main", "image": "example.org/main:1"}]}
        if self._manager:
            spec["nodeName"] = node or next(self._nodes)
        began = time.monotonic()
        async with self._kube.post(
            f"{self.plane.url}/api/v1/namespaces/{namespace}/pods",
            json={
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "labels": labels},
                "spec": spec,
            },
        ) as response:
            if response.status != 201:
                raise RuntimeError(f"no Pod {name}: {await response.text()}")
        return began, time.monotonic()

    async def delete_pod(self, name: str, *, namespace: str = NAMESPACE) -> None:
        """Delete a Pod at once: there is no kubelet that could end it."""
        path = f"/api/v1/namespaces/{namespace}/pods/{name}?gracePeriodSeconds=0"
        async with self._kube.delete(f"{self.plane.url}{path}") as response:
            if response.status != 200:
                raise RuntimeError(f"Pod {name} not deleted: {await response.text()}")

    async def kubectl(self, *arguments: str, stdin: str = "") -> None:
        """Change something else. Raises an error when that fails."""
        await asyncio.to_thread(self.plane.run_kubectl, *arguments, stdin=stdin)

    async def watch_names(self) -> AsyncIterator[tuple[str, float]]:
        """Names of Pods as a plain watch sees them, with the time: the floor for every client."""
        async with self._kube.get(
            f"{self.plane.url}/api/v1/namespaces/{NAMESPACE}/pods?watch=true",
            timeout=aiohttp.ClientTimeout(total=None),
        ) as response:
            marker = b'"name":"'
            async for line in response.content:
                now = time.monotonic()
                start = line.find(marker) + len(marker)
                yield line[start : line.find(b'"', start)].decode(), now


@contextlib.asynccontextmanager
async def open_world(
    database: Database, *, manager: bool = False, nodes: int = 1
) -> AsyncIterator[World]:
    """Start the control plane and the SPIRE server, and install the kinds.

    ``manager``: for the controller manager's mode, with its templates and so many Nodes, to which
    the Pods are bound in turn: entries of one Node share their parent.
    """
    with ControlPlane() as plane:
        documents = "---\n".join(dump_yaml(crd(custom)) for custom in CUSTOM_KINDS)
        plane.run_kubectl("apply", "-f", "-", stdin=documents)
        for namespace in (NAMESPACE, BYSTANDERS):
            plane.run_kubectl("create", "namespace", namespace)
        if manager:
            _prepare_manager(plane, nodes)
        tls = ssl.create_default_context(cafile=str(plane.ca_file))
        async with (
            open_spire(database, plane.folder) as spire,
            aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {plane.token}"},
                connector=aiohttp.TCPConnector(ssl=tls, limit=64),
            ) as kube,
        ):
            yield World(plane, spire, kube, manager=manager, nodes=nodes)


def node_name(number: int) -> str:
    """The name of a Node."""
    return f"bench-node-{number}"


def _prepare_manager(plane: ControlPlane, nodes: int) -> None:
    """Nodes, and templates of which one selects the Pods that are measured."""
    documents: list[JSONValue] = [
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node_name(number)}}
        for number in range(nodes)
    ]
    for number in range(TEMPLATES):
        selector: JSONValue = {"matchLabels": {"app": f"app-{number}"}}
        if number == 0:
            selector = {"matchExpressions": [{"key": "spiffe", "operator": "Exists"}]}
        documents.append(
            {
                "apiVersion": "spire.spiffe.io/v1alpha1",
                "kind": "ClusterSPIFFEID",
                "metadata": {"name": f"template-{number}"},
                "spec": {
                    "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/"
                    '{{ index .PodMeta.Labels "spiffe" }}',
                    "podSelector": selector,
                },
            }
        )
    plane.run_kubectl("apply", "-f", "-", stdin="---\n".join(map(dump_yaml, documents)))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
