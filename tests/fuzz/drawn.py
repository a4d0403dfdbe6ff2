"""Inputs for tests that speak over sockets: so many of a strategy, always the same by default."""

import os
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

T = TypeVar("T")

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
"""Of each target, other ones each time; 0 for the few that are always the same."""


def drawn(strategy: st.SearchStrategy[T], number: int) -> list[T]:
    """Some inputs of a strategy."""
    found: list[T] = []

    @settings(
        max_examples=EXAMPLES or number,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def take(value: T) -> None:
        found.append(value)

    take()
    return found
