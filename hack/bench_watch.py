"""Watches the database of a real SPIRE server, to tell when each entry was stored.

    python hack/bench_watch.py sqlite FILE
    python hack/bench_watch.py postgresql PSQL ARGUMENT ...

A look reads the rows that are new, by their primary key, in a transaction of its own: the server
does not wait for it. The server itself notes times in whole seconds only. What it is asked, and
how, is told in ``bench_ask``.
"""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from hack.bench_ask import answer  # noqa: E402 - needs the line above

_EXACT_SECONDS, _SPARING_SECONDS = 0.002, 0.02
_OVERLAP = 100
"""Rows that are looked at again: a transaction may end later than one that began after it."""
_TRUST_DOMAIN = "spiffe://example.org"


class Rows(Protocol):
    """A connection to the database."""

    def ask(self, statement: str) -> list[tuple[str, ...]]:
        """The rows that a statement gives, as text."""
        ...


class Sqlite:
    """SPIRE's default: a file in WAL mode, which readers do not lock."""

    def __init__(self, file: str) -> None:
        self._connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, isolation_level=None)

    def ask(self, statement: str) -> list[tuple[str, ...]]:
        """The rows that a statement gives, as text."""
        return [tuple(map(str, row)) for row in self._connection.execute(statement)]


class Psql:
    """PostgreSQL by its own command line, so that no library is needed."""

    _END = "--end--"

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, statement: str) -> list[tuple[str, ...]]:
        """The rows that a statement gives, as text."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("no pipes to psql")
        stdin.write(f"{statement};\n\\echo {self._END}\n")
        stdin.flush()
        rows: list[tuple[str, ...]] = []
        for line in stdout:
            if line.rstrip("\n") == self._END:
                return rows
            rows.append(tuple(line.rstrip("\n").split("\t")))
        raise RuntimeError("psql ended")

    def close(self) -> None:
        """End it."""
        self._process.communicate()


class Watched:
    """The entries of a server whose database is looked at again and again."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._last = 0
        self.seen: dict[str, float] = {}
        self.awaited = asyncio.Event()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            if self.awaited.is_set():
                await asyncio.sleep(_EXACT_SECONDS)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_SPARING_SECONDS):
                        await self.awaited.wait()
            found = self._rows.ask(
                "SELECT id, spiffe_id FROM registered_entries "  # noqa: S608 - a number of ours
                f"WHERE id > {self._last - _OVERLAP} ORDER BY id"
            )
            now = time.monotonic()
            for number, spiffe_id in found:
                self.seen.setdefault(spiffe_id.removeprefix(_TRUST_DOMAIN), now)
                self._last = max(self._last, int(number))

    def writes(self) -> int:
        """How many writes it has had: each creation, change and deletion leaves an event."""
        return int(
            self._rows.ask("SELECT coalesce(max(id), 0) FROM registered_entries_events")[0][0]
        )

    def entries(self) -> int:
        """How many entries it holds."""
        return int(self._rows.ask("SELECT count(*) FROM registered_entries")[0][0])


async def watch(kind: str, arguments: Sequence[str]) -> None:
    """Watch until standard input ends."""
    watched = Watched(Sqlite(arguments[0]) if kind == "sqlite" else Psql(arguments))
    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(watched.run())
        await answer(watched)
        looking.cancel()


if __name__ == "__main__":
    asyncio.run(watch(sys.argv[1], sys.argv[2:]))
