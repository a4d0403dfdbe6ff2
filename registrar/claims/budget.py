"""The delete budget: no mass deletion without a person's word.

A pass is everything that is to be deleted at once together with what was
deleted within the last window. It is withheld as a whole when it is more than
``count`` entries *and* more than ``fraction`` of what we held before it.
"""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the budget says of a pass: ``allowed`` or why not, in words.

    ``by_confirmation``: it is allowed only because a person agreed.
    """

    allowed: bool
    message: str = ""
    by_confirmation: bool = False


class DeletionBudget:
    """Counts deletions over a window; ``window_seconds`` is the drift interval."""

    def __init__(
        self, *, count: int, fraction: float, window_seconds: float, unlimited: bool = False
    ) -> None:
        self._count = count
        self._fraction = fraction
        self._window = window_seconds
        self._unlimited = unlimited
        self._spent: deque[tuple[float, int]] = deque()

    def rule(self, *, wanted: int, held: int, confirmed: int, now: float) -> Ruling:
        """Judge a pass of ``wanted`` deletions out of ``held`` entries.

        ``confirmed`` is the number that a person agreed to. ``now`` is
        monotonic seconds.
        """
        while self._spent and self._spent[0][0] <= now - self._window:
            self._spent.popleft()
        recent = sum(number for _, number in self._spent)
        total, before = wanted + recent, held + recent
        if self._unlimited or total <= self._count or total <= self._fraction * before:
            return Ruling(allowed=True)
        if wanted <= confirmed:
            return Ruling(allowed=True, by_confirmation=True)
        return Ruling(
            allowed=False,
            message=f"{wanted} of {held} entries would be deleted, {recent} were within the last "
            f"{self._window:g} s; the budget is {self._count} entries or "
            f"{self._fraction:.0%}, whichever is more",
        )

    def spend(self, number: int, now: float) -> None:
        """Record that ``number`` entries were deleted."""
        if number:
            self._spent.append((now, number))
