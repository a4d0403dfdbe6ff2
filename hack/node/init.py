"""The first process in the node's namespaces: it sets them up and runs the node's servers.

Everything of the node lives in its namespaces: when this process ends, the kernel ends all others
in its PID namespace, and the mounts, the network and its rules go with the last of them. So nothing
is left on the machine, however this ends.

It is run by itself, before anything is installed, and uses the standard library only. What is to
be run it is told over a Unix socket, one JSON object for each connection:

- ``{"start": NAME, "command": [...], "log": PATH}`` answers ``{"pid": N}``;
- ``{"stop": NAME, "signal": N, "seconds": S}`` answers ``{}`` once the server is gone;
- ``{"status": null}`` answers ``{NAME: null or its exit code, ...}``;
- ``{"kill_others": [NAME, ...]}`` kills all processes but these servers, as a loss of power does.

A request that can't be served is answered with ``{"error": TEXT}``.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

INTERFACE = "node0"
ADDRESS = "172.30.0.2"
SOCKET = "control.sock"
PID_FILE = "init.pid"

_PAUSE_SECONDS = 0.02
_pause = threading.Event().wait
_MUCH_MEMORY = 12 << 30
# Of the machine's folders the node gets ones of its own, empty at first.
_OWN_FOLDERS = ("/var/lib", "/var/log")


class Init:
    """The servers that run here, by their names, and what became of those that ended."""

    def __init__(self) -> None:
        self._pids: dict[str, int] = {}
        self._ended: dict[str, int] = {}

    def serve(self, listener: socket.socket) -> None:
        """Answer requests, one after the other, for ever."""
        # A child that ends wakes us up: it must be reaped, whoever started it.
        reader, writer = socket.socketpair()
        writer.settimeout(0)
        signal.set_wakeup_fd(writer.fileno())
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        # As the first process of a namespace we would get no signal that we do not ask for; a
        # plain kill ends the node.
        signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(0))
        while True:
            ready, _, _ = select.select([listener, reader], [], [])
            if reader in ready:
                reader.recv(4096)
            self._reap()
            if listener in ready:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        with connection.makefile("rw", encoding="utf-8") as stream:
            try:
                answer = self._answer(json.loads(stream.readline()))
            except (OSError, ValueError, KeyError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            stream.write(json.dumps(answer) + "\n")

    def _answer(self, request: dict[str, object]) -> dict[str, object]:
        match request:
            case {"start": str(name), "command": list(command), "log": str(log)}:
                return {"pid": self._start(name, [str(part) for part in command], log)}
            case {"stop": str(name), "signal": int(number), "seconds": int(seconds)}:
                self._stop(name, number, seconds)
                return {}
            case {"status": None}:
                return {**dict.fromkeys(self._pids), **self._ended}
            case {"kill_others": list(kept)}:
                self._kill_others({str(name) for name in kept})
                return {}
        return {"error": f"not understood: {request!r}"}

    def _start(self, name: str, command: list[str], log: str) -> int:
        if name in self._pids:
            raise ValueError(f"{name} runs already")
        with Path(log).open("ab") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0
            )
        # Reaped with all others; without this subprocess would warn that nobody waited.
        process.returncode = 0
        self._ended.pop(name, None)
        self._pids[name] = process.pid
        return process.pid

    def _stop(self, name: str, number: int, seconds: int) -> None:
        pid = self._pids.get(name)
        if pid is None:
            return
        os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while name in self._pids:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            _pause(_PAUSE_SECONDS)
            self._reap()

    def _kill_others(self, kept: set[str]) -> None:
        spared = {1, *(pid for name, pid in self._pids.items() if name in kept)}
        # What is being started while we kill is found by another look.
        while victims := _processes() - spared:
            for pid in victims:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            _pause(_PAUSE_SECONDS)
            self._reap()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for name in [name for name, own in self._pids.items() if own == pid]:
                del self._pids[name]
                self._ended[name] = os.waitstatus_to_exitcode(status)


def _processes() -> set[int]:
    """Return all processes of this PID namespace but those that are dead already."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state = path.read_text().rpartition(")")[2].split()[0]
            if state not in "ZX":
                found.add(int(path.parent.name))
    return found


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def set_up(folder: Path) -> None:
    """Give the namespaces their mounts and their network."""
    _run("mount", "--make-rprivate", "/")
    _run("mount", "-t", "proc", "proc", "/proc")
    for path in _OWN_FOLDERS:
        own = folder / "root" / path.strip("/").replace("/", "-")
        own.mkdir(parents=True, exist_ok=True)
        _run("mount", "--bind", str(own), path)
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "node-run", "/run")
    Path("/run/lock").mkdir()
    containers = Path("/var/lib/containerd")
    containers.mkdir(exist_ok=True)
    if os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") > _MUCH_MEMORY:
        # Unpacking images is what a start waits for; in memory it takes a third of the time.
        _run("mount", "-t", "tmpfs", "node-images", str(containers))
    kubelet = Path("/var/lib/kubelet")
    kubelet.mkdir(exist_ok=True)
    # Mounts that a container makes below it must reach the others (Bidirectional).
    _run("mount", "--bind", str(kubelet), str(kubelet))
    _run("mount", "--make-rshared", str(kubelet))
    _run("ip", "link", "set", "lo", "up")
    # Both ends stay here: an interface that is up, for the node's address and its default route,
    # over which nothing leaves.
    _run("ip", "link", "add", INTERFACE, "type", "veth", "peer", "name", f"{INTERFACE}-end")
    _run("ip", "link", "set", INTERFACE, "up")
    _run("ip", "link", "set", f"{INTERFACE}-end", "up")
    _run("ip", "address", "add", f"{ADDRESS}/24", "dev", INTERFACE)
    _run("ip", "route", "add", "default", "dev", INTERFACE)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def main() -> None:
    """Set up, say under which number the machine knows us, and serve."""
    folder = Path(sys.argv[1])
    os.chdir(folder)  # the path of a socket must be short
    # The machine's /proc, which is still mounted, knows us by the machine's number.
    own_pid = str(Path("/proc/self").readlink())
    socket.sethostname(sys.argv[2])
    set_up(folder)
    Path(SOCKET).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(SOCKET)
        listener.listen()
        # Written last: who finds it can talk to us.
        Path(f"{PID_FILE}.new").write_text(own_pid)
        Path(f"{PID_FILE}.new").rename(PID_FILE)
        Init().serve(listener)


if __name__ == "__main__":
    main()
