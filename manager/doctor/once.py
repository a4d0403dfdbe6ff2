"""A question that several checks ask, and that is put to its server once."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Asks at the first call; gives the same answer, or raises the same error, ever after.

    Checks run one after another, so nobody asks while another does. A question that was cut off by
    a deadline is put again: the next check has time of its own.
    """

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._answers: list[T] = []
        self._error: Exception | None = None

    async def __call__(self) -> T:
        """The answer. Raises what asking raised."""
        if self._error is not None:
            raise self._error
        if not self._answers:
            try:
                self._answers.append(await self._ask())
            except Exception as error:
                self._error = error
                raise
        return self._answers[0]
