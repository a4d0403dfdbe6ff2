"""The queues of the batching writer: what waits, in which order, and what goes together."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from registrar.identity.entry import Entry
from registrar.spire.errors import SpireError
from registrar.telemetry.tracing import SPAN

Result: TypeAlias = Entry | bool
"""The entry as the server holds it; for a deletion whether there was one."""


class Kind(Enum):
    """What a write does."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(slots=True, eq=False)
class Write:
    """One write that somebody waits for; ``fields`` are the attributes that an update changes.

    ``span`` is that of whoever waits, where there is one.
    """

    kind: Kind
    entry: Entry
    future: "asyncio.Future[Result]"
    fields: frozenset[str] = frozenset()
    span: object | None = field(default_factory=SPAN.get)

    def succeed(self, result: Result) -> None:
        """Give the result to whoever still waits for it."""
        if not self.future.done():
            self.future.set_result(result)

    def fail(self, error: SpireError) -> None:
        """Give the error to whoever still waits."""
        if not self.future.done():
            self.future.set_exception(error)


class Lane:
    """The writes of one kind that may go now. Those with equal ``fields`` may share a call."""

    def __init__(self) -> None:
        self._groups: dict[frozenset[str], deque[Write]] = {}
        self._filled = asyncio.Event()

    def put(self, write: Write) -> None:
        """Add to the end."""
        self._groups.setdefault(write.fields, deque()).append(write)
        self._filled.set()

    async def take(self, limit: int) -> list[Write]:
        """Up to so many writes that may share a call; waits for the first."""
        while not self._groups:
            self._filled.clear()
            await self._filled.wait()
        fields, waiting = next(iter(self._groups.items()))
        del self._groups[fields]
        writes = [waiting.popleft() for _ in range(min(limit, len(waiting)))]
        if waiting:
            # Behind the other groups, so that none of them starves.
            self._groups[fields] = waiting
        return writes


class Queues:
    """A lane for each kind, and the order of the writes to one entry across them.

    Only one write to an entry ID is in a lane or under way; those behind it
    wait for their turn, in the order in which they came.
    """

    def __init__(self) -> None:
        self.lanes = {kind: Lane() for kind in Kind}
        self._turns: dict[str, deque[Write]] = {}

    def put(self, write: Write) -> None:
        """Add a write behind those to the same entry."""
        turns = self._turns.get(write.entry.id)
        if turns is None:
            self._turns[write.entry.id] = deque([write])
            self.lanes[write.kind].put(write)
        else:
            turns.append(write)

    def done(self, write: Write) -> None:
        """A write is over: the next one to its entry may go."""
        turns = self._turns[write.entry.id]
        turns.popleft()
        if turns:
            self.lanes[turns[0].kind].put(turns[0])
        else:
            del self._turns[write.entry.id]

    def waiting(self) -> list[Write]:
        """Every write that is not over."""
        return [write for turns in self._turns.values() for write in turns]
