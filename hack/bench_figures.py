"""What a measurement is: percentiles, rates, single values."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured thing: percentiles of samples in milliseconds, or one value."""

    name: str
    target: str
    samples: int
    values: dict[str, float]


def percentiles(name: str, target: str, seconds: Sequence[float]) -> Figure:
    """p50, p90, p99 and the highest, in milliseconds."""
    ordered = sorted(seconds)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 1)

    values = {"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0)}
    return Figure(name, target, len(ordered), values)


def rates(name: str, target: str, per_second: Sequence[float]) -> Figure:
    """The median of how many there were in a second, and the lowest."""
    ordered = sorted(per_second)
    values = {"p50": float(round(ordered[len(ordered) // 2])), "lowest": float(round(ordered[0]))}
    return Figure(name, target, len(ordered), values)
