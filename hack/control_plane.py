"""A real Kubernetes control plane on loopback: etcd, API server, controller manager, kubectl.

As a script it says where the binaries are, or runs a control plane until Ctrl-C. As a module it
gives tests and the benchmark `ControlPlane`. There are no nodes: a Pod stays what its creator
writes. Of the controllers only garbage collection and namespaces run, which is what the registrar
counts on.
"""

import argparse
import contextlib
import dataclasses
import functools
import http.client
import secrets
import shutil
import signal
import ssl
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

# Run as a script, Python looks beside the script only.
sys.path[:0] = [] if __package__ else [str(Path(__file__).resolve().parents[1])]

from hack import tool_build  # noqa: E402 - needs the line above
from hack.compilers import ToolError  # noqa: E402
from hack.credentials import (  # noqa: E402
    Authority,
    signing_key,
    write_kubeconfig,
    write_secret,
)
from hack.kubectl import run_kubectl  # noqa: E402
from hack.processes import Server, ServerError, Servers, free_port  # noqa: E402

START_SECONDS = 60
"""The patience with each server, on a machine busy with other things; 2 s is usual."""

CONTROLLERS = "garbage-collector-controller,namespace-controller"
ADMIN = "admin"


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who gets a token: the user and the groups that the API server will see.

    What RBAC lets them do is up to the test. The groups that Kubernetes adds by itself
    (`system:authenticated`) need not be named; those of a service account do.
    """

    user: str
    groups: tuple[str, ...] = ()


def service_account(namespace: str, name: str) -> Identity:
    """Return the identity that Pods with this service account have."""
    return Identity(
        f"system:serviceaccount:{namespace}:{name}",
        ("system:serviceaccounts", f"system:serviceaccounts:{namespace}"),
    )


class ControlPlane:
    """A control plane for one run, in use as a context manager.

    `identities` get a static token each, besides the admin (group `system:masters`).
    `folder` receives everything, logs too, and is left in place; without it a temporary folder is
    used, which goes at the end unless the block failed. The binaries must have been built.
    `api_server_arguments` are given to kube-apiserver besides its own, and
    `controller_manager_arguments` to kube-controller-manager.

    All calls block, for seconds those that start or stop a server: in asynchronous tests use
    `asyncio.to_thread`. Not for use by several threads at the same time.
    """

    def __init__(
        self,
        identities: Sequence[Identity] = (),
        folder: Path | None = None,
        *,
        api_server_arguments: Sequence[str] = (),
        controller_manager_arguments: Sequence[str] = (),
    ) -> None:
        self._api_server_arguments = tuple(api_server_arguments)
        self._controller_manager_arguments = tuple(controller_manager_arguments)
        self._binaries = tool_build.required()
        self._temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="control-plane-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.logs = self.folder / "logs"
        self.logs.mkdir()
        self.kubectl = self._binaries / "kubectl"
        self.ca_file = self.folder / "ca.crt"
        self.kubeconfig = self.folder / "admin.kubeconfig"
        self.token = secrets.token_hex(16)
        self.url = ""
        self._tokens = {identity.user: secrets.token_hex(16) for identity in identities}
        self._authority = Authority()
        self._servers = Servers(self.logs)
        self._running: dict[str, Server] = {}
        self._port = 0
        self._etcd_url = ""
        self._write_credentials(identities)

    def __enter__(self) -> Self:
        """Start all three servers; all answer when this returns.

        Raises:
            ServerError: one did not come up; its message ends with the tail of its log.

        """
        try:
            self._start_etcd()
            self._start_first_api_server()
            self.start_controller_manager()
        except BaseException:
            self._stop_all()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop all; the logs stay for reading if the block failed."""
        self._stop_all()
        if self._temporary and error is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def token_for(self, user: str) -> str:
        """Return the token of one of the `identities`; the admin's is `token`.

        Raises:
            KeyError: that user was not among them.

        """
        return self._tokens[user]

    def tls_context(self) -> ssl.SSLContext:
        """Return what a client checks the API server with."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def kubeconfig_for(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Return a kubeconfig for any user with any groups, by a fresh client certificate."""
        pair = self._authority.for_user(user, groups)
        stem = self.folder / f"user-{secrets.token_hex(4)}"
        certificate, key = stem.with_suffix(".crt"), stem.with_suffix(".key")
        certificate.write_bytes(pair.certificate)
        write_secret(key, pair.key)
        who = {"client-certificate": str(certificate), "client-key": str(key)}
        path = stem.with_suffix(".kubeconfig")
        write_kubeconfig(path, self.url, self.ca_file, who)
        return path

    def run_kubectl(self, *arguments: str, stdin: str = "", timeout_seconds: float = 120) -> str:
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
        )

    def stop_api_server(self, *, gracefully: bool = False) -> None:
        """Kill the API server: clients find connections reset and then the port closed.

        `gracefully` lets it end its watches first, for as long as 10 s.
        """
        self._stop("kube-apiserver", abruptly=not gracefully)

    def start_api_server(self) -> None:
        """Start the API server again, at the same address and with the same data."""
        server = self._start(
            "kube-apiserver",
            f"--etcd-servers={self._etcd_url}",
            f"--secure-port={self._port}",
            "--bind-address=127.0.0.1",
            f"--tls-cert-file={self.folder / 'server.crt'}",
            f"--tls-private-key-file={self.folder / 'server.key'}",
            f"--client-ca-file={self.ca_file}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={self.folder / 'service-account.key'}",
            f"--service-account-key-file={self.folder / 'service-account.key'}",
            "--authorization-mode=RBAC",
            # Node drivers mount for others.
            "--allow-privileged=true",
            # No controller makes "default" service accounts here; Pods must do without.
            "--disable-admission-plugins=ServiceAccount",
            "--service-cluster-ip-range=10.0.0.0/24",
            # The server's address is no address for clients of the "kubernetes" Service.
            "--endpoint-reconciler-type=none",
            *self._api_server_arguments,
        )
        server.wait_until(self._is_ready, START_SECONDS)

    def hang(self, name: str) -> None:
        """Let a server (`etcd`, `kube-apiserver`) neither answer nor end, until `resume`."""
        self._running[name].process.send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a server go on after `hang`."""
        self._running[name].process.send_signal(signal.SIGCONT)

    def stop_controller_manager(self) -> None:
        """Stop garbage collection and the removal of namespaces' contents."""
        # It keeps nothing that a graceful end would save.
        self._stop("kube-controller-manager", abruptly=True)

    def start_controller_manager(self) -> None:
        """Start garbage collection and namespaces; when this returns they are at work.

        The garbage collector looks for new kinds every 30 s only: after CRDs were installed, stop
        and start it rather than wait.
        """
        server = self._start(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--controllers={CONTROLLERS}",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            *self._controller_manager_arguments,
        )
        server.wait_until(
            lambda: "Proceeding to collect garbage" in server.written(), START_SECONDS
        )

    def _write_credentials(self, identities: Sequence[Identity]) -> None:
        self.ca_file.write_bytes(self._authority.certificate)
        pair = self._authority.for_server("kube-apiserver", ("kubernetes.default.svc",))
        (self.folder / "server.crt").write_bytes(pair.certificate)
        write_secret(self.folder / "server.key", pair.key)
        write_secret(self.folder / "service-account.key", signing_key())
        rows = [f'{self.token},{ADMIN},{ADMIN},"system:masters"']
        rows += [
            f'{self._tokens[identity.user]},"{identity.user}","{identity.user}",'
            f'"{",".join(identity.groups)}"'
            for identity in identities
        ]
        write_secret(self.folder / "tokens.csv", "\n".join(rows).encode() + b"\n")

    def _start_etcd(self) -> None:
        for attempt in range(3):
            client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
            server = self._start(
                "etcd",
                f"--data-dir={self.folder / 'etcd'}",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
                "--unsafe-no-fsync",
                "--log-level=warn",
            )
            self._etcd_url = client
            address = client.removeprefix("http://")
            try:
                server.wait_until(functools.partial(_etcd_is_healthy, address), START_SECONDS)
            except ServerError:
                self._stop("etcd", abruptly=True)
                if attempt == 2 or not _found_port_taken(server):
                    raise
                shutil.rmtree(self.folder / "etcd", ignore_errors=True)
            else:
                return

    def _start_first_api_server(self) -> None:
        for attempt in range(3):
            self._port = free_port()
            self.url = f"https://127.0.0.1:{self._port}"
            write_kubeconfig(self.kubeconfig, self.url, self.ca_file, {"token": self.token})
            try:
                self.start_api_server()
            except ServerError:
                server = self._running["kube-apiserver"]
                self._stop("kube-apiserver", abruptly=True)
                if attempt == 2 or not _found_port_taken(server):
                    raise
            else:
                return

    def _is_ready(self) -> bool:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._port, timeout=5, context=self.tls_context()
        )
        headers = {"Authorization": f"Bearer {self.token}"}
        return _answers_ok(connection, "/readyz", headers)

    def _start(self, name: str, *arguments: str) -> Server:
        if name in self._running:
            raise ServerError(f"{name} runs already")
        server = self._servers.start(name, [str(self._binaries / name), *arguments])
        self._running[name] = server
        return server

    def _stop(self, name: str, *, abruptly: bool) -> None:
        server = self._running.pop(name, None)
        if server is not None:
            self._servers.stop(server, abruptly=abruptly)

    def _stop_all(self) -> None:
        # Nobody needs the data any more, so nobody has to take leave.
        for name in ("kube-controller-manager", "kube-apiserver", "etcd"):
            self._stop(name, abruptly=True)
        self._servers.close()


def _found_port_taken(server: Server) -> bool:
    """Tell whether somebody took the port between our look and the server's: worth another try."""
    return "address already in use" in server.written()


def _etcd_is_healthy(address: str) -> bool:
    return _answers_ok(http.client.HTTPConnection(address, timeout=5), "/health", {})


def _answers_ok(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> bool:
    with contextlib.closing(connection):
        try:
            connection.request("GET", path, headers=headers)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False


def _say(line: str) -> None:
    print(line, flush=True)


def _run_until_interrupted(folder: Path | None) -> None:
    # A plain "kill" ends the run as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ControlPlane(folder=folder) as plane:
            _say(f"KUBECONFIG={plane.kubeconfig}")
            _say(f"kubectl: {plane.kubectl}")
            _say(f"logs: {plane.logs}")
            _say("Ctrl-C stops it.")
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    except KeyboardInterrupt:
        return


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="hack/control_plane.py", description="A real Kubernetes control plane on loopback."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("path", help="print the folder of the binaries; fail if not built")
    run = commands.add_parser("run", help="build if need be, and run one until Ctrl-C")
    run.add_argument(
        "--dir", type=Path, help="keep data and logs in this new folder (default: a temporary one)"
    )
    chosen = parser.parse_args(arguments)
    command: str = chosen.command
    folder: Path | None = getattr(chosen, "dir", None)
    try:
        if command == "path":
            _say(str(tool_build.required()))
        else:
            tool_build.build(_say)
            _run_until_interrupted(folder)
    except (ToolError, ServerError, FileExistsError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
