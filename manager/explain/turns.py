"""Long looks at what a running registrar knows, with turns for its work in between."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

_EVERY = 200


async def in_turns(values: Iterable[T]) -> AsyncIterator[T]:
    """Each value as it was at the first turn; whatever waits on the event loop comes in between."""
    for place, value in enumerate(list(values)):
        if place % _EVERY == _EVERY - 1:
            await asyncio.sleep(0)
        yield value
