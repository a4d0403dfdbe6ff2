"""Waiting for what a node comes to."""

from collections.abc import Callable
from itertools import chain, repeat

import pytest

from hack.node.waiting import wait_for
from hack.processes import ServerError


def looks(*answers: str) -> Callable[[], bool]:
    """A condition that gives these answers, the last one again and again; one may be "busy"."""
    given = chain(answers, repeat(answers[-1]))

    def look() -> bool:
        answer = next(given)
        if answer == "busy":
            raise ServerError(answer)
        return answer == "yes"

    return look


def test_who_cannot_answer_for_a_moment_is_asked_again() -> None:
    wait_for("all is well", looks("busy", "no", "yes"))


def test_what_the_last_look_raised_is_said_in_the_end() -> None:
    with pytest.raises(ServerError, match=r"^not in 0 s: all is well: busy$"):
        wait_for("all is well", looks("busy"), seconds=0)
    with pytest.raises(ServerError, match=r"^not in 0 s: all is well$"):
        wait_for("all is well", looks("no"), seconds=0)
