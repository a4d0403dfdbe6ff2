"""The servers that the suite runs against, and a raw client that knows nothing of either."""

import contextlib
import json
import os
import secrets
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from devcluster.kubeapi.server import KubeAPI
from hack import tool_build
from hack.control_plane import ControlPlane
from tests.conformance.kube.client import Kube, Kubectl
from tests.conformance.kube.widgets import GROUP, crd, ready

SERVERS = [
    pytest.param("embedded", id="embedded"),
    pytest.param("real", id="real", marks=pytest.mark.real),
]


@contextlib.asynccontextmanager
async def _session(
    url: str, token: str, tls: ssl.SSLContext | None
) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0, ssl=tls if tls is not None else True)
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "conformance/1"}
    async with aiohttp.ClientSession(url, headers=headers, connector=connector) as session:
        yield session


@pytest.fixture(params=SERVERS)
async def kube(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kube]:
    """A client of the server, with the path of a kubeconfig that points there."""
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "real":
            plane: ControlPlane = request.getfixturevalue("real_plane")
            tls = ssl.create_default_context(cafile=plane.ca_file)
            session = await stack.enter_async_context(_session(plane.url, plane.token, tls))
            kubeconfig = plane.kubeconfig
        else:
            server = await stack.enter_async_context(KubeAPI.serve())
            session = await stack.enter_async_context(_session(server.url, "any", None))
            kubeconfig = tmp_path / "kubeconfig"
            kubeconfig.write_text(json.dumps(server.kubeconfig()))
        yield Kube(session, kubeconfig)


@pytest.fixture
async def namespace(kube: Kube) -> AsyncIterator[str]:
    """A new namespace, deleted afterwards without waiting for its end."""
    name = f"conformance-{secrets.token_hex(4)}"
    await kube.made("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    await kube.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def config_maps(namespace: str) -> str:
    """The path of the config maps of the namespace: the plainest of the built-in kinds."""
    return f"/api/v1/namespaces/{namespace}/configmaps"


@pytest.fixture
def pods(namespace: str) -> str:
    """The path of the Pods of the namespace."""
    return f"/api/v1/namespaces/{namespace}/pods"


@pytest.fixture
async def widgets(kube: Kube, namespace: str) -> str:
    """The path of widgets, a custom resource with a bit of everything in its schema."""
    await ready(kube, crd())
    return f"/apis/{GROUP}/v1/namespaces/{namespace}/widgets"


@pytest.fixture
def kubectl(kube: Kube, namespace: str, tmp_path: Path) -> Kubectl:
    """The stock kubectl in the namespace, with caches of its own."""
    binary = tool_build.required() / "kubectl"
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
    return Kubectl(binary, kube.kubeconfig, namespace, environment)


@pytest.fixture(scope="session")
def real_plane(real_control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The real servers, from which the suite's own kinds are taken away in the end."""
    yield real_control_plane
    command = [str(real_control_plane.kubectl), "--kubeconfig", str(real_control_plane.kubeconfig)]
    subprocess.run(
        [*command, "delete", "crd", "--selector", "suite=kube", "--wait=false"],
        check=True,
        timeout=60,
        capture_output=True,
    )
