"""The embedded SPIRE server in a process of its own, which notes when each entry appeared.

    python hack/bench_spire.py SOCKET

What it is asked, and how, is told in ``bench_ask``.
"""

import asyncio
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from api.proto.types_pb2 import Entry  # noqa: E402 - the checkout itself is measured
from devcluster.spire.server import SpireServer  # noqa: E402
from hack.bench_ask import answer  # noqa: E402


class Embedded:
    """The server's entries, with the times of their creation."""

    def __init__(self, server: SpireServer) -> None:
        self._server = server
        self.seen: dict[str, float] = {}
        self.awaited = asyncio.Event()
        put = server.state.put

        def noting(entry: Entry) -> Entry:
            stored = put(entry)
            self.seen.setdefault(entry.spiffe_id.path, time.monotonic())
            return stored

        server.state.put = noting  # type: ignore[method-assign]  # the clock must be read there

    def writes(self) -> int:
        """How many writes it has had."""
        return int(self._server.writes.total())

    def entries(self) -> int:
        """How many entries it holds."""
        return len(self._server.state.entries())


async def serve(socket: Path) -> None:
    """Serve until standard input ends."""
    async with SpireServer.serve(socket_path=socket) as server:
        await answer(Embedded(server))


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
