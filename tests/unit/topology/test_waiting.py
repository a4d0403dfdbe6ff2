"""Waiting for several things at once, and what is said meanwhile."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from registrar.errors import InvalidField
from tests.support.waiting import until
from topology.waiting import Report, all_met


class Switch:
    """A condition that holds once the test says so."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.why = "it is off"
        self.on = asyncio.Event()

    async def met(self, because: Callable[[str], None]) -> None:
        because(self.why)
        await self.on.wait()


class Mistake:
    what = "nothing that can be"

    async def met(self, because: Callable[[str], None]) -> None:
        because("not yet")
        raise InvalidField("--write", "/nowhere", "name another file")


async def test_all_of_it_is_waited_for_and_each_is_said(tmp_path: Path) -> None:
    message = tmp_path / "termination-log"
    message.touch()
    said: list[str] = []
    first, second = Switch("the first"), Switch("the second")
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(
            all_met([first, second], Report(said.append, message), timeout_seconds=None)
        )
        both = "waits for the first: it is off\nwaits for the second: it is off"
        await until(lambda: message.read_text() == both)
        first.on.set()
        await until(lambda: message.read_text() == "waits for the second: it is off")
        assert not waiting.done()
        second.on.set()
    assert waiting.result()
    assert said[-2:] == ["has the first", "has the second"]
    assert message.read_text() == ""


async def test_what_was_waited_for_is_left_when_the_time_is_over(tmp_path: Path) -> None:
    message = tmp_path / "termination-log"
    message.touch()
    report = Report(lambda _: None, message)
    assert not await all_met([Switch("the moon")], report, timeout_seconds=0.01)
    assert message.read_text() == "gave up after 0.01 s\nwaits for the moon: it is off"


async def test_no_file_is_made_where_kubernetes_made_none(tmp_path: Path) -> None:
    message = tmp_path / "termination-log"
    report = Report(lambda _: None, message)
    assert not await all_met([Switch("the moon")], report, timeout_seconds=0.01)
    assert not message.exists()


async def test_a_mistake_ends_the_waiting_for_all(tmp_path: Path) -> None:
    report = Report(lambda _: None, tmp_path / "none")
    with pytest.raises(ExceptionGroup) as caught:
        await all_met([Switch("the moon"), Mistake()], report, timeout_seconds=None)
    assert caught.group_contains(InvalidField, match="name another file")
