"""How the benchmark learns when the real SPIRE server stored an entry."""

import asyncio
import contextlib
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.bench_ask import answer_to
from hack.bench_watch import Psql, Sqlite, Watched
from tests.support.waiting import until

_SCHEMA = """
CREATE TABLE registered_entries (id INTEGER PRIMARY KEY, spiffe_id TEXT);
CREATE TABLE registered_entries_events (id INTEGER PRIMARY KEY);
"""
# Says what psql would: the rows of each statement, then what it is told to echo.
_FAKE_PSQL = """
import sys
for line in sys.stdin:
    if line.startswith("\\\\echo "):
        print(line.removeprefix("\\\\echo ").rstrip(), flush=True)
    elif line.startswith("SELECT two"):
        print("1\\tspiffe://example.org/a")
        print("2\\tspiffe://example.org/b")
    elif line.startswith("SELECT end"):
        sys.exit()
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(tmp_path / "entries.sqlite3")) as connection:
        connection.executescript(_SCHEMA)
        yield connection


def insert(database: sqlite3.Connection, number: int, path: str) -> None:
    database.execute(
        "INSERT INTO registered_entries VALUES (?, ?)", (number, f"spiffe://example.org{path}")
    )
    database.execute("INSERT INTO registered_entries_events VALUES (NULL)")
    database.commit()


@pytest.mark.may_block
async def test_it_tells_when_each_entry_was_stored(
    database: sqlite3.Connection, tmp_path: Path
) -> None:
    watched = Watched(Sqlite(str(tmp_path / "entries.sqlite3")))
    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(watched.run())
        insert(database, 1, "/a")
        first = float(await answer_to(watched, "wait /a"))
        insert(database, 3, "/b-1")
        second = float(await answer_to(watched, "wait-all 1 /b-"))
        # A transaction that ends later has the lower number.
        insert(database, 2, "/c")
        third = float(await answer_to(watched, "wait-count 3"))
        looking.cancel()
    assert first < second < third
    assert await answer_to(watched, "entries") == "3"
    assert await answer_to(watched, "writes") == "3"


@pytest.mark.may_block
async def test_what_is_replaced_keeps_its_first_time(
    database: sqlite3.Connection, tmp_path: Path
) -> None:
    watched = Watched(Sqlite(str(tmp_path / "entries.sqlite3")))
    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(watched.run())
        insert(database, 1, "/a")
        first = await answer_to(watched, "wait /a")
        insert(database, 2, "/a")
        insert(database, 3, "/b")
        await until(lambda: "/b" in watched.seen)
        looking.cancel()
    assert await answer_to(watched, "wait /a") == first


@pytest.fixture
def psql(tmp_path: Path) -> Iterator[Psql]:
    script = tmp_path / "psql.py"
    script.write_text(_FAKE_PSQL, encoding="utf-8")
    connection = Psql([sys.executable, str(script)])
    yield connection
    connection.close()


def test_psql_gives_the_rows_of_one_statement_after_the_other(psql: Psql) -> None:
    assert psql.ask("SELECT none") == []
    rows = [("1", "spiffe://example.org/a"), ("2", "spiffe://example.org/b")]
    assert psql.ask("SELECT two") == rows
    assert psql.ask("SELECT two") == rows


def test_the_end_of_psql_is_an_error_and_no_endless_wait(psql: Psql) -> None:
    with pytest.raises(RuntimeError, match="psql ended"):
        psql.ask("SELECT end")
