"""The embedded SPIRE server in a process of its own, which notes when each entry appeared.

Reads a command a line and answers a line: ``wait PATH``, ``wait-count N``,
``writes``, ``entries``. Times are those of the machine's monotonic clock,
which all processes share.

    python hack/bench_spire.py SOCKET
"""

import asyncio
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from api.proto.types_pb2 import Entry  # noqa: E402 - the checkout itself is measured
from devcluster.spire.server import SpireServer  # noqa: E402

_POLL_SECONDS = 0.0005


async def serve(socket: Path) -> None:
    """Serve until standard input ends."""
    async with SpireServer.serve(socket_path=socket) as server:
        seen = _note_times(server)
        print("ready", flush=True)
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            command, _, argument = line.partition(" ")
            print(await _answer(server, seen, command, argument), flush=True)


def _note_times(server: SpireServer) -> dict[str, float]:
    """When the entry of each SPIFFE ID's path was first stored."""
    seen: dict[str, float] = {}
    put = server.state.put

    def noting(entry: Entry) -> Entry:
        stored = put(entry)
        seen.setdefault(entry.spiffe_id.path, time.monotonic())
        return stored

    server.state.put = noting  # type: ignore[method-assign]  # the clock must be read there
    return seen


async def _answer(server: SpireServer, seen: dict[str, float], command: str, argument: str) -> str:
    if command == "wait":
        while argument not in seen:  # noqa: ASYNC110 - half a millisecond is the resolution
            await asyncio.sleep(_POLL_SECONDS)
        return str(seen[argument])
    if command == "wait-count":
        while len(seen) < int(argument):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        return str(max(seen.values()))
    if command == "writes":
        return str(server.writes.total())
    return str(len(server.state.entries()))


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
