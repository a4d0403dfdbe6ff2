"""The real servers and the registrars of one mode, and what is there to see of them."""

import contextlib
import shutil
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from hack.control_plane import ControlPlane, service_account
from hack.processes import ServerError, free_port
from hack.soak import asked, webhook
from hack.soak.asked import OWN_NAMESPACE, TRUST_DOMAIN
from hack.soak.disk import Disk
from hack.soak.judge import FOREIGN_DOMAIN
from hack.soak.kube import Document, Kube, KubeError
from hack.soak.modes import CRDS, PATHS, ROOT, Mode
from hack.soak.proxyloop import ProxyLoop
from hack.soak.replica import Replica
from hack.soak.spirelook import Entry, LookError, SpireLook
from hack.spire import RealServer, ServerOptions

NODES = ("n0", "n1")
SHOP = "shop"
"""A namespace of people, besides `default`."""

_PATIENCE_SECONDS = 60.0


class World:
    """All servers of one mode, in use as a context manager; its folder stays if it is told to.

    Not for several threads at the same time.
    """

    def __init__(self, mode: Mode, folder: Path | None = None) -> None:
        self.mode = mode
        self.folder = folder or Path(tempfile.mkdtemp(prefix="soak-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.disk = Disk(self.folder / "disk")
        self.manifests = self.disk.folder / "manifests"
        self.loop = ProxyLoop()
        self.is_kept = False
        self._waiting = threading.Event()
        self._open = contextlib.ExitStack()
        self._foreign: dict[str, Entry] = {}

    def __enter__(self) -> Self:
        """Start the servers; the registrars are ready to be started.

        Raises:
            ServerError: one did not come up.

        """
        try:
            self._start()
        except BaseException:
            self.is_kept = True
            self._open.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything."""
        self._open.close()
        if not self.is_kept and error is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def plane(self) -> ControlPlane:
        """The control plane; not in the static mode."""
        if self._plane is None:
            raise RuntimeError(f"the mode {self.mode.name} has no cluster")
        return self._plane

    @property
    def foreign(self) -> dict[str, Entry]:
        """The entries that others made, by their IDs."""
        return self._foreign

    def seen(self) -> asked.World:
        """Read all objects.

        Raises:
            KubeError: the API server does not answer.
            LookError: the SPIRE server does not.

        """
        if not self.mode.needs_cluster:
            documents, is_partial = self._manifests()
            objects = {kind: documents.get(kind, []) for kind in self.mode.kinds}
        else:
            objects, is_partial = {k: self.kube.list(PATHS[k]) for k in self.mode.kinds}, False
        return asked.World(
            self.mode.name, objects, self.look.bundles(), frozenset(self._foreign), is_partial
        )

    def apply(self, *files: str) -> None:
        """Apply files of the checkout.

        Raises:
            ServerError: kubectl failed.

        """
        arguments = [argument for file in files for argument in ("-f", str(ROOT / file))]
        self.plane.run_kubectl("apply", *arguments)

    def close_replicas(self) -> None:
        """End all registrars as a crash does."""
        for replica in self.replicas:
            replica.kill()

    def _start(self) -> None:
        self._plane: ControlPlane | None = None
        self._open.enter_context(self.loop)
        self._open.enter_context(self.disk.mounted())
        server = RealServer(ServerOptions(trust_domain=TRUST_DOMAIN), self.folder / "spire")
        self.spire = self._open.enter_context(server)
        self.look = self._open.enter_context(SpireLook(self.spire.socket_path))
        self._make_foreign()
        url, token, authority = "", "", Path()
        if self.mode.needs_cluster:
            arguments = webhook.prepare(self.folder) if self.mode.name == "webhook" else ()
            account = service_account(OWN_NAMESPACE, self.mode.account)
            plane = ControlPlane((account,), self.folder / "plane", api_server_arguments=arguments)
            self._plane = self._open.enter_context(plane)
            self.kube = Kube(plane.kubeconfig)
            self._prepare_cluster()
            url, token, authority = plane.url, plane.token_for(account.user), plane.ca_file
        else:
            self.manifests.mkdir()
        ports: set[int] = set()
        while len(ports) < self.mode.replicas:
            ports.add(free_port())
        self.replicas = [
            Replica(number, self.mode, self.folder, spire_socket=self.spire.socket_path, port=port)
            for number, port in enumerate(sorted(ports))
        ]
        for replica in self.replicas:
            self._open.callback(replica.close)
            replica.open(self.loop, url, authority, token)

    def _prepare_cluster(self) -> None:
        for name in (OWN_NAMESPACE, SHOP):
            self.plane.run_kubectl("create", "namespace", name)
        self.apply("config/crd/bases")
        self.apply(*self.mode.rights)
        names = [f"crd/{_crd_name(file)}" for file in CRDS.values()]
        self.plane.run_kubectl("wait", "--for=condition=Established", *names)
        self._wait_for_kinds()
        for node in NODES:
            self.kube.create(PATHS["nodes"], {"metadata": {"name": node}})
        if self.mode.name == "webhook":
            webhook.configure(self.plane, self.folder)

    def _wait_for_kinds(self) -> None:
        """A kind that was just defined is refused for a moment longer."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        for kind in self.mode.kinds:
            while True:
                try:
                    if self.kube.list(PATHS[kind]) is not None:
                        break
                except KubeError as error:
                    if time.monotonic() > deadline:
                        raise ServerError(f"{PATHS[kind]} is not served: {error}") from error
                self._waiting.wait(0.1)

    def _make_foreign(self) -> None:
        """What somebody else has on the server, which must stay as it is."""
        for number, selector in enumerate(("unix:uid:0", "k8s:ns:default", "k8s:pod-label:app:x")):
            self.spire.ask(
                *("entry", "create", "-entryID", f"manual-{number}"),
                *("-spiffeID", f"spiffe://{TRUST_DOMAIN}/a{number}"),
                *("-parentID", f"spiffe://{TRUST_DOMAIN}/other/agent"),
                *("-selector", selector, "-hint", "by hand"),
            )
        self.spire.ask(
            *("federation", "create", "-trustDomain", FOREIGN_DOMAIN),
            *("-bundleEndpointURL", "https://127.0.0.1:1/"),
            *("-bundleEndpointProfile", "https_web"),
        )
        self._foreign = {entry.id: entry for entry in self.look.entries()}

    def _manifests(self) -> tuple[dict[str, list[Document] | None], bool]:
        """The objects in the manifests by their kind, and whether some file cannot be read."""
        kinds = {"ClusterStaticEntry": "static", "ClusterFederatedTrustDomain": "federation"}
        found: dict[str, list[Document] | None] = {}
        is_partial = False
        for file in sorted(self.manifests.glob("*.yaml")):
            try:
                document = yaml.safe_load(file.read_text(encoding="utf-8"))
                there = found.setdefault(kinds[document["kind"]], [])
                if there is not None and isinstance(document["spec"], dict):
                    there.append(document)
            except (yaml.YAMLError, KeyError, TypeError):
                is_partial = True
        return found, is_partial


def _crd_name(file: str) -> str:
    group, _, plural = file.partition("_")
    return f"{plural}.{group}"


Unanswered = (*KubeError, LookError, ServerError)
"""What is raised where a server does not answer."""
