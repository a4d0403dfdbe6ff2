"""Waiting for what a node comes to."""

from collections.abc import Callable, Iterator

import pytest

from hack.node.waiting import wait_for
from hack.processes import ServerError


def looks(*answers: bool | ServerError) -> Callable[[], bool]:
    """A condition that gives these answers, the last one again and again."""

    def given() -> Iterator[bool | ServerError]:
        yield from answers
        while True:
            yield answers[-1]

    answer = given()

    def look() -> bool:
        now = next(answer)
        if isinstance(now, ServerError):
            raise now
        return now

    return look


def test_who_cannot_answer_for_a_moment_is_asked_again() -> None:
    wait_for("all is well", looks(ServerError("busy"), False, True))


def test_what_the_last_look_raised_is_said_in_the_end() -> None:
    with pytest.raises(ServerError, match="^not in 0 s: all is well: busy$"):
        wait_for("all is well", looks(ServerError("busy")), seconds=0)
    with pytest.raises(ServerError, match="^not in 0 s: all is well$"):
        wait_for("all is well", looks(False), seconds=0)
