"""The controller manager's container of the official Helm chart runs with this image as it stands.

``chart/`` has renderings as data: arguments, environment, security context, files and rights,
with the objects of a cluster and the entries that must come of them. Three things differ from a
node: a volume lies in a folder of the test in place of ``/``, addresses are of loopback with free
ports, and a Pod's service account logs in by a kubeconfig in the environment.
"""

import asyncio
import contextlib
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from api.codec import JSONObject, JSONValue
from api.documents import dump_yaml, load_yaml_documents
from api.kinds import LEASE
from hack.control_plane import ControlPlane
from hack.processes import ServerError, free_port
from manager.names import OWNERS_NAMESPACE
from registrar.claims.ownership import owner_lease
from tests.support import leaks
from tests.support.controllermanager import Manager
from tests.support.setup import eventually, real_setup, until

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.may_block,
]

ROOT = Path(__file__).resolve().parents[2]
RENDERINGS = sorted((Path(__file__).parent / "chart").glob("*.yaml"))
EXTRA_RIGHTS = ROOT / "config/overlays/helm-chart/extra_rights.yaml"
NAMESPACE = "spire-server"
USER = f"system:serviceaccount:{NAMESPACE}:spire-server"
GROUPS = ("system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}")
SOCKET_FOLDER = "/tmp/spire-server/private"


@dataclass(frozen=True)
class Rendering:
    """One rendering."""

    container: JSONObject
    files: dict[str, str]
    rights: list[JSONObject]
    objects: list[JSONObject]
    pods: list[JSONObject]
    paths: list[str]
    prefix: str = ""
    webhook: str = ""

    @property
    def is_static(self) -> bool:
        """Whether it works without a cluster."""
        return any("staticManifestPath:" in text for text in self.files.values())

    @property
    def mounts(self) -> list[str]:
        """Where the volumes are mounted, the longest path first."""
        found = _list(self.container["volumeMounts"])
        return sorted((str(_map(mount)["mountPath"]) for mount in found), key=len, reverse=True)


class Node:
    """Runs a rendering's container with its root in a folder of the test."""

    def __init__(self, rendering: Rendering, root: Path, *, spire_socket: Path) -> None:
        self._rendering = rendering
        self._root = root
        self._ports: dict[str, int] = {}
        for path, text in rendering.files.items():
            listening = f"webhook: {{host: 127.0.0.1, port: {free_port()}}}\n"
            self._write(path, self._moved(text) + (listening if rendering.webhook else ""))
        # The seam to the SPIRE server: whatever listens at this socket.
        private = root / SOCKET_FOLDER.lstrip("/")
        private.mkdir(parents=True)
        (private / "api.sock").symlink_to(spire_socket)

    @contextlib.asynccontextmanager
    async def running(self, kubeconfig: Path | None) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run the container until the block ends; it must end in order."""
        container = self._rendering.container
        arguments = [self._moved(str(argument)) for argument in _list(container["args"])]
        environment = {
            str(_map(variable)["name"]): str(_map(variable)["value"])
            for variable in _list(container["env"])
        }
        if kubeconfig is not None:
            named = [path for path in self._rendering.mounts if path.startswith("/kubeconfigs/")]
            for path in named:
                self._write(path, await asyncio.to_thread(kubeconfig.read_text))
            environment |= {} if named else {"KUBECONFIG": str(kubeconfig)}
        process = await asyncio.create_subprocess_exec(
            *_read_only(self._rendering),
            sys.executable,
            "-m",
            "manager",
            *arguments,
            cwd=self._root,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "PYTHONDONTWRITEBYTECODE": "1",
                **environment,
            },
            stderr=asyncio.subprocess.PIPE,
        )
        failure: BaseException | None = None
        try:
            yield process
        except BaseException as error:
            failure = error
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            _, said = await process.communicate()
            if failure is not None:
                failure.add_note(f"exit code {process.returncode}: {said.decode()[-8000:]}")
        assert process.returncode == 0, said.decode()
        leaks.assert_none(said.decode())

    async def is_live(self) -> bool:
        """Whether both probes of the container, or those of the file, answer 200."""
        (health,) = (port for address, port in self._ports.items() if address in self._health())
        async with aiohttp.ClientSession() as session:
            for path in ("healthz", "readyz"):
                try:
                    async with session.get(f"http://127.0.0.1:{health}/{path}") as response:
                        if response.status != 200:
                            return False
                except aiohttp.ClientError:
                    return False
        return True

    def _health(self) -> str:
        return "".join(
            line
            for text in self._rendering.files.values()
            for line in text.splitlines()
            if "healthProbeBindAddress" in line
        )

    def _write(self, path: str, text: str) -> None:
        file = self._root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def _moved(self, text: str) -> str:
        """A text with paths of volumes moved below the root, and addresses to loopback."""
        for mount in self._rendering.mounts:
            if mount.count("/") > 1 or mount == "/manifests":
                text = text.replace(mount, f"{self._root}{mount}")
        return re.sub(r"0\.0\.0\.0:[0-9]+", self._loopback, text)

    def _loopback(self, found: re.Match[str]) -> str:
        port = self._ports.setdefault(found[0], free_port())
        return f"127.0.0.1:{port}"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a name short enough for sockets below it."""
    with tempfile.TemporaryDirectory(prefix="chart-") as name:
        yield Path(name)


@pytest.fixture
def plane(real_control_plane: ControlPlane) -> ControlPlane:
    """The control plane, with the namespaces of the renderings."""
    for namespace in (NAMESPACE, "shop"):
        with contextlib.suppress(ServerError):
            real_control_plane.run_kubectl("create", "namespace", namespace)
    return real_control_plane


@contextlib.contextmanager
def applied(plane: ControlPlane, documents: Sequence[JSONObject]) -> Iterator[None]:
    """Have objects in the cluster for a while."""
    text = "---\n".join(map(dump_yaml, documents))
    if text:
        plane.run_kubectl("apply", "-f", "-", stdin=text)
    try:
        yield
    finally:
        if text:
            plane.run_kubectl("delete", "-f", "-", "--wait=false", stdin=text)


@pytest.mark.parametrize("with_extra_rights", [False, True], ids=["chart", "extra"])
@pytest.mark.parametrize("file", RENDERINGS, ids=lambda file: file.stem)
async def test_a_rendering_runs_as_it_stands(
    plane: ControlPlane,
    folder: Path,
    file: Path,
    with_extra_rights: bool,
) -> None:
    (document,) = _documents(file)
    rendering = Rendering(**document)  # type: ignore[arg-type]
    extra = _documents(EXTRA_RIGHTS) if with_extra_rights else []
    async with real_setup(folder, plane) as setup:
        manager = Manager(setup)
        await manager.node()
        with applied(plane, [*rendering.rights, *extra]), applied(plane, rendering.objects):
            node = Node(rendering, folder / "root", spire_socket=folder / "spire.sock")
            kubeconfig = None if rendering.is_static else plane.kubeconfig_for(USER, GROUPS)
            async with node.running(kubeconfig):
                for pod in rendering.pods:
                    await _create(manager, pod)
                # Rights count when the API server has heard of them, and what it refused is
                # asked for again ever more slowly.
                await until(lambda: manager.paths() == sorted(rendering.paths), 120)
                entries = await manager.until_paths(*rendering.paths)
                assert all(entry.id.startswith(rendering.prefix) for entry in entries)
                await eventually(node.is_live)
                if rendering.webhook:
                    await eventually(lambda: _has_authority(manager, rendering.webhook))
                if with_extra_rights and not rendering.is_static:
                    await eventually(lambda: _has_records(manager, len(rendering.paths)))
                    await eventually(lambda: _has_owner(manager, entries[0].id))


def test_the_image_runs_as_the_security_context_of_the_chart_wants() -> None:
    user = re.search(r"^USER ([0-9]+):[0-9]+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert user is not None, "runAsNonRoot is checked by number"
    assert int(user[1]) > 0
    assert re.search(r"^WORKDIR /$", (ROOT / "Dockerfile").read_text(), re.MULTILINE), (
        "the chart's --config is relative to /"
    )


async def _create(manager: Manager, pod: JSONObject) -> None:
    labels = {str(name): str(value) for name, value in _map(pod.get("labels", {})).items()}
    await manager.pod(str(pod["name"]), namespace=str(pod["namespace"]), labels=labels)


async def _has_records(manager: Manager, number: int) -> bool:
    return len(await manager.setup.spire_entries()) == number


async def _has_owner(manager: Manager, entry_id: str) -> bool:
    """Whether the Lease of the entries' prefix says who holds it."""
    name = owner_lease(entry_id.rsplit(".", 2)[0])
    lease = await manager.client.get(LEASE.path(OWNERS_NAMESPACE, name))
    return bool(_map(lease["spec"]).get("holderIdentity"))


async def _has_authority(manager: Manager, webhook: str) -> bool:
    """Whether the API server was told who signs the webhook's certificate."""
    path = f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{webhook}"
    webhooks = _list((await manager.client.get(path))["webhooks"])
    return all("caBundle" in _map(_map(each)["clientConfig"]) for each in webhooks)


def _read_only(rendering: Rendering) -> list[str]:
    """What makes writing any file an error, where the root is read-only.

    Not with a webhook: the limit counts anonymous memory too, where its key is for a moment.
    """
    context = _map(rendering.container["securityContext"])
    if context.get("readOnlyRootFilesystem") is not True or rendering.webhook:
        return []
    return ["/bin/sh", "-c", 'ulimit -f 0 && exec "$@"', "sh"]


def _documents(file: Path) -> list[JSONObject]:
    return [_map(document) for document in load_yaml_documents(file.read_text())]


def _map(value: JSONValue) -> JSONObject:
    assert isinstance(value, dict)
    return value


def _list(value: JSONValue) -> list[JSONValue]:
    assert isinstance(value, list)
    return value
