"""Who wrote to SPIRE when, and in which order: the terms of leadership as the server sees them.

All that is judged here is order. How long nobody wrote is measured beside it, and told.
"""

import dataclasses
import itertools
import math
from collections.abc import Sequence


@dataclasses.dataclass(slots=True)
class Written:
    """One write. `begun` and `ended` are places in the order of all beginnings and ends.

    `writer` is one process, and `holder` who held the Lease when it came, in the same words;
    empty where nobody could tell. `is_answered` tells whether the server's answer went back.
    """

    writer: str
    name: str
    begun: int
    begun_at: float
    holder: str = ""
    ended: int = 0
    ended_at: float = 0.0
    is_answered: bool = False


def faults(writes: Sequence[Written]) -> list[str]:
    """Return what is wrong in the order of the writes: a second writer at any moment."""
    found = [
        f"{write.writer} wrote ({write.name}) while {write.holder} held the Lease"
        for write in writes
        if write.holder and write.holder != write.writer
    ]
    ordered = sorted(writes, key=lambda write: write.begun)
    latest: dict[str, Written] = {}
    for write in ordered:
        found += [
            f"{write.writer} wrote ({write.name}) while a write ({other.name}) of {writer} was "
            "under way"
            for writer, other in latest.items()
            if writer != write.writer and (not other.ended or other.ended > write.begun)
        ]
        before = latest.get(write.writer)
        if before is None or not write.ended or write.ended > before.ended:
            latest[write.writer] = write
    turns = [writer for writer, _ in itertools.groupby(write.writer for write in ordered)]
    again = {writer for writer in turns if turns.count(writer) > 1}
    return found + [f"{writer} wrote again after another had written" for writer in sorted(again)]


def gaps(writes: Sequence[Written]) -> list[float]:
    """Return for each change of the writer how long nobody wrote, in seconds."""
    ordered = sorted(writes, key=lambda write: write.begun)
    ends: dict[str, float] = {}
    found: list[float] = []
    for before, write in itertools.pairwise(ordered):
        ends[before.writer] = max(ends.get(before.writer, 0.0), before.ended_at)
        if before.writer != write.writer:
            found.append(max(0.0, write.begun_at - ends[before.writer]))
    return found


def summed(what: str, seconds: Sequence[float]) -> str:
    """Return the percentiles of some times in one line."""
    if not seconds:
        return f"{what}: none"
    ordered = sorted(seconds)

    def at(part: float) -> float:
        return ordered[math.ceil(part * len(ordered)) - 1]

    return (
        f"{what}: {len(ordered)} samples, p50 {at(0.5):.2f} s, p90 {at(0.9):.2f} s, "
        f"longest {ordered[-1]:.2f} s"
    )
