"""Waits for what somebody else does: a controller, a kubelet, the API server itself."""

import asyncio
from collections.abc import Awaitable, Callable

_LOOK_SECONDS = 0.2


class NotInTime(Exception):  # noqa: N818 - named by what happened
    """What was waited for did not come; the message says how it is."""


async def until_no(problem: Callable[[], Awaitable[str]], *, timeout_seconds: float | None) -> None:
    """Wait until ``problem`` gives none, that is the empty text. Raises NotInTime with the last."""
    why = ""
    try:
        async with asyncio.timeout(timeout_seconds):
            while True:
                why = await problem()
                if not why:
                    return
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        raise NotInTime(f"not within {timeout_seconds:g} s: {why or 'no answer'}") from None
