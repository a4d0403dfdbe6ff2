"""What the product knows of tracing: which span is current, and how one begins.

OpenTelemetry is behind it, in ``otel.py``, which is imported only where tracing is on. Off, there
is no tracer at all, and nobody asks for spans.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Protocol

Attributes = Mapping[str, str | int]

SPAN: ContextVar[object | None] = ContextVar("span", default=None)
"""What a span that is caused by this one names as its parent; None outside of any."""


class Tracer(Protocol):
    """Makes spans; ``otel.OpenTelemetryTracer`` is one. None of it waits for anybody."""

    def span(
        self,
        name: str,
        *,
        attributes: Attributes,
        parent: object | None = None,
        links: Sequence[object] = (),
        began_ago: float = 0.0,
        is_call: bool = False,
    ) -> AbstractContextManager[None]:
        """A span for as long as the block takes, which is ``SPAN`` within it.

        ``parent`` and ``links`` are what ``SPAN`` was elsewhere. ``began_ago`` are seconds that
        count as a part of it already. ``is_call`` says that another server does the work. An
        exception gives the span the status of an error, without the exception's words; so does a
        cancellation, as of a time-out.
        """
        ...

    async def close(self) -> None:
        """Send what is left, for a few seconds at most; nothing is raised."""
        ...
