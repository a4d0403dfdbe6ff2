"""Finds few steps that still fail, by leaving out ever smaller parts and trying again."""

import time
from collections.abc import Callable

from hack.soak.life import without
from hack.soak.plan import Step

Say = Callable[[str], None]


def shrunk(
    steps: list[Step],
    fails: Callable[[list[Step]], bool],
    *,
    seconds: float,
    say: Say,
    clock: Callable[[], float] = time.monotonic,
) -> list[Step]:
    """Return fewer steps that fail; those given where none of the tries failed in time.

    Each try leaves out a part of the steps, halves first, then quarters and so on down to single
    ones. The judge at the end always stays. What fails only now and then is kept whole where it
    happens not to fail: the answer fails at least once.
    """
    deadline = clock() + seconds
    size = max(1, len(steps) // 2)
    while size:
        start = 0
        while start < len(steps) - 1:
            if clock() > deadline:
                return steps
            part = range(start, min(start + size, len(steps) - 1))
            fewer = list(without(steps, part))
            if len(fewer) < len(steps) and fails(fewer):
                steps = fewer
                say(f"  fails with {len(steps)} steps too")
            else:
                start += size
        size //= 2
    return steps
