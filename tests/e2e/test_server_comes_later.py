"""The registrar's process beside a SPIRE server that comes later, goes away and comes back."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from devcluster.cluster import Cluster
from devcluster.spire.server import SpireServer
from hack.processes import free_port
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.may_block]

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = """\
apiVersion: spire.spiffe.io/v1alpha1
kind: ControllerManagerConfig
clusterName: root
className: root
trustDomain: example.org
spireServerSocketPath: {folder}/late.sock
metrics: {{bindAddress: "0"}}
health: {{healthProbeBindAddress: "127.0.0.1:{port}"}}
kubeconfig: {kubeconfig}
"""


class Probes:
    """What a kubelet asks."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    async def is_alive(self) -> bool:
        return await self._status("healthz") == 200

    async def is_ready(self) -> bool:
        return await self._status("readyz") == 200

    async def is_unready(self) -> bool:
        return await self._status("readyz") == 503

    async def _status(self, path: str) -> int:
        try:
            async with aiohttp.ClientSession() as http, http.get(f"{self._url}/{path}") as answer:
                return answer.status
        except aiohttp.ClientError:
            return 0


@asynccontextmanager
async def a_registrar(folder: Path, cluster: Cluster) -> AsyncIterator[Probes]:
    """One that ends in order, and not before it is told to."""
    port = free_port()
    file = folder / "config.yaml"
    file.write_text(CONFIGURATION.format(folder=folder, port=port, kubeconfig=cluster.kubeconfig))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "manager", "run", "--config", str(file)),
        cwd=ROOT,
        env={"ENABLE_WEBHOOKS": "false", "PATH": "/usr/bin:/bin"},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield Probes(port)
        assert process.returncode is None
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
    assert process.returncode == 0


async def test_it_is_alive_and_not_ready_while_there_is_no_server(tmp_path: Path) -> None:
    async with Cluster.serve(tmp_path) as cluster, a_registrar(tmp_path, cluster) as probes:
        await eventually(probes.is_alive)
        await eventually(probes.is_unready)
        for _ in range(2):
            async with SpireServer.serve(
                socket_path=tmp_path / "late.sock", trust_domain="example.org"
            ):
                await eventually(probes.is_ready)
                assert await probes.is_alive()
            await eventually(probes.is_unready)
            assert await probes.is_alive()
