"""Threads for reviews: the event loop, with its Lease and its probes, never waits for one."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Worker:
    """Does calls in threads, only so many at a time; others wait their turn.

    The threads are daemons: a call that does not end holds up no shutdown. (That is
    why asyncio.to_thread will not do, whose threads are waited for at the end.)
    """

    def __init__(self, threads: int) -> None:
        self._free = asyncio.Semaphore(threads)

    async def do(self, call: Callable[[], T]) -> T:
        """What the call gives or raises. If cancelled, it runs on to its end and keeps its place.

        Nothing in Python ends a thread from outside; what it does must be bounded by itself.
        """
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def finish(give: Callable[[], None]) -> None:
            self._free.release()
            if not answer.done():
                give()

        def work() -> None:
            try:
                result = call()
            except Exception as error:  # noqa: BLE001 - raised again where the answer is awaited
                give = _raising(answer, error)
            else:
                give = _giving(answer, result)
            # The loop is gone when the process ends meanwhile.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(finish, give)

        try:
            threading.Thread(target=work, name="review", daemon=True).start()
        except RuntimeError:
            self._free.release()
            raise
        return await answer


def _giving(answer: asyncio.Future[T], result: T) -> Callable[[], None]:
    return lambda: answer.set_result(result)


def _raising(answer: asyncio.Future[T], error: Exception) -> Callable[[], None]:
    return lambda: answer.set_exception(error)
