"""A command that does one thing and ends: by itself, by a signal, or by its time limit."""

import asyncio
import signal
from collections.abc import Coroutine
from enum import IntEnum

from registrar.telemetry.logging import configure


class Exit(IntEnum):
    """What the exit code says."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DEPENDENTS = 3
    TIME_LIMIT = 4
    STOPPED = 128 + signal.SIGTERM


def run(work: Coroutine[None, None, Exit], *, level: str = "error") -> Exit:
    """Run the coroutine; SIGTERM and SIGINT cancel it. Logs below the level are left out.

    The first process of a container ends by no signal that it does not handle.
    """
    # What is worth knowing a command says itself.
    with configure(level, "text", None):
        return asyncio.run(_until_signalled(work))


async def _until_signalled(work: Coroutine[None, None, Exit]) -> Exit:
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
    return Exit.STOPPED if task.cancelled() else task.result()
