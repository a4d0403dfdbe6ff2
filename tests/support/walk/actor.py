"""Who acts in a walk: a kind of object, and what people do to its objects."""

from collections.abc import Callable, Coroutine
from typing import Protocol

Action = Callable[[], Coroutine[None, None, None]]


class Actor(Protocol):
    """Objects of one sort. Names are those of no other actor of the walk."""

    async def begin(self) -> None:
        """Make what must be there before the walk begins."""
        ...

    def actions(self) -> list[Action]:
        """What may happen to them."""
        ...

    def is_in_doubt(self) -> bool:
        """Whether one is broken or cannot be read, so that nobody knows what should be."""
        ...

    async def mend(self) -> None:
        """Put right whatever is broken."""
        ...

    @property
    def is_only_said(self) -> bool:
        """Whether what was asked is written down nowhere until SPIRE holds it.

        Then no registrar may end before it does: nobody could know of it.
        """
        ...
