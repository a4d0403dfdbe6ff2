"""Turns: calls for one volume come one after the other, and whoever waits gives way to the end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Turn:
    """Whose turn it is with one volume; ``left`` is set while somebody wants it gone."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    leaving: int = 0
    users: int = 0


class Turns:
    """Those of all volumes, by ID."""

    def __init__(self) -> None:
        self._turns: dict[str, Turn] = {}

    @contextlib.asynccontextmanager
    async def take(self, volume_id: str, *, is_leaving: bool = False) -> AsyncIterator[Turn]:
        """Wait for the turn. Whoever waits for an SVID gives it up to those who leave."""
        turn = self._turns.setdefault(volume_id, Turn())
        turn.users += 1
        turn.leaving += is_leaving
        if is_leaving:
            turn.left.set()
        try:
            async with turn.lock:
                yield turn
        finally:
            turn.users -= 1
            turn.leaving -= is_leaving
            if not turn.leaving:
                turn.left.clear()
            if not turn.users:
                del self._turns[volume_id]


async def first_of(*events: asyncio.Event, seconds: float) -> bool:
    """Wait for one of the events; tells whether none came in time."""
    try:
        async with asyncio.timeout(max(0.0, seconds)), asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(event.wait()) for event in events]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
    except TimeoutError:
        return True
    return False
