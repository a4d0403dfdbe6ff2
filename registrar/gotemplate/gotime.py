"""Go's time.Time in UTC, as far as templates call it: layouts, Unix times, parts."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

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

_PARTS: tuple[tuple[str, Callable[[datetime], str]], ...] = (
    ("January", lambda t: _MONTHS[t.month - 1]),
    ("Jan", lambda t: _MONTHS[t.month - 1][:3]),
    ("Monday", lambda t: _DAYS[t.weekday()]),
    ("Mon", lambda t: _DAYS[t.weekday()][:3]),
    ("MST", lambda _: "UTC"),
    ("2006", lambda t: f"{t.year:04d}"),
    ("Z07:00:00", lambda _: "Z"),
    ("Z070000", lambda _: "Z"),
    ("Z07:00", lambda _: "Z"),
    ("Z0700", lambda _: "Z"),
    ("Z07", lambda _: "Z"),
    ("-07:00:00", lambda _: "+00:00:00"),
    ("-070000", lambda _: "+000000"),
    ("-07:00", lambda _: "+00:00"),
    ("-0700", lambda _: "+0000"),
    ("-07", lambda _: "+00"),
    ("__2", lambda t: f"{t.timetuple().tm_yday:3d}"),
    ("_2006", lambda t: f"_{t.year:04d}"),
    ("_2", lambda t: f"{t.day:2d}"),
    ("002", lambda t: f"{t.timetuple().tm_yday:03d}"),
    ("01", lambda t: f"{t.month:02d}"),
    ("02", lambda t: f"{t.day:02d}"),
    ("03", lambda t: f"{(t.hour - 1) % 12 + 1:02d}"),
    ("04", lambda t: f"{t.minute:02d}"),
    ("05", lambda t: f"{t.second:02d}"),
    ("06", lambda t: f"{t.year % 100:02d}"),
    ("15", lambda t: f"{t.hour:02d}"),
    ("PM", lambda t: "PM" if t.hour > 11 else "AM"),
    ("pm", lambda t: "pm" if t.hour > 11 else "am"),
    ("1", lambda t: str(t.month)),
    ("2", lambda t: str(t.day)),
    ("3", lambda t: str((t.hour - 1) % 12 + 1)),
    ("4", lambda t: str(t.minute)),
    ("5", lambda t: str(t.second)),
)


def format_time(time: datetime, layout: str) -> str:
    """The time in a layout: that of Go's reference time, Mon Jan 2 15:04:05 MST 2006."""
    out = []
    at = 0
    while at < len(layout):
        fraction = _fraction(layout, at, time)
        if fraction is not None:
            text, length = fraction
            out.append(text)
            at += length
            continue
        for part, shown in _PARTS:
            if layout.startswith(part, at) and not _is_inside_word(layout, at, part):
                out.append(shown(time))
                at += len(part)
                break
        else:
            out.append(layout[at])
            at += 1
    return "".join(out)


def _is_inside_word(layout: str, at: int, part: str) -> bool:
    """``Jan`` and ``Mon`` count only where no small letter follows."""
    following = layout[at + len(part) : at + len(part) + 1]
    return part in {"Jan", "Mon"} and "a" <= following <= "z"


def _fraction(layout: str, at: int, time: datetime) -> tuple[str, int] | None:
    """A fraction of a second: ``.000`` or, without zeros at the end, ``.999``."""
    if layout[at] not in ".," or layout[at + 1 : at + 2] not in {"0", "9"}:
        return None
    digit = layout[at + 1]
    end = at + 1
    while end < len(layout) and layout[end] == digit:
        end += 1
    if end < len(layout) and layout[end].isdigit():
        return None
    nanoseconds = f"{time.microsecond * 1000:09d}"[: end - at - 1]
    if digit == "9":
        nanoseconds = nanoseconds.rstrip("0")
        return (layout[at] + nanoseconds if nanoseconds else ""), end - at
    return layout[at] + nanoseconds, end - at


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
    except ValueError:
        time = _ZERO
    return Time(type_, time)


def _of(receiver: Value) -> datetime:
    if not isinstance(receiver, Time):
        raise TypeError("not a time")
    return receiver.time


def _string(receiver: Value, _: Sequence[Value]) -> Value:
    return format_time(_of(receiver), "2006-01-02 15:04:05.999999999 -0700 MST")


def _format(receiver: Value, given: Sequence[Value]) -> Value:
    return format_time(_of(receiver), str(given[0]))


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
