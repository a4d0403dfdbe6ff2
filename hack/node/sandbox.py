"""The node's namespaces, from outside: made, entered, talked to, ended.

`Sandbox` knows nothing of Kubernetes. Its folder holds everything that is to be found again: who
opens the same folder later has the same sandbox. All calls block.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hack.node import init
from hack.processes import ServerError, undisturbed

HOSTNAME = "node1"
START_SECONDS = 30
_POLL_SECONDS = 0.05
_CGROUP_SECONDS = 10
_END_SECONDS = 60
_CGROUPS = Path("/sys/fs/cgroup")
# A wait for what can only be looked at; nobody sets the event.
_pause = threading.Event().wait


class Sandbox:
    """Namespaces for mounts, network, processes, host name and IPC, and what runs in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.cgroup = _cgroup_of(folder) if folder.exists() else ""
        self._children: list[subprocess.Popen[bytes]] = []

    @property
    def pid(self) -> int | None:
        """The first process in the namespaces, by the machine's count; None if it does not run."""
        try:
            pid = int((self.folder / init.PID_FILE).read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        # The number may be another process's by now.
        return pid if os.fsencode(self.folder) in command else None

    def start(self, *, outlive_us: bool) -> None:
        """Make the namespaces; with `outlive_us` they stay when the calling process ends.

        Raises:
            ServerError: they could not be made; the message is what was written about it.

        """
        if self.pid is not None:
            raise ServerError(f"a node runs already in {self.folder}")
        self.logs.mkdir(parents=True, exist_ok=True)
        (self.folder / init.PID_FILE).unlink(missing_ok=True)
        self.cgroup = _cgroup_of(self.folder)
        self.renew_cgroups()
        # util-linux, since Python has these calls from 3.12 on only.
        command = ["unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork"]
        command += ["--kill-child=SIGKILL", "--", sys.executable, "-I", "-S"]
        command += [init.__file__, str(self.folder), HOSTNAME]
        if not outlive_us:
            command = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        process = self.spawn("init", command)
        try:
            self._wait_for_init(process)
        except BaseException:
            # It has a session of its own, where no Ctrl-C reaches it; its child goes with it.
            with undisturbed():
                process.kill()
                process.wait()
                self.remove_cgroups()
            raise

    def _wait_for_init(self, process: subprocess.Popen[bytes]) -> None:
        log = self.logs / "init.log"
        deadline = time.monotonic() + START_SECONDS
        while self.pid is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_SECONDS)
                raise ServerError(f"the namespaces can't be made: {log.read_text()[-2000:]}")
            if time.monotonic() > deadline:
                raise ServerError(f"the namespaces are not ready after {START_SECONDS} s: {log}")

    def stop(self) -> None:
        """End all that runs in the namespaces, and with it the namespaces."""
        with undisturbed():
            self._end()

    def _end(self) -> None:
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            # The kernel ends the others first, so that they hold no mount when this is over.
            while self.pid is not None:
                self._wait_for_children(_POLL_SECONDS)
                _pause(_POLL_SECONDS)
        self._wait_for_children(_END_SECONDS)
        self.remove_cgroups()

    def spawn(
        self, name: str, command: Sequence[str], pass_fds: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a program of the machine that ends with the sandbox; its log is `logs/NAME.log`."""
        with (self.logs / f"{name}.log").open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=clean_environment(),
                pass_fds=pass_fds,
            )
        self._children.append(process)
        return process

    def inside(self, *command: str, namespaces: Sequence[str] = ()) -> list[str]:
        """Return the command line that runs a command in the namespaces.

        Raises:
            ServerError: the sandbox does not run.

        """
        pid = self.pid
        if pid is None:
            raise ServerError(f"no node runs in {self.folder}")
        chosen = namespaces or ("mount", "net", "pid", "uts", "ipc")
        return ["nsenter", f"--target={pid}", *(f"--{name}" for name in chosen), "--", *command]

    def run(self, *command: str, timeout_seconds: float = 60, check: bool = True) -> str:
        """Return what a command that runs in the namespaces writes.

        Raises:
            ServerError: it failed, or took too long.

        """
        try:
            finished = subprocess.run(
                self.inside(*command),
                capture_output=True,
                text=True,
                timeout=timeout_seconds,
                check=False,
                env=clean_environment(),
            )
        except subprocess.TimeoutExpired as error:
            raise ServerError(f"{' '.join(command)}: no end in {timeout_seconds:.0f} s") from error
        if check and finished.returncode != 0:
            raise ServerError(f"{' '.join(command)}: {(finished.stderr + finished.stdout).strip()}")
        return finished.stdout

    def path(self, inside: str) -> Path:
        """Return where a file of the node is to be found from outside."""
        return Path(f"/proc/{self.pid}/root{inside}")

    def start_server(self, name: str, *command: str) -> int:
        """Start a server in the namespaces; it writes to `logs/NAME.log`. Return its number there.

        Raises:
            ServerError: it can't be started, or runs already.

        """
        log = str(self.logs / f"{name}.log")
        answer = self._ask({"start": name, "command": list(command), "log": log})
        return int(str(answer["pid"]))

    def stop_server(self, name: str, *, abruptly: bool = False, seconds: int = 20) -> None:
        """End a server, by SIGTERM unless `abruptly`; without it, or late, it is killed."""
        number = signal.SIGKILL if abruptly else signal.SIGTERM
        self._ask({"stop": name, "signal": int(number), "seconds": seconds}, seconds + 10)

    def exit_codes(self) -> dict[str, int | None]:
        """Return the servers that were started: None while one runs, its exit code afterwards."""
        return {
            name: None if code is None else int(str(code))
            for name, code in self._ask({"status": None}).items()
        }

    def kill_others(self, kept: Sequence[str]) -> None:
        """Kill everything that runs on the node but these servers, as a loss of power does."""
        self._ask({"kill_others": list(kept)}, 60)

    def wait_until(self, name: str, ready: Callable[[], bool], timeout_seconds: float) -> None:
        """Return once `ready()` holds, while the server `name` runs.

        Raises:
            ServerError: the server ended, or the time is over; the message ends with its log.

        """
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            code = self.exit_codes().get(name)
            if code is not None:
                raise ServerError(f"{name} ended with exit code {code}:\n{self.tail(name)}")
            if time.monotonic() > deadline:
                raise ServerError(
                    f"{name} is not ready after {timeout_seconds:.0f} s:\n{self.tail(name)}"
                )
            _pause(_POLL_SECONDS)

    def tail(self, name: str, lines: int = 15) -> str:
        """Return the last lines that a server wrote."""
        log = self.logs / f"{name}.log"
        text = log.read_text(errors="replace") if log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def remove_cgroups(self) -> None:
        """Remove the control groups that containers left; nothing may run in them any more."""
        deadline = time.monotonic() + _CGROUP_SECONDS
        while self.cgroup and time.monotonic() < deadline:
            tops = list(_CGROUPS.glob(f"*/{self.cgroup}"))
            if not tops:
                return
            for top in tops:
                for folder, _, _ in os.walk(top, topdown=False):
                    # The kernel is not yet done with all processes that it has killed.
                    with contextlib.suppress(OSError):
                        Path(folder).rmdir()
            _pause(_POLL_SECONDS)

    def renew_cgroups(self) -> None:
        """Have the control group that the kubelet puts all Pods below, with nothing in it."""
        self.remove_cgroups()
        self._make_cgroups()

    def _wait_for_children(self, seconds: float) -> None:
        # Ours to reap if we started them; else whoever did has done it. The first process of the
        # namespaces shows no name any more while the kernel still ends the others.
        deadline = time.monotonic() + seconds
        for process in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))

    def _make_cgroups(self) -> None:
        # The kubelet puts all Pods below this one, and demands that it is there.
        for hierarchy in _CGROUPS.iterdir():
            if (hierarchy / "tasks").exists():
                group = hierarchy / self.cgroup
                group.mkdir(exist_ok=True)
                # In a new cpuset group nothing can run before it has these.
                for name in ("cpuset.cpus", "cpuset.mems"):
                    if (group / name).exists():
                        (group / name).write_text((hierarchy / name).read_text())

    def _ask(self, request: dict[str, object], seconds: float = 30) -> dict[str, object]:
        folder = os.open(self.folder, os.O_PATH)
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(seconds)
                # By the folder's handle: the path itself may be too long for a socket.
                connection.connect(f"/proc/self/fd/{folder}/{init.SOCKET}")
                with connection.makefile("rw", encoding="utf-8") as stream:
                    stream.write(json.dumps(request) + "\n")
                    stream.flush()
                    answer: dict[str, object] = json.loads(stream.readline() or "{}")
        except OSError as error:
            raise ServerError(f"the node in {self.folder} does not answer: {error}") from error
        finally:
            os.close(folder)
        if "error" in answer:
            raise ServerError(f"the node refuses {request}: {answer['error']}")
        return answer


def _cgroup_of(folder: Path) -> str:
    """Return the name of the control group of the node of this folder: no other node has it."""
    return f"spire-registrar-{folder.stat().st_ino:x}"


def clean_environment() -> dict[str, str]:
    """Return what the node's programs get: no proxies, for nothing of it leaves the machine."""
    kept = {name: value for name, value in os.environ.items() if not _is_proxy(name)}
    return kept | {"PATH": f"/usr/sbin:/sbin:{os.environ.get('PATH', '/usr/bin:/bin')}"}


def _is_proxy(name: str) -> bool:
    return name.lower() in {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}
