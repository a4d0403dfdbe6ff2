"""A real Kubernetes cluster of one node: started, asked, hurt and ended.

The control plane, containerd, the kubelet, kube-proxy and CoreDNS run in namespaces of their own
(`Sandbox`), with the images of `images.build`. All calls block.
"""

import json
import shutil
import socket
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hack import tool_build
from hack.compilers import Progress
from hack.kubectl import run_kubectl
from hack.node import forward, pki, settings, volumes
from hack.node.init import ADDRESS
from hack.node.sandbox import HOSTNAME, Sandbox, clean_environment
from hack.processes import ServerError

START_SECONDS = 120
"""The patience with each step, on a machine busy with other things; a few seconds are usual."""

VOLUMES = 8
"""Claims for volumes that a fresh node can serve; `have_volumes` makes more."""

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
"""The servers of a control plane, which in a real cluster run on another machine."""

_NODE_SERVERS = ("containerd", "kubelet", "kube-proxy", "coredns")
_STATE = "cluster.json"
_MARK = "this-is-a-node"
_GRACE_SECONDS = 20


class Cluster:
    """The cluster of one folder, where everything lies that it writes, logs too.

    The folder says what runs: a second `Cluster` of the same folder is the same cluster. To
    start it, the binaries must have been built.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sandbox = Sandbox(folder)
        self.kubeconfig = folder / "pki" / "outside.kubeconfig"
        self._pki = folder / "pki"

    @property
    def kubectl(self) -> Path:
        """The program that fits the node's API server."""
        return tool_build.required() / "kubectl"

    @property
    def is_running(self) -> bool:
        """Tell whether there is a node, ready or not."""
        return self.sandbox.pid is not None

    def start(self, images: Sequence[Path], progress: Progress, *, outlive_us: bool) -> None:
        """Start everything; the node is Ready and has the images when this returns.

        Raises:
            ServerError: a part did not come up; the message ends with the tail of its log. Or the
                folder has something else in it.

        """
        self._refuse_if_not_ours()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / _MARK).touch()
        progress("making namespaces for mounts, network and processes")
        self.sandbox.start(outlive_us=outlive_us)
        try:
            listener = socket.create_server(("127.0.0.1", 0))
            pki.write(self._pki, f"https://127.0.0.1:{listener.getsockname()[1]}")
            progress("starting containerd, and the control plane beside it")
            self.start_server("containerd")
            with ThreadPoolExecutor() as pool:
                loaded = pool.submit(self.load, images)
                self._start_control_plane()
                self._forward(listener)
                progress("starting kubelet, kube-proxy and CoreDNS")
                self.start_server("kubelet")
                self.start_server("kube-proxy")
                self.start_server("coredns")
                self.run_kubectl("apply", "-f", "-", stdin=settings.dns_service())
                self.wait_until_ready()
                self.have_volumes()
                progress("the node is Ready; waiting for its images")
                loaded.result()
        except BaseException:
            self.sandbox.stop()
            raise

    def stop(self) -> None:
        """End everything at once and remove the folder.

        Raises:
            ServerError: the folder is no node's; it stays as it is.

        """
        self._refuse_if_not_ours()
        self.sandbox.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _refuse_if_not_ours(self) -> None:
        """Keep `stop` from removing what it did not make, when somebody errs in the folder."""
        if (self.folder / _MARK).exists() or not self.folder.exists():
            return
        if not self.folder.is_dir() or any(self.folder.iterdir()):
            raise ServerError(
                f"{self.folder} is no node's folder: name one that is empty or not there yet"
            )

    def start_server(self, name: str) -> None:
        """Start one of the servers, again too; it answers when this returns."""
        self.sandbox.start_server(name, *self._command(name))
        look = self._look_at(name)
        if look:
            self.sandbox.wait_until(name, lambda: self._answers(*look), START_SECONDS)

    def stop_server(self, name: str, *, abruptly: bool = False) -> None:
        """End one of the servers."""
        self.sandbox.stop_server(name, abruptly=abruptly)

    def restart_server(self, name: str, *, abruptly: bool = False) -> None:
        """End one of the servers and start it again."""
        self.stop_server(name, abruptly=abruptly)
        self.start_server(name)

    def reboot(self) -> None:
        """Lose the node's power and switch it on again; the control plane goes on meanwhile.

        All processes of the node are killed, and what does not outlive a machine goes: mounts,
        network interfaces, packet filter rules, control groups, and /run. What is on its disk
        stays.
        """
        self.sandbox.kill_others(CONTROL_PLANE)
        # A kubelet that finds the groups of containers from before waits three seconds for each.
        self.sandbox.renew_cgroups()
        for mount in self._mounted_below("/var/lib/kubelet", "/var/lib/containerd", "/run"):
            self.sandbox.run("umount", "--lazy", mount, check=False)
        # One command each: a part that is missing must not keep the others.
        wipe = "rm -rf /run/* ; mkdir /run/lock ; ip link delete cni0 ; iptables-save | "
        wipe += "sed '/^-A/d; s/^:\\([A-Z]*\\) .*/:\\1 ACCEPT [0:0]/' | iptables-restore"
        self.sandbox.run("sh", "-c", wipe, check=False)
        for name in _NODE_SERVERS:
            self.start_server(name)
        # The way from outside is a process on the node as well.
        port = int(json.loads(self._state.read_text())["port"])
        self._forward(socket.create_server(("127.0.0.1", port)))
        self.wait_until_ready()

    def run_kubectl(self, *arguments: str, stdin: str = "", timeout_seconds: float = 60) -> str:
        """Return what kubectl, as admin, writes.

        Raises:
            ServerError: kubectl failed; the message is what it wrote to its standard error.

        """
        return run_kubectl(
            self.kubectl,
            self.kubeconfig,
            *arguments,
            stdin=stdin,
            timeout_seconds=timeout_seconds,
            environment=clean_environment(),
        )

    def apply(self, kustomization: Path) -> None:
        """Apply the manifests of a folder as they are, as a person does.

        Raises:
            ServerError: kubectl failed; the message is what it wrote to its standard error.

        """
        self.run_kubectl("apply", "--kustomize", str(kustomization), timeout_seconds=120)

    def load(self, images: Sequence[Path]) -> None:
        """Have these images, in the place of others of the same name; Pods that run keep theirs."""
        for image in images:
            command = [str(self._tools / "ctr"), "--namespace", settings.IMAGE_NAMESPACE]
            self.sandbox.run(*command, "images", "import", str(image), timeout_seconds=120)

    def have_volumes(self, free: int = VOLUMES) -> None:
        """Have at least so many volumes that no claim has used yet, and a default StorageClass."""
        stored = self.run_kubectl("get", "persistentvolumes", "--output=json")
        names = volumes.missing(stored, free)
        folders = [f"{volumes.FOLDER}/{name}" for name in names]
        self.sandbox.run("mkdir", "-p", volumes.FOLDER, *folders)
        self.run_kubectl("apply", "-f", "-", stdin=volumes.manifests(names, HOSTNAME))

    def wait_until_ready(self) -> None:
        """Return once the kubelet has said that its node is ready, after it was started."""
        try:
            self.sandbox.wait_until("kubelet", self._node_is_there, START_SECONDS)
            ready = ("wait", "--for=condition=Ready", f"node/{HOSTNAME}")
            self.run_kubectl(*ready, f"--timeout={START_SECONDS}s", timeout_seconds=START_SECONDS)
        except ServerError as error:
            raise ServerError(f"{error}\n{self.sandbox.tail('kubelet')}") from error

    @property
    def _tools(self) -> Path:
        return tool_build.required(tool_build.NODE)

    @property
    def _state(self) -> Path:
        return self.folder / _STATE

    def _command(self, name: str) -> list[str]:
        """Return the command line of a server, after writing its configuration."""
        planes = tool_build.required()
        match name:
            case "etcd":
                return [str(planes / "etcd"), *settings.etcd(self.folder)]
            case "kube-apiserver":
                return [str(planes / name), *settings.api_server(self.folder, self._pki)]
            case "kube-controller-manager":
                return [str(planes / name), *settings.controller_manager(self._pki)]
            case "kube-scheduler":
                return [str(self._tools / name), *settings.scheduler(self._pki)]
            case "containerd":
                # It finds its shim beside itself.
                return [str(self._tools / name), *settings.containerd(self.folder)]
            case "kubelet":
                arguments = settings.kubelet(self.folder, self._pki, self.sandbox.cgroup)
                return [str(self._tools / name), *arguments]
            case "kube-proxy":
                return [str(self._tools / name), *settings.proxy(self.folder, self._pki)]
            case "coredns":
                return [str(self._tools / name), *settings.dns(self.folder, self._pki)]
        raise ValueError(f"no server {name!r}")

    def _start_control_plane(self) -> None:
        # Only root may enter etcd's folder, or it complains.
        (self.folder / "etcd").mkdir(mode=0o700, exist_ok=True)
        for name in CONTROL_PLANE:
            self.start_server(name)

    def _forward(self, listener: socket.socket) -> None:
        """Let callers outside reach the API server by this socket, as long as the node lives."""
        with listener:
            number = listener.fileno()
            command = self.sandbox.inside(
                sys.executable,
                "-I",
                "-S",
                str(forward.__file__),
                str(number),
                ADDRESS,
                str(settings.API_PORT),
                # Its files are the machine's: Python may lie where the node has its own folder.
                namespaces=("net", "pid"),
            )
            self.sandbox.spawn("forward", command, pass_fds=(number,))
            self._state.write_text(json.dumps({"port": listener.getsockname()[1]}))

    def _mounted_below(self, *folders: str) -> list[str]:
        """Return the mount points below these folders, the innermost first."""
        table = Path(f"/proc/{self.sandbox.pid}/mountinfo")
        points = [line.split()[4] for line in table.read_text().splitlines()]
        found = [p for p in points if any(p.startswith(f"{folder}/") for folder in folders)]
        return sorted(found, reverse=True)

    def _look_at(self, name: str) -> list[str]:
        """Return the command that succeeds once the server is ready, if there is one."""
        if name == "containerd":
            return [str(self._tools / "ctr"), "version"]
        if name == "kube-apiserver":
            kubeconfig = self._pki / "admin.kubeconfig"
            return [str(self.kubectl), f"--kubeconfig={kubeconfig}", "get", "--raw", "/readyz"]
        if name in settings.HEALTH:
            look = f"import urllib.request; urllib.request.urlopen({settings.HEALTH[name]!r})"
            return [sys.executable, "-I", "-S", "-c", look]
        return []

    def _node_is_there(self) -> bool:
        try:
            self.run_kubectl("get", "node", HOSTNAME)
        except ServerError:
            return False
        return True

    def _answers(self, *command: str) -> bool:
        try:
            self.sandbox.run(*command, timeout_seconds=10)
        except ServerError:
            return False
        return True
