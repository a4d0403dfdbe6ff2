"""One `spire-registrar run`, a process of its own between proxies of its own."""

import contextlib
import http.client
import os
import resource
import shutil
import signal
import socket
import sys
from pathlib import Path

from hack.credentials import write_kubeconfig
from hack.processes import Server, Servers
from hack.soak import clock
from hack.soak.apiproxy import APIProxy
from hack.soak.modes import ENVIRONMENT, ROOT, Mode
from hack.soak.proxyloop import ProxyLoop
from hack.soak.spireproxy import SpireProxy


class Replica:
    """One replica, with its probes at `port`; `api` is None where the mode has no cluster."""

    def __init__(
        self, number: int, mode: Mode, folder: Path, *, spire_socket: Path, port: int
    ) -> None:
        self.name = f"registrar-{number}"
        self.folder = folder / self.name
        self.folder.mkdir()
        self.spire = SpireProxy(spire_socket, self.folder / "s.sock")
        self.api: APIProxy | None = None
        self.log = folder / "disk" / f"{self.name}.log"
        self.clock = self.folder / "clock"
        self.starts = 0
        self._port = port
        self._mode = mode
        self._servers = Servers(self.folder)
        self._running: Server | None = None

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self._running is not None and self._running.process.poll() is None

    @property
    def pid(self) -> int:
        """Its process."""
        if self._running is None:
            raise RuntimeError(f"{self.name} does not run")
        return self._running.process.pid

    def open(self, loop: ProxyLoop, upstream: str, authority: Path, token: str) -> None:
        """Open the proxies, and write down how to reach them."""
        loop.open(self.spire.serving())
        if self._mode.needs_cluster:
            self.api = APIProxy(upstream, authority, self.folder)
            loop.open(self.api.serving())
            kubeconfig = self.folder / "kubeconfig"
            write_kubeconfig(kubeconfig, self.api.url, self.api.ca_file, {"token": token})
        text = self._mode.configuration(self.spire.socket, self.log, self._port, self.folder.parent)
        (self.folder / "registrar.conf").write_text(text, encoding="utf-8")

    def start(self) -> None:
        """Start it, or start it again; it is not waited for."""
        if self.is_running:
            return
        library = clock.built(self.folder.parent)
        variables = dict(ENVIRONMENT)
        if library is not None:
            variables |= clock.environment(library, self.clock)
        environment = [f"{name}={value}" for name, value in variables.items()]
        command = [str(Path(sys.executable).parent / "spire-registrar"), "run"]
        command += ["--config", str(self.folder / "registrar.conf")]
        if self.api is not None:
            command += ["--kubeconfig", str(self.folder / "kubeconfig")]
        program = shutil.which("env") or "/usr/bin/env"
        self._running = self._servers.start(
            "output", [program, f"--chdir={ROOT}", *environment, *command]
        )
        self.starts += 1

    def kill(self) -> None:
        """End it as a crash does."""
        server, self._running = self._running, None
        if server is not None:
            with contextlib.suppress(ProcessLookupError):
                server.process.send_signal(signal.SIGCONT)
            self._servers.stop(server, abruptly=True)

    def kill_at_once(self) -> None:
        """Send the signal and wait for nothing: for the proxies, in the middle of a write."""
        if self._running is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._running.process.pid, signal.SIGKILL)

    def stop(self, patience_seconds: float = 10.0) -> bool:
        """End it as Kubernetes does; tells whether it ended in time, with exit code 0.

        One that does not listen yet may die of the signal, as any program does.
        """
        listens = self.listens()
        server, self._running = self._running, None
        if server is None:
            return True
        self._servers.stop(server, abruptly=False, timeout_seconds=patience_seconds)
        return server.process.returncode == 0 or not listens

    def pause(self) -> None:
        """Let it do nothing until `resume`."""
        if self.is_running:
            os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        if self.is_running:
            os.kill(self.pid, signal.SIGCONT)

    def fill_disk(self, *, is_full: bool) -> None:
        """Let its files grow no further, the log first of all; or again."""
        if self.is_running:
            size = self.log.stat().st_size if self.log.exists() else 0
            limit = size if is_full else resource.RLIM_INFINITY
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def exit_code(self) -> int | None:
        """Return what it ended with by itself; None while it runs or was ended by us."""
        return None if self._running is None else self._running.process.poll()

    def is_ready(self) -> bool:
        """Whether it says that it is ready, as the kubelet asks it."""
        probe = http.client.HTTPConnection("127.0.0.1", self._port, timeout=2)
        try:
            probe.request("GET", "/readyz")
            return probe.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            probe.close()

    def listens(self) -> bool:
        """Whether it serves its probes, whatever they say."""
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self._servers.close()
