"""The SPIRE server of the benchmark: SPIRE's own with one of its databases, or the embedded one."""

import asyncio
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hack import bench_bare
from hack.postgresql import Postgresql
from hack.spire import RealServer, ServerOptions

ROOT = Path(__file__).resolve().parent.parent
_PATIENCE_SECONDS, _LOOK_SECONDS = 900.0, 0.02
_SAMPLE = 1000
"""Entries that are there while ANALYZE looks, and gone before anything is measured."""

SQLITE, POSTGRESQL, EMBEDDED = "sqlite", "postgresql", "embedded"
KINDS = (SQLITE, POSTGRESQL, EMBEDDED)


@dataclass(frozen=True)
class Database:
    """What the server keeps its entries in; ``is_analyzed``: its planner knows how they lie."""

    kind: str
    is_analyzed: bool = False

    @property
    def title(self) -> str:
        """What a figure calls it."""
        names = {SQLITE: "SQLite", POSTGRESQL: "PostgreSQL", EMBEDDED: "embedded SPIRE"}
        return names[self.kind] + (" after ANALYZE" if self.is_analyzed else "")


class Spire:
    """The server, and the process that says when it stored what."""

    def __init__(self, socket: Path, arguments: Sequence[str], pid: int | None = None) -> None:
        self.socket = socket
        self._process = subprocess.Popen(
            [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid if pid is None else pid

    async def ask(self, command: str) -> str:
        """Send a command, get its answer."""
        return await asyncio.to_thread(self._ask, command)

    async def times(self) -> dict[str, float]:
        """When the entry of each path was first stored."""
        found: dict[str, float] = json.loads(await self.ask("times"))
        return found

    async def entries(self) -> int:
        """How many entries there are."""
        return int(await self.ask("entries"))

    async def writes(self) -> int:
        """How many writes there were."""
        return int(await self.ask("writes"))

    async def until(self, number: Callable[[], Awaitable[int]], wanted: int) -> None:
        """Wait until one of the above gives what is wanted."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while await number() != wanted:  # noqa: ASYNC110 - asks a process
                await asyncio.sleep(_LOOK_SECONDS)

    def until_ready(self) -> None:
        """Wait until it answers."""
        self._read()

    def stop(self) -> None:
        """End what answers."""
        self._process.terminate()
        self._process.wait()

    def _ask(self, command: str) -> str:
        stdin = self._process.stdin
        if stdin is None:
            raise RuntimeError("no pipe to the SPIRE server")
        stdin.write(command + "\n")
        stdin.flush()
        return self._read()

    def _read(self) -> str:
        stdout = self._process.stdout
        line = stdout.readline() if stdout is not None else ""
        if not line:
            raise RuntimeError("the SPIRE server's process ended")
        return line.strip()


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.asynccontextmanager
async def open_spire(database: Database, folder: Path) -> AsyncIterator[Spire]:
    """Run the server; it answers when the block begins."""
    script = str(ROOT / "hack" / "bench_watch.py")
    with contextlib.ExitStack() as stack:
        if database.kind == EMBEDDED:
            socket = folder / "spire.sock"
            spire = Spire(socket, [str(ROOT / "hack" / "bench_spire.py"), str(socket)])
        elif database.kind == POSTGRESQL:
            postgresql = stack.enter_context(Postgresql())
            options = ServerOptions(
                database=("postgres", postgresql.connection_string), as_shipped=True
            )
            server = stack.enter_context(RealServer(options))
            await _prepare(database, server, lambda: postgresql.ask("ANALYZE"))
            arguments = [script, POSTGRESQL, *postgresql.psql]
            spire = Spire(server.socket_path, arguments, server.pid)
        else:
            server = stack.enter_context(RealServer(ServerOptions(as_shipped=True)))
            file = server.database_file
            await _prepare(database, server, lambda: _analyze(file))
            spire = Spire(server.socket_path, [script, SQLITE, str(file)], server.pid)
        stack.callback(spire.stop)
        spire.until_ready()
        yield spire


async def _prepare(database: Database, server: RealServer, analyze: Callable[[], object]) -> None:
    """Let the planner see entries such as there will be; one that saw none would learn nothing."""
    if not database.is_analyzed:
        if database.kind == SQLITE:
            _as_most_are(server.database_file)
        return
    await bench_bare.write(server.socket_path, _SAMPLE)
    analyze()
    await bench_bare.remove(server.socket_path, _SAMPLE)


def _as_most_are(file: Path) -> None:
    """Let the planner choose as it does on most servers, so that all are measured on the same.

    Of two indexes that look equally good to it SQLite takes the one that was made last, and SPIRE
    makes its indexes in an order that differs from one new database to the next.
    """
    with contextlib.closing(sqlite3.connect(file, timeout=60)) as connection:
        connection.execute("DROP INDEX idx_registered_entries_parent_id")
        connection.execute(
            "CREATE INDEX idx_registered_entries_parent_id ON registered_entries (parent_id)"
        )
        connection.commit()


def _analyze(file: Path) -> None:
    """What an operator does with ``sqlite3 FILE ANALYZE``; the server may run meanwhile."""
    with contextlib.closing(sqlite3.connect(file, timeout=60)) as connection:
        connection.execute("ANALYZE")
        connection.commit()


async def bare_run(
    database: Database, entries: int, folder: Path, *, shares_selector: bool
) -> list[bench_bare.Step]:
    """What one entry takes, the more there are: a client that does nothing else writes them."""
    async with open_spire(database, folder) as spire:
        return await bench_bare.write(
            spire.socket,
            entries,
            shares_selector=shares_selector,
            cpu_seconds=lambda: cpu_seconds(spire.pid),
        )


def load_average() -> float:
    """How many processes have wanted a processor in the last minute."""
    return round(os.getloadavg()[0], 1)
