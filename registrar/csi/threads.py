"""Calls that block, beside the event loop: a mount or a file is never left half-way."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


async def in_thread(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """As asyncio.to_thread; when cancelled it ends only after the call has.

    Whoever cancels may then undo what the call did.
    """
    future = asyncio.get_running_loop().run_in_executor(None, lambda: call(*args, **kwargs))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await asyncio.shield(future)
        # Nobody asks for its result any more.
        future.exception()
        raise
