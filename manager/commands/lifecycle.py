"""How a program runs: its log, until a signal ends it, and what only a start can find wrong."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from manager.collector import survivors_set_aside
from manager.commands.configuration import EXIT_CONFIGURATION
from registrar.errors import InvalidField, LeadershipLost, flat
from registrar.settings.model import LogFormat, LogLevel
from registrar.telemetry.logging import configure, kv

log = logging.getLogger(__name__)

_LEVELS: dict[LogLevel, str] = {"trace": "debug", "fatal": "error", "panic": "error"}
"""Levels of the tools we replace that the standard library does not have."""

EXIT_LEADERSHIP_LOST = 75
"""``EX_TEMPFAIL`` of ``sysexits.h``: nothing is wrong with what it was given, start it again."""

E = TypeVar("E", bound=Exception)


class Runnable(Protocol):
    """A program that works until it is cancelled."""

    async def run(self) -> None:
        """Work. Raises InvalidField for what only a start can find wrong, and LeadershipLost."""
        ...


def run_until_stopped(
    make: Callable[[], Runnable], *, level: LogLevel, log_format: LogFormat, log_path: Path | None
) -> int:
    """Make a program and run it until a signal ends it; gives the exit code."""
    try:
        with configure(_LEVELS.get(level, level), log_format, log_path):
            return asyncio.run(_until_stopped(make))
    except* InvalidField as errors:
        say_errors(errors)
    return EXIT_CONFIGURATION


async def _until_stopped(make: Callable[[], Runnable]) -> int:
    """Run the process; SIGTERM and SIGINT end it in order, the Lease given back."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    stopped = False

    def stop() -> None:
        nonlocal stopped
        if task is not None and not stopped:
            stopped = True
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        with survivors_set_aside():
            return await _until_lost(make())
    except asyncio.CancelledError:
        if not stopped:
            raise
        log.info("stopped", extra=kv(reason="signal"))
    return 0


async def _until_lost(program: Runnable) -> int:
    """Run a program; gives the exit code where it ends because it may not lead any more."""
    lost = list[LeadershipLost]()
    try:
        await program.run()
    except* LeadershipLost as errors:
        lost = flat(errors)
    if not lost:
        return 0
    log.error(
        "leadership was lost, so this process ends: it must be started again, as the kubelet does "
        "with a container",
        extra=kv(why="; ".join(map(str, lost)), exit_code=EXIT_LEADERSHIP_LOST),
    )
    return EXIT_LEADERSHIP_LOST


def say_errors(group: BaseExceptionGroup[E]) -> None:
    """Print each error of a group of groups, as a line for people."""
    for error in flat(group):
        print(f"spire-registrar: {error}", file=sys.stderr)
