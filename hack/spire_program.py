"""One of SPIRE's programs as a process: started until healthy, stopped, killed, hung, resumed."""

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from hack import tool_build
from hack.processes import Server, ServerError, Servers

START_SECONDS = 60
"""The patience with each start, on a machine busy with other things; half a second is usual."""


class Program:
    """A program with a folder of its own, in use as a context manager.

    `folder` receives everything, the log too, and is left in place; without it a temporary one is
    used, which goes at the end unless the block failed. The binaries must have been built.

    All calls block: in asynchronous tests use `asyncio.to_thread`.
    """

    def __init__(self, name: str, folder: Path | None) -> None:
        self._binary = tool_build.required(tool_build.SPIRE) / name
        self._name = name
        self._temporary = folder is None
        # Not below pytest's folder: paths of sockets must be short.
        self.folder = folder or Path(tempfile.mkdtemp(prefix=f"{name}-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._servers = Servers(self.folder)
        self._running: Server | None = None

    @property
    def log(self) -> Path:
        """Where it writes its log."""
        return self.folder / f"{self._name}.log"

    @property
    def pid(self) -> int:
        """Its process, while it runs. Raises ServerError else."""
        if self._running is None:
            raise ServerError(f"{self._name} does not run")
        return self._running.process.pid

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            ServerError: it did not come up; the message ends with the tail of its log.

        """
        try:
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it; its folder stays for reading if the block failed."""
        self._end()
        if self._temporary and error is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, or start it again with the same data."""
        raise NotImplementedError

    def stop(self) -> None:
        """End it as an operator does."""
        self._stop(abruptly=False)

    def kill(self) -> None:
        """End it as a crash does."""
        self._stop(abruptly=True)

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()

    def hang(self) -> None:
        """Let it neither answer nor end, until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `hang`."""
        self._signal(signal.SIGCONT)

    def run(self, *arguments: str, timeout_seconds: float = 60) -> str:
        """Return what the program's own command line writes.

        Raises:
            ServerError: the command failed; the message is what it wrote.

        """
        finished = subprocess.run(
            [str(self._binary), *arguments],
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        if finished.returncode != 0:
            said = (finished.stderr + finished.stdout).strip()
            raise ServerError(f"{self._name} {' '.join(arguments)}: {said}")
        return finished.stdout

    def launch(self, configuration: Mapping[str, object], socket: Path) -> None:
        """Start it with that configuration; it is healthy when this returns.

        Raises:
            ServerError: it did not come up; the message ends with the tail of its log.

        """
        if self._running is not None:
            raise ServerError(f"{self._name} runs already")
        path = self.folder / f"{self._name}.json"
        # The format is HCL, of which JSON is a part.
        path.write_text(json.dumps(configuration, indent=1), encoding="utf-8")
        command = [str(self._binary), "run", "-config", str(path)]
        self._running = self._servers.start(self._name, command)
        try:
            self._running.wait_until(lambda: self._is_healthy(socket), START_SECONDS)
        except BaseException:
            self.kill()
            raise

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once it holds, while the program runs.

        Raises:
            ServerError: it does not in time.

        """
        if self._running is None:
            raise ServerError(f"{self._name} does not run")
        self._running.wait_until(condition, START_SECONDS)

    def _is_healthy(self, socket: Path) -> bool:
        if not socket.exists():
            return False
        try:
            self.run("healthcheck", "-socketPath", str(socket))
        except (ServerError, subprocess.TimeoutExpired):
            return False
        return True

    def _stop(self, *, abruptly: bool) -> None:
        server, self._running = self._running, None
        if server is not None:
            # One that hangs would not hear of it.
            server.process.send_signal(signal.SIGCONT)
            self._servers.stop(server, abruptly=abruptly)

    def _signal(self, number: signal.Signals) -> None:
        if self._running is None:
            raise ServerError(f"{self._name} does not run")
        self._running.process.send_signal(number)

    def _end(self) -> None:
        self.kill()
        self._servers.close()
