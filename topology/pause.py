"""Looks at something again and again, until it is so."""

import asyncio
from collections.abc import Awaitable, Callable

PAUSE_SECONDS = 0.5


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return once the condition holds."""
    while True:
        if await condition():
            return
        await asyncio.sleep(PAUSE_SECONDS)
