"""The body of a write, which leaves only as long as the process may write.

Between the call and its first byte may lie a wait for a connection, its making, or a pause of
the whole process. aiohttp holds the head of a request back until its body comes, so whoever may
not write any more by then sends nothing.
"""

from collections.abc import Callable

import aiohttp
from aiohttp.abc import AbstractStreamWriter

Gate = Callable[[], bool]
"""Whether this process may write now."""


class NotSent(Exception):  # noqa: N818 - it is what happened, no fault
    """The gate was closed, so nothing was sent."""


class GatedBody(aiohttp.BytesPayload):
    """Asks the gate at the first byte; ``was_refused`` says whether it said no."""

    def __init__(self, body: bytes, gate: Gate, *, content_type: str) -> None:
        super().__init__(body, content_type=content_type)
        self._gate = gate
        self.was_refused = False

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all of it. Raises NotSent."""
        self._check()
        await super().write(writer)

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        """Send as much of it. Raises NotSent."""
        self._check()
        await super().write_with_length(writer, content_length)

    def _check(self) -> None:
        if not self._gate():
            self.was_refused = True
            raise NotSent
