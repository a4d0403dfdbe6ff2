"""A table as a database has it: rows have numbers, and lists follow them."""

from typing import TypeVar

from google.protobuf.message import Message

M = TypeVar("M", bound=Message)


class Numbered(dict[str, M]):
    """What is stored by trust domain, in the order of creation, each with a number of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: dict[str, int] = {}
        self._last = 0

    def __setitem__(self, name: str, item: M) -> None:
        """Store it; what is there already keeps its number."""
        if name not in self:
            self._last += 1
            self._numbers[name] = self._last
        super().__setitem__(name, item)

    def number_of(self, name: str) -> int:
        """The number that it got when it was stored first."""
        return self._numbers[name]
