"""Go's time.Time in UTC, as far as templates call it: layouts, Unix times, parts."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

from registrar.gotemplate.values import (
    INT64,
    STRING,
    GoType,
    Method,
    Pointer,
    Struct,
    Typed,
    Value,
)

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ZERO = datetime(1, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_PARTS: Mapping[str, Callable[[datetime], str]] = MappingProxyType(
    {
        "January": lambda t: _MONTHS[t.month - 1],
        "Jan": lambda t: _MONTHS[t.month - 1][:3],
        "Monday": lambda t: _DAYS[t.weekday()],
        "Mon": lambda t: _DAYS[t.weekday()][:3],
        "MST": lambda _: "UTC",
        "2006": lambda t: f"{t.year:04d}",
        "Z07:00:00": lambda _: "Z",
        "Z070000": lambda _: "Z",
        "Z07:00": lambda _: "Z",
        "Z0700": lambda _: "Z",
        "Z07": lambda _: "Z",
        "-07:00:00": lambda _: "+00:00:00",
        "-070000": lambda _: "+000000",
        "-07:00": lambda _: "+00:00",
        "-0700": lambda _: "+0000",
        "-07": lambda _: "+00",
        "__2": lambda t: f"{t.timetuple().tm_yday:3d}",
        "_2006": lambda t: f"_{t.year:04d}",
        "_2": lambda t: f"{t.day:2d}",
        "002": lambda t: f"{t.timetuple().tm_yday:03d}",
        "01": lambda t: f"{t.month:02d}",
        "02": lambda t: f"{t.day:02d}",
        "03": lambda t: f"{(t.hour - 1) % 12 + 1:02d}",
        "04": lambda t: f"{t.minute:02d}",
        "05": lambda t: f"{t.second:02d}",
        "06": lambda t: f"{t.year % 100:02d}",
        "15": lambda t: f"{t.hour:02d}",
        "PM": lambda t: "PM" if t.hour > 11 else "AM",
        "pm": lambda t: "pm" if t.hour > 11 else "am",
        "1": lambda t: str(t.month),
        "2": lambda t: str(t.day),
        "3": lambda t: str((t.hour - 1) % 12 + 1),
        "4": lambda t: str(t.minute),
        "5": lambda t: str(t.second),
    }
)
_WORDS = {"Jan", "Mon"}
"""Parts that count only where no small letter follows."""
_PART = re.compile(
    # Of a run of digits the whole counts, or none.
    "[.,](?:0++|9++)(?![0-9])|" + "|".join(part + "(?![a-z])" * (part in _WORDS) for part in _PARTS)
)
_MOST_LAYOUT = 1024


def format_time(time: datetime, layout: str) -> str:
    """The time in a layout: that of Go's reference time, Mon Jan 2 15:04:05 MST 2006."""

    def part(found: re.Match[str]) -> str:
        text = found[0]
        return _fraction(text, time) if text[0] in ".," else _PARTS[text](time)

    return _PART.sub(part, layout)


def _fraction(text: str, time: datetime) -> str:
    """A fraction of a second: ``.000`` or, without zeros at the end, ``.999``."""
    digits = f"{time.microsecond * 1000:09d}"[: len(text) - 1]
    if text[1] == "9":
        digits = digits.rstrip("0")
        return text[0] + digits if digits else ""
    return text[0] + digits


class Time(Struct):
    """A point in time."""

    __slots__ = ("time",)

    def __init__(self, type_: GoType, time: datetime) -> None:
        super().__init__(type_)
        self.time = time

    def field(self, name: str) -> Value:
        """The time within, which is embedded."""
        if name == "Time":
            return Time(GO_TIME, self.time)
        raise KeyError(name)


def parsed_time(type_: GoType, text: object) -> Time:
    """The time of an RFC 3339 text; the zero time of anything else."""
    if not isinstance(text, str) or not text:
        return Time(type_, _ZERO)
    try:
        time = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        # The first and the last day of the calendar have no UTC time in every zone.
        time = _ZERO
    return Time(type_, time)


def _of(receiver: Value) -> datetime:
    if not isinstance(receiver, Time):
        raise TypeError("not a time")
    return receiver.time


def _string(receiver: Value, _: Sequence[Value]) -> Value:
    return format_time(_of(receiver), "2006-01-02 15:04:05.999999999 -0700 MST")


def _format(receiver: Value, given: Sequence[Value]) -> Value:
    layout = str(given[0])
    if len(layout) > _MOST_LAYOUT:
        raise ValueError(f"a layout of more than {_MOST_LAYOUT} characters")
    return format_time(_of(receiver), layout)


def _unix(receiver: Value, _: Sequence[Value]) -> Value:
    return Typed(INT64, _nanoseconds(receiver) // 10**9)


def _nanoseconds(receiver: Value) -> int:
    since = _of(receiver) - _EPOCH
    return (since.days * 86400 + since.seconds) * 10**9 + since.microseconds * 1000


def _utc(receiver: Value, _: Sequence[Value]) -> Value:
    return Time(GO_TIME, _of(receiver))


def _number(read: Callable[[datetime], int]) -> Method:
    return Method(lambda receiver, _: read(_of(receiver)))


_MONTH = GoType(
    "time.Month",
    "int",
    methods={"String": Method(lambda value, _: _MONTHS[_plain(value) - 1])},
)
_WEEKDAY = GoType(
    "time.Weekday",
    "int",
    methods={"String": Method(lambda value, _: _DAYS[(_plain(value) - 1) % 7])},
)


def _plain(value: Value) -> int:
    return int(value.value) if isinstance(value, Typed) else 0  # type: ignore[arg-type]


TIME_METHODS = {
    "String": Method(_string),
    "Format": Method(_format, (STRING,)),
    "Unix": Method(_unix),
    "UnixMilli": Method(lambda r, _: Typed(INT64, _nanoseconds(r) // 10**6)),
    "UnixMicro": Method(lambda r, _: Typed(INT64, _nanoseconds(r) // 10**3)),
    "UnixNano": Method(lambda r, _: Typed(INT64, _nanoseconds(r))),
    "UTC": Method(_utc),
    "IsZero": Method(lambda r, _: _of(r) == _ZERO),
    "Year": _number(lambda t: t.year),
    "Month": Method(lambda r, _: Typed(_MONTH, _of(r).month)),
    "Day": _number(lambda t: t.day),
    "Hour": _number(lambda t: t.hour),
    "Minute": _number(lambda t: t.minute),
    "Second": _number(lambda t: t.second),
    "Nanosecond": _number(lambda t: t.microsecond * 1000),
    "YearDay": _number(lambda t: t.timetuple().tm_yday),
    "Weekday": Method(lambda r, _: Typed(_WEEKDAY, (_of(r).weekday() + 1) % 7)),
}
_HIDDEN = ("wall", "ext", "loc")
GO_TIME: GoType = GoType("time.Time", "struct", unexported=_HIDDEN, methods=TIME_METHODS)
META_TIME = GoType(
    "v1.Time",
    "struct",
    fields=("Time",),
    promoted=tuple(TIME_METHODS),
    unexported=_HIDDEN,
    methods={
        **TIME_METHODS,
        "IsZero": Method(
            lambda r, _: isinstance(r, Pointer) or _of(r) == _ZERO,
            needs_pointer=True,
            takes_nil=True,
        ),
    },
)
