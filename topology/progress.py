"""What a person sees while something is under way: one line that lives, or plain lines."""

import sys
import time
from typing import TextIO

from topology.watch import Picture

_MOST = 160
_CLEAR = "\r\x1b[K"


class Progress:
    """Shows how far modules are, against a time limit."""

    def __init__(self, limit_seconds: float | None, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._lives = self._stream.isatty()
        self._begun = time.monotonic()
        self._limit = limit_seconds
        self._last = ""

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._begun

    def show(self, name: str, picture: Picture) -> None:
        """How a module is now; said only when it changes where no line can live."""
        text = f"{name} {picture.ready}/{picture.wanted} ready"
        if picture.waiting:
            pod, why = picture.waiting[0]
            more = len(picture.waiting) - 1
            text += f" · {pod}: {why}" + (f" (and {more} more)" if more else "")
        if self._lives:
            line = f"{text} · {self.clock()}"
            self._stream.write(_CLEAR + line[:_MOST])
            self._stream.flush()
        elif text != self._last:
            self._stream.write(f"{text} · {self.clock()}\n")
            self._stream.flush()
        self._last = text

    def say(self, line: str) -> None:
        """A line that stays."""
        self._stream.write((_CLEAR if self._lives else "") + line + "\n")
        self._stream.flush()
        self._last = ""

    def clock(self) -> str:
        """The time since the begin, and the limit if there is one."""
        return _minutes(self.seconds) + (f"/{_minutes(self._limit)}" if self._limit else "")


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
