"""What the benchmark measures: a real control plane, a SPIRE server, the registrar's process."""

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from api.codec import JSONValue
from api.crd import CUSTOM_KINDS, crd
from api.documents import dump_yaml
from hack.control_plane import ControlPlane

ROOT = Path(__file__).resolve().parent.parent
NAMESPACE = "bench"
_PATIENCE_SECONDS = 600.0

_CONFIGURATION = """\
cluster            = "bench"
trust_domain       = "example.org"
server_socket_path = "{socket}"
metrics_addr       = "127.0.0.1:{port}"
pod_controller     = true
pod_label          = "spiffe"
log_path           = "{log}"
"""

_MANAGER_CONFIGURATION = """\
apiVersion: spire.spiffe.io/v1alpha1
kind: ControllerManagerConfig
clusterName: bench
trustDomain: example.org
clusterDomain: cluster.local
spireServerSocketPath: {socket}
gcInterval: 30s
metrics: {{bindAddress: "127.0.0.1:{port}"}}
logPath: {log}
"""

TEMPLATES = 20
_NODE = "bench-node"

# A mount namespace of its own shows the process a service account where a Pod has it.
_IN_CLUSTER = """\
set -e
mount -t tmpfs none /run
mkdir -p /run/secrets/kubernetes.io/serviceaccount
cp {ca} /run/secrets/kubernetes.io/serviceaccount/ca.crt
printf %s {token} > /run/secrets/kubernetes.io/serviceaccount/token
exec {command}
"""


class Spire:
    """The SPIRE server's process."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "hack" / "bench_spire.py"), str(socket)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    async def ask(self, command: str) -> str:
        """Send a command, get its answer."""
        return await asyncio.to_thread(self._ask, command)

    async def until_ready(self) -> None:
        """Wait until it serves."""
        await asyncio.to_thread(self._read)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()

    def _ask(self, command: str) -> str:
        stdin = self._process.stdin
        if stdin is None:
            raise RuntimeError("no pipe to the SPIRE server")
        stdin.write(command + "\n")
        stdin.flush()
        return self._read()

    def _read(self) -> str:
        stdout = self._process.stdout
        line = stdout.readline() if stdout is not None else ""
        if not line:
            raise RuntimeError("the SPIRE server's process ended")
        return line.strip()


@dataclass
class Registrar:
    """The registrar's process and its probes."""

    pid: int
    url: str
    http: aiohttp.ClientSession

    def memory(self) -> dict[str, int]:
        """VmRSS and VmHWM in MB (10^6 bytes)."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        lines = (line.split() for line in status.splitlines())
        wanted = {"VmRSS:": "resident", "VmHWM:": "highest"}
        return {wanted[w[0]]: int(w[1]) * 1024 // 10**6 for w in lines if w and w[0] in wanted}

    def cpu_seconds(self) -> float:
        """User and system time used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    async def until_ready(self) -> None:
        """Wait for /readyz."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with self.http.get(f"{self.url}/readyz") as response:
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
        self, plane: ControlPlane, spire: Spire, kube: aiohttp.ClientSession, *, manager: bool
    ) -> None:
        self.plane = plane
        self._manager = manager
        # The layered mode has one entry more than Pods: the alias of the agents.
        self.extra_entries = 0 if manager else 1
        self.spire = spire
        self._kube = kube
        self.in_cluster = os.geteuid() == 0 and shutil.which("unshare") is not None

    @contextlib.asynccontextmanager
    async def registrar(self) -> AsyncIterator[Registrar]:
        """Run the registrar, as in a Pod where the machine allows; waits until it is ready."""
        port = _free_port()
        folder = self.plane.folder
        configuration = folder / "registrar.conf"
        template = _MANAGER_CONFIGURATION if self._manager else _CONFIGURATION
        configuration.write_text(
            template.format(socket=self.spire.socket, port=port, log=folder / "registrar.log"),
            encoding="utf-8",
        )
        command = [sys.executable, "-m", "manager", "run", "--config", str(configuration)]
        environment = {**os.environ, "ENABLE_WEBHOOKS": "false"}
        if self.in_cluster:
            host, _, api_port = self.plane.url.removeprefix("https://").partition(":")
            environment |= {
                "KUBERNETES_SERVICE_HOST": host,
                "KUBERNETES_SERVICE_PORT": api_port,
            }
            script = _IN_CLUSTER.format(
                ca=self.plane.ca_file, token=self.plane.token, command=" ".join(command)
            )
            command = ["unshare", "--mount", "sh", "-c", script]
        else:
            command += ["--kubeconfig", str(self.plane.kubeconfig)]
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment)
        try:
            async with aiohttp.ClientSession() as http:
                registrar = Registrar(process.pid, f"http://127.0.0.1:{port}", http)
                await registrar.until_ready()
                yield registrar
        finally:
            process.terminate()
            await process.wait()

    async def create_pod(self, name: str, label: str = "") -> tuple[float, float]:
        """Create a Pod; gives the times before the request and after the answer."""
        labels = {"spiffe": label} if label else {}
        spec: dict[str, object] = {"containers": [{"name": "main", "image": "example.org/main:1"}]}
        if self._manager:
            spec["nodeName"] = _NODE
        began = time.monotonic()
        async with self._kube.post(
            f"{self.plane.url}/api/v1/namespaces/{NAMESPACE}/pods",
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
async def open_world(*, manager: bool = False) -> AsyncIterator[World]:
    """Start the control plane and the SPIRE server, and install the kinds.

    ``manager``: for the controller manager's mode, with a Node and its templates.
    """
    with ControlPlane() as plane:
        documents = "---\n".join(dump_yaml(crd(custom)) for custom in CUSTOM_KINDS)
        plane.run_kubectl("apply", "-f", "-", stdin=documents)
        plane.run_kubectl("create", "namespace", NAMESPACE)
        if manager:
            _prepare_manager(plane)
        spire = Spire(plane.folder / "spire.sock")
        tls = ssl.create_default_context(cafile=str(plane.ca_file))
        try:
            await spire.until_ready()
            async with aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {plane.token}"},
                connector=aiohttp.TCPConnector(ssl=tls, limit=64),
            ) as kube:
                yield World(plane, spire, kube, manager=manager)
        finally:
            spire.stop()


def _prepare_manager(plane: ControlPlane) -> None:
    """A Node, and templates of which one selects the Pods that are measured."""
    documents: list[JSONValue] = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": _NODE}}]
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
