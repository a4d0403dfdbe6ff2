"""Waiting for a condition instead of sleeping."""

import asyncio
from collections.abc import Awaitable, Callable

from devcluster.client import NotFound

SECONDS = 90.0
"""A safety net, not a measure: a busy machine may take its time, a hang still ends."""

AWAY = (NotFound, LookupError, FileNotFoundError)
"""What a condition may raise while an object, an entry of a list or a file is not there."""


async def until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Return as soon as ``condition`` holds; TimeoutError when it does not in time.

    What is replaced is away for a moment: a condition that does not find what it looks at
    does not hold yet. If it never does, what it raised last is the cause of the TimeoutError.
    """

    async def holds() -> bool:
        return condition()

    await _wait(holds, seconds, pause=0.005)


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = SECONDS) -> None:
    """Wait as ``until`` does, for a condition that asks a server."""
    await _wait(condition, seconds, pause=0.02)


async def _wait(condition: Callable[[], Awaitable[bool]], seconds: float, *, pause: float) -> None:
    missing: Exception | None = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    if await condition():
                        return
                    missing = None
                except AWAY as error:
                    missing = error
                await asyncio.sleep(pause)
    except TimeoutError as error:
        if missing is None:
            raise
        raise TimeoutError(f"not within {seconds:g} s: {missing!r}") from error
