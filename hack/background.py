"""A thread that works for as long as a block lasts."""

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

_SECONDS = 30.0
"""For how long the end of the block waits for what is under way."""


class Background(ABC):
    """The work is ``_run``, which ends once ``_ends`` is set."""

    def __init__(self, name: str) -> None:
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        self._ends.set()
        self._thread.join(_SECONDS)

    @abstractmethod
    def _run(self) -> None:
        """Work until ``_ends`` is set."""
