"""How a program ends: its exit code, and what it says last."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from manager.commands.configuration import EXIT_CONFIGURATION
from manager.commands.lifecycle import EXIT_LEADERSHIP_LOST, run_until_stopped
from registrar.errors import InvalidField, LeadershipLost


class Ending:
    """A program that ends at once, as told."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    async def run(self) -> None:
        if self._error is not None:
            raise self._error
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()


def ended(error: Exception | None, log: Path) -> tuple[int, list[str]]:
    """The exit code, and the lines of the log."""
    code = run_until_stopped(lambda: Ending(error), level="info", log_format="text", log_path=log)
    return code, log.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("is_grouped", [False, True])
def test_lost_leadership_has_a_code_of_its_own_and_one_line(
    tmp_path: Path, *, is_grouped: bool
) -> None:
    lost: Exception = LeadershipLost("the Lease a/b is held by x now")
    if is_grouped:
        lost = ExceptionGroup("tasks", [ExceptionGroup("more", [lost])])
    code, lines = ended(lost, tmp_path / "log")
    assert code == EXIT_LEADERSHIP_LOST
    assert len(lines) == 1
    assert "leadership was lost" in lines[0]
    assert "the Lease a/b is held by x now" in lines[0]


def test_a_signal_ends_it_in_order(tmp_path: Path) -> None:
    code, lines = ended(None, tmp_path / "log")
    assert (code, len(lines)) == (0, 1)
    assert "stopped" in lines[0]


def test_a_mistake_in_the_configuration_has_another_code(tmp_path: Path) -> None:
    code, _ = ended(InvalidField("a", "b", "mend it"), tmp_path / "log")
    assert code == EXIT_CONFIGURATION


def test_a_bug_is_not_taken_for_a_lost_lease(tmp_path: Path) -> None:
    group = ExceptionGroup("tasks", [LeadershipLost("gone"), KeyError("bug")])
    with pytest.raises(ExceptionGroup) as found:
        ended(group, tmp_path / "log")
    assert found.group_contains(KeyError)
    assert not found.group_contains(LeadershipLost)
