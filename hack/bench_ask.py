"""The line protocol by which the benchmark asks when entries appeared.

A process beside the benchmark reads a command a line and answers a line: ``wait PATH`` (when the
entry of that path was stored), ``wait-count N`` (when the Nth was), ``wait-all N PREFIX`` (when the
Nth with that beginning was), ``times`` (all of them, as JSON), ``writes``, ``entries``. Times are
those of the machine's monotonic clock, which all processes share.
"""

import asyncio
import json
import sys
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
        while argument not in store.seen:  # noqa: ASYNC110 - half a millisecond is the resolution
            await asyncio.sleep(_POLL_SECONDS)
        store.awaited.clear()
        return str(store.seen[argument])
    if command == "wait-count":
        while len(store.seen) < int(argument):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        return str(max(store.seen.values()))
    if command == "wait-all":
        number, _, prefix = argument.partition(" ")
        return str(await _wait_all(store, int(number), prefix))
    if command == "times":
        return json.dumps(store.seen)
    if command == "writes":
        return str(store.writes())
    return str(store.entries())


async def _wait_all(store: Store, number: int, prefix: str) -> float:
    while True:
        times = [when for path, when in store.seen.items() if path.startswith(prefix)]
        if len(times) >= number:
            return max(times)
        await asyncio.sleep(_SPARING_SECONDS)
