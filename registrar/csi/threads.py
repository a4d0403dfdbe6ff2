"""What must not be left half-way, be it cancelled: calls that block, and clearing up."""

import asyncio
import contextlib
import traceback
from collections.abc import Callable, Coroutine
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


async def in_thread(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """As asyncio.to_thread; when cancelled it ends only after the call has.

    Whoever cancels may then undo what the call did.
    """
    return await _to_the_end(
        asyncio.get_running_loop().run_in_executor(None, lambda: call(*args, **kwargs))
    )


async def uninterrupted(work: Coroutine[None, None, R]) -> R:
    """Do some work to its end, also when cancelled meanwhile."""
    return await _to_the_end(asyncio.get_running_loop().create_task(work))


async def forgetful(work: Coroutine[None, None, None]) -> None:
    """Do it, and keep nothing of it when it is cancelled.

    An exception, its frames and what they hold keep each other until some later
    full collection: a private key would stay in memory long after its volume.
    """
    try:
        await work
    except asyncio.CancelledError as ended:
        traceback.clear_frames(ended.__traceback__)
        raise


async def _to_the_end(future: asyncio.Future[R]) -> R:
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await asyncio.shield(future)
        # Nobody asks for its result any more.
        if not future.cancelled():
            future.exception()
        raise
