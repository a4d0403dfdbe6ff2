"""Bodies of questions, within a bound for each and for all that are held at one time.

A question may have megabytes, and as many may come at once as there are connections: all
of them together must not be more than a container's memory limit leaves.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

MOST_HELD = 24 * 2**20
"""Bytes of all bodies together."""


class TooSlowError(Exception):
    """A body was not there in time."""


class BusyError(Exception):
    """There was no room for a body beside those of others."""


class _Held:
    """One body, as far as it has come; ``patience`` runs while it is read."""

    def __init__(self, seconds: float) -> None:
        self.patience = asyncio.timeout(seconds)
        self.parts: list[bytes] = []
        self.size = 0
        self.is_dropped = False


class Bodies:
    """Reads bodies of ``most`` bytes each, and ``most_held`` together, in ``seconds`` each."""

    def __init__(self, *, most: int, seconds: float, most_held: int = MOST_HELD) -> None:
        self._most = most
        self._seconds = seconds
        self._most_held = most_held
        self._held: list[_Held] = []
        self._reading: list[_Held] = []

    @asynccontextmanager
    async def of(self, request: web.Request) -> AsyncIterator[bytes]:
        """The body of a request, which is held until the block ends.

        Raises TooSlowError, BusyError, and aiohttp's error for one that is too large.
        """
        held = _Held(self._seconds)
        self._held.append(held)
        try:
            await self._read(request, held)
            body = b"".join(held.parts)
            held.parts.clear()
            yield body
        finally:
            self._held.remove(held)

    async def _read(self, request: web.Request, held: _Held) -> None:
        self._reading.append(held)
        try:
            async with held.patience:
                async for part in request.content.iter_any():
                    held.parts.append(part)
                    held.size += len(part)
                    if held.size > self._most:
                        raise web.HTTPRequestEntityTooLarge(self._most, held.size)
                    self._make_room()
        except TimeoutError:
            if not held.patience.expired():
                raise
            raise (BusyError if held.is_dropped else TooSlowError) from None
        finally:
            self._reading.remove(held)

    def _make_room(self) -> None:
        """Where there is too much in all, give up the largest body that is still being read.

        A question of usual size is never that one beside those that fill the memory.
        """
        if sum(held.size for held in self._held) <= self._most_held:
            return
        largest = max(self._reading, key=lambda held: held.size)
        largest.is_dropped = True
        largest.size = 0
        largest.parts.clear()
        largest.patience.reschedule(asyncio.get_running_loop().time())
