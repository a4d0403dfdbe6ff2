"""Runs the control plane's servers: started with a log file each, gone when we are gone.

A server must not outlive the run that started it, even when that run is killed. On Linux the
kernel sees to it: a child may ask for a signal at its parent's death. It means the death of the
*thread* that started it, so one thread here starts all, and lives until all are stopped.
"""

import concurrent.futures
import contextlib
import dataclasses
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

POLL_SECONDS = 0.05

# Runs between fork and exec, as a program of its own: Python code may not run safely in a forked
# process that has threads. 1 is PR_SET_PDEATHSIG. The parent may be dead before that took effect.
_LAUNCHER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the process that wanted this server is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class ServerError(Exception):
    """A server did not start or does not answer; the message ends with the tail of its log."""


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let a clean-up come to its end: people press Ctrl-C twice. Only the main thread is asked."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {n: signal.signal(n, signal.SIG_IGN) or signal.SIG_DFL for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A running server, where it logs, and the size that the log had at its start."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    log_start: int

    def written(self) -> str:
        """Return what it has logged since its start."""
        with self.log.open("rb") as file:
            file.seek(self.log_start)
            return file.read().decode(errors="replace")

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.written().splitlines()[-lines:])

    def wait_until(self, ready: Callable[[], bool], timeout_seconds: float) -> None:
        """Return once `ready()` holds.

        Raises:
            ServerError: the server ended, or the time is over.

        """
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            if time.monotonic() > deadline:
                raise ServerError(
                    f"{self.name} is not ready after {timeout_seconds:.0f} s, "
                    f"see {self.log}:\n{self.tail()}"
                )
            # The pause between two looks is a wait for the process: its end is seen at once.
            try:
                code = self.process.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            raise ServerError(
                f"{self.name} ended with exit code {code}, see {self.log}:\n{self.tail()}"
            )


class Servers:
    """Starts servers and stops them, by their process objects only."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._spawner = concurrent.futures.ThreadPoolExecutor(1, "control-plane-spawner")

    def start(self, name: str, command: list[str]) -> Server:
        """Start a server; what it writes goes to `<name>.log`, after what is there already."""
        launched = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]
        log = self._logs / f"{name}.log"
        return self._spawner.submit(self._spawn, name, launched, log).result()

    def stop(self, server: Server, *, abruptly: bool, timeout_seconds: float = 10) -> None:
        """End a server: by SIGTERM, or at once by SIGKILL when `abruptly` or out of patience."""
        server.process.send_signal(signal.SIGKILL if abruptly else signal.SIGTERM)
        try:
            server.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()

    def close(self) -> None:
        """Let the starting thread go; what still runs is killed by its end, on Linux."""
        self._spawner.shutdown()

    def _spawn(self, name: str, command: list[str], log: Path) -> Server:
        with log.open("ab") as output:
            log_start = output.tell()
            # A process group of its own: Ctrl-C is for us, we stop the servers in order.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0
            )
        return Server(name, process, log, log_start)


_given: set[int] = set()
"""The ports that `free_port` has returned: some server may be about to listen there, or again."""

_MOST_GIVEN = 10_000


def free_port() -> int:
    """Return a loopback port that was free just now, and that nobody else here was given.

    It lies below the range from which the kernel takes ports for outgoing connections: the port
    of a server that is stopped for a while would be taken by one of those sooner or later.
    """
    if len(_given) > _MOST_GIVEN:
        _given.clear()
    while True:
        port = random.randint(15000, 29999)  # noqa: S311 - no secret
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
