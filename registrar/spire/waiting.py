"""Waiting for a SPIRE server that is not there yet: with back-off, for ever."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from registrar.spire.errors import SpireError
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 10.0
_LOG_EVERY = 20

T = TypeVar("T")


async def until_done(
    attempt: Callable[[], Awaitable[T]],
    *,
    what: str,
    on_failure: Callable[[SpireError], None] = lambda _: None,
    answers: asyncio.Event | None = None,
) -> T:
    """Try until it succeeds, and return what it gave.

    Any SpireError is waited out: a server that is being installed may refuse
    us before it knows us. The first failure is logged, then every twentieth,
    a few minutes apart; ``on_failure`` hears of each. ``answers`` is set by
    whoever sees that the server answers: then the next attempt comes at once.
    """

    def failed(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if not isinstance(error, SpireError):
            return
        on_failure(error)
        if state.attempt_number == 1 or state.attempt_number % _LOG_EVERY == 0:
            log.warning(
                "waiting for the SPIRE server",
                extra=kv(what=what, why=error.message, attempt=state.attempt_number),
            )

    async def once() -> T:
        # AsyncRetrying awaits nothing but coroutine functions: not what a lambda gives.
        return await attempt()

    async def pause(seconds: float) -> None:
        if answers is None or answers.is_set():
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await answers.wait()

    retrying = AsyncRetrying(
        sleep=pause,
        retry=retry_if_exception_type(SpireError),
        wait=wait_random_exponential(multiplier=0.2, max=LONGEST_WAIT_SECONDS),
        before_sleep=failed,
    )
    return await retrying(once)
