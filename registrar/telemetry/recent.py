"""The last warnings and errors of the log, for people who look at the process itself."""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from registrar.telemetry.logging import TextFormatter

MOST = 20


class Recent(logging.Handler):
    """Keeps the last lines of some severity; a line's stack is left out."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: deque[str] = deque(maxlen=MOST)
        self.setFormatter(TextFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self._lines.append(self.format(record).partition("\n")[0])

    @property
    def lines(self) -> list[str]:
        """The lines, the newest first."""
        return list(reversed(self._lines))


@contextmanager
def recent() -> Iterator[Recent]:
    """Keep the last lines that are logged in the block, beside where they go otherwise."""
    handler = Recent()
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
