"""Waiting for something that somebody else brings about, and saying all the time for what.

Used by init containers: whatever comes first waits. What is waited for stands in the log, and in
the file that Kubernetes shows as the container's termination message.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

REMIND_SECONDS = 30.0
"""How often a reason that stays the same is said again."""


class Condition(Protocol):
    """Something to wait for."""

    @property
    def what(self) -> str:
        """What is waited for, after "waits for"."""
        ...

    async def met(self, because: Callable[[str], None]) -> None:
        """Return once it holds; tells meanwhile why it does not yet, as often as it likes."""
        ...


class Report:
    """Says what is waited for: a line when a reason changes, and all of it in ``message``."""

    def __init__(self, say: Callable[[str], None], message: Path | None) -> None:
        self._say = say
        self._message = message
        self._open: dict[str, str] = {}
        self._head = ""
        self._changed = asyncio.Event()

    def waits(self, what: str, why: str) -> None:
        """It does not hold yet."""
        if self._open.get(what) != why:
            self._open[what] = why
            self._say(_line(what, why))
            self._changed.set()

    def over(self, what: str) -> None:
        """It holds."""
        self._open.pop(what, None)
        self._say(f"has {what}")
        self._changed.set()

    async def gave_up(self, after: str) -> None:
        """The time is over."""
        self._head = f"gave up after {after}\n"
        self._say(self._head.rstrip())
        await self.leave()

    async def keep(self) -> None:
        """Keep the message right, and say each reason again from time to time; for ever.

        It is written at each change, because nothing is left to do when the process is killed.
        """
        while True:
            try:
                async with asyncio.timeout(REMIND_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                for what, why in self._open.items():
                    self._say(_line(what, why))
            else:
                await self.leave()

    async def leave(self) -> None:
        """Write the message as it is now, where there is such a file."""
        self._changed.clear()
        text = self._head + "\n".join(_line(what, why) for what, why in self._open.items())
        if self._message is not None:
            await asyncio.to_thread(_write, self._message, text)


def _write(path: Path, text: str) -> None:
    # Kubernetes makes the file; elsewhere nobody wants one.
    if path.exists():
        path.write_text(text, encoding="utf-8")


def _line(what: str, why: str) -> str:
    return f"waits for {what}: {why}"


async def all_met(
    conditions: Sequence[Condition], report: Report, *, timeout_seconds: float | None
) -> bool:
    """Wait until all hold, each on its own; False when the time is over before."""
    try:
        async with asyncio.timeout(timeout_seconds), asyncio.TaskGroup() as group:
            keeping = group.create_task(report.keep())
            async with asyncio.TaskGroup() as waits:
                for condition in conditions:
                    waits.create_task(_one(condition, report))
            keeping.cancel()
    except TimeoutError:
        await report.gave_up(f"{timeout_seconds:g} s")
        return False
    await report.leave()
    return True


async def _one(condition: Condition, report: Report) -> None:
    await condition.met(lambda why: report.waits(condition.what, why))
    report.over(condition.what)
