"""The line protocol by which the benchmark asks when entries appeared.

A process beside the benchmark reads a command a line and answers a line:

    wait PATH            when the entry of that path was stored
    wait-count N         when the Nth was
    wait-all N PREFIX    when the Nth with that beginning was
    wait-paths PATH ...  when the last of them was
    wait-writes N        when the Nth write of any kind was seen
    exact, sparing       how often to look from now on, when nobody waits for a single entry
    times                all times by path, as JSON
    writes, entries      how many there are

Times are those of the machine's monotonic clock, which all processes share.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Protocol

_POLL_SECONDS, _SPARING_SECONDS = 0.0005, 0.05


class Store(Protocol):
    """What a SPIRE server holds, as the process sees it."""

    seen: dict[str, float]
    """When the entry of each SPIFFE ID's path was first stored."""
    awaited: asyncio.Event
    """Set while somebody waits for one entry, whose time is to be exact."""

    def writes(self) -> int:
        """How many writes it has had."""
        ...

    def entries(self) -> int:
        """How many entries it holds."""
        ...


async def answer(store: Store) -> None:
    """Answer until standard input ends."""
    print("ready", flush=True)
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        print(await answer_to(store, line), flush=True)


async def answer_to(store: Store, line: str) -> str:
    """Answer one command."""
    command, _, argument = line.partition(" ")
    if command == "wait":
        store.awaited.set()
        await _until(lambda: argument in store.seen, _POLL_SECONDS)
        store.awaited.clear()
        return str(store.seen[argument])
    if command.startswith("wait-"):
        return str(await _WAITS[command](store, argument))
    if command in {"exact", "sparing"}:
        (store.awaited.set if command == "exact" else store.awaited.clear)()
        return command
    if command == "times":
        return json.dumps(store.seen)
    return str(store.writes() if command == "writes" else store.entries())


async def _until(is_so: Callable[[], bool], look_seconds: float = _SPARING_SECONDS) -> None:
    while not is_so():  # noqa: ASYNC110 - what it looks at is somebody else's
        await asyncio.sleep(look_seconds)


async def _count(store: Store, argument: str) -> float:
    await _until(lambda: len(store.seen) >= int(argument), _POLL_SECONDS)
    return max(store.seen.values())


async def _all(store: Store, argument: str) -> float:
    number, _, prefix = argument.partition(" ")

    def times() -> list[float]:
        return [when for path, when in store.seen.items() if path.startswith(prefix)]

    await _until(lambda: len(times()) >= int(number))
    return max(times())


async def _paths(store: Store, argument: str) -> float:
    paths = argument.split()
    await _until(lambda: all(path in store.seen for path in paths))
    return max(store.seen[path] for path in paths)


async def _writes(store: Store, argument: str) -> float:
    await _until(lambda: store.writes() >= int(argument))
    return time.monotonic()


_WAITS = {
    "wait-count": _count,
    "wait-all": _all,
    "wait-paths": _paths,
    "wait-writes": _writes,
}
