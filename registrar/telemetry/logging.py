"""Logs: a constant message and key-values, as text or JSON, written by a thread of its own.

The one way to log, everywhere::

    log = logging.getLogger(__name__)
    log.info("entry created", extra=kv(entry_id=entry.id, spiffe_id=entry.key.spiffe_id))

What belongs to every line of some work (controller, object, reconcile_id)
stands in ``log_context`` and is added by itself.
"""

import json
import logging
import logging.handlers
import queue
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from api.errors import shortened
from registrar.errors import InvalidField, printable

LogValue = str | int | float | bool | BaseException | None
Format = Literal["text", "json"]

QUEUE_LENGTH = 10_000
"""Lines that may wait for a slow disk or terminal; more are dropped, and counted."""

_MOST_SHOWN = 4096
"""Characters of a value in a line: whoever reaches a port, or writes an object, may have chosen
it. What waits for the writing thread is in memory, and escaping takes its time."""
_LONGEST_STACK = 64 * 1024

log_context: ContextVar[Mapping[str, str]] = ContextVar("log_context", default=MappingProxyType({}))
"""Key-values that every line logged in this task carries."""

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def kv(**values: LogValue) -> dict[str, object]:
    """The ``extra`` of a log call: these key-values."""
    return {"kv": values}


def parse_level(text: str) -> int:
    """The level of that name, in any case. Raises InvalidField for an unknown one."""
    level = _LEVELS.get(text.strip().lower())
    if level is None:
        raise InvalidField("log_level", text, "one of debug, info, warn, error")
    return level


class Throttle:
    """Lets one line of each reason through per period and counts the others."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: dict[str, tuple[float, int]] = {}

    def allow(self, reason: str, now: float) -> int | None:
        """None: do not log. Otherwise how many of that reason were held back since the last."""
        last = self._last.get(reason)
        if last is not None and now - last[0] < self._seconds:
            self._last[reason] = (last[0], last[1] + 1)
            return None
        self._last[reason] = (now, 0)
        return last[1] if last is not None else 0


class TextFormatter(logging.Formatter):
    """``2026-01-02T03:04:05.678Z INFO  entry created entry_id=… object=…``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; stack traces follow on their own lines."""
        pairs = "".join(f" {key}={_quoted(value)}" for key, value in _pairs(record).items())
        message = printable(record.getMessage())
        line = f"{_time(record)} {record.levelname:<7} {message}{pairs}"
        if record.exc_info:
            stack = shortened(self.formatException(record.exc_info), _LONGEST_STACK).splitlines()
            line = "\n".join([line, *(printable(part) for part in stack)])
        return line


class JSONFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, then the key-values."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message contains."""
        document: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for key, value in _pairs(record).items():
            document.setdefault(key, str(value) if isinstance(value, BaseException) else value)
        if record.exc_info:
            document["stack"] = shortened(self.formatException(record.exc_info), _LONGEST_STACK)
        return _json(document)


class _Handler(logging.handlers.QueueHandler):
    """Hands records to the writing thread; never waits."""

    def __init__(self, waiting: "queue.Queue[logging.LogRecord]") -> None:
        super().__init__(waiting)
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        record.log_context = log_context.get()
        if hasattr(record, "kv"):
            record.kv = {key: _bounded(value) for key, value in record.kv.items()}
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


@contextmanager
def configure(level: str, log_format: Format = "text", path: Path | None = None) -> Iterator[None]:
    """Send all logs to ``path``, or to standard error; waiting lines are written at the end.

    The file may be moved away by a log rotation. Raises InvalidField for an
    unknown level or a file that cannot be opened.
    """
    number = parse_level(level)
    target: logging.Handler
    try:
        target = (
            logging.StreamHandler(sys.stderr)
            if path is None
            else logging.handlers.WatchedFileHandler(path, encoding="utf-8")
        )
    except OSError as error:
        raise InvalidField("log_path", str(path), error.strerror or str(error)) from error
    target.setFormatter(JSONFormatter() if log_format == "json" else TextFormatter())
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE_LENGTH)
    handler = _Handler(waiting)
    listener = logging.handlers.QueueListener(waiting, target)
    root = logging.getLogger()
    before, before_level = root.handlers[:], root.level
    root.handlers[:] = [handler]
    root.setLevel(number)
    listener.start()
    try:
        yield
    finally:
        root.handlers[:] = before
        root.setLevel(before_level)
        listener.stop()
        if handler.dropped:
            target.handle(_about_dropped(handler.dropped))
        # What a full disk has no room for is lost; that must not change how the process ends.
        with suppress(OSError):
            target.close()


def _bounded(value: LogValue) -> LogValue:
    """The value, cut where it is a long text."""
    if not isinstance(value, str | BaseException):
        return value
    return shortened(str(value), _MOST_SHOWN)


def _about_dropped(number: int) -> logging.LogRecord:
    record = logging.LogRecord(__name__, logging.WARNING, "", 0, "log lines dropped", (), None)
    record.kv = {"number": number}
    return record


def _pairs(record: logging.LogRecord) -> dict[str, LogValue]:
    pairs: dict[str, LogValue] = {}
    pairs.update(getattr(record, "log_context", {}))
    pairs.update(getattr(record, "kv", {}))
    return pairs


def _quoted(value: LogValue) -> str:
    text = str(value)
    if not text or any(character in ' "=' or not character.isprintable() for character in text):
        return _json(text)
    return text


def _json(value: object) -> str:
    """As JSON; what could steer a terminal stands as an escape, in any part of Unicode."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else json.dumps(character)[1:-1] for character in text
    )


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
