"""Readers of values that only the controller manager's configuration has."""

import re

from registrar.settings import values
from registrar.settings.hcl import Scalar, Table, Value
from registrar.settings.model import LogFormat
from registrar.settings.values import Wrong

_NANOSECONDS = 1e9
_ENCODINGS: dict[str, LogFormat] = {"console": "text", "json": "json"}
_PLAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def duration(value: Value) -> float:
    """A duration above zero, in seconds: Go's notation, or a whole number of nanoseconds."""
    if isinstance(value, Scalar) and type(value.value) is int:
        if value.value <= 0:
            raise Wrong(
                f"must be more than zero, it is {value.value} nanoseconds: write a duration such "
                'as "10s"',
                value.at,
            )
        return value.value / _NANOSECONDS
    if isinstance(value, Scalar) and isinstance(value.value, str):
        return values.seconds(value)
    raise Wrong('must be a duration such as "10s", or a number of nanoseconds', value.at)


def patterns(value: Value) -> tuple[str, ...]:
    """Regular expressions; each is compiled to see that it is one."""
    found = values.texts(value)
    for pattern in found:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise Wrong(f"{pattern!r} is no regular expression: {error}", value.at) from error
    return found


def namespaces(value: Value) -> tuple[str, ...]:
    """The namespaces of a mapping whose values are empty, as the original has it, or of a list."""
    if isinstance(value, Table):
        names = tuple(value.entries)
        for entry in value.entries.values():
            if isinstance(entry.value, Table) and entry.value.entries:
                raise Wrong("settings within a namespace are not understood: leave {}", entry.at)
    else:
        names = values.texts(value)
    for name in names:
        if not _PLAIN.fullmatch(name):
            raise Wrong(f"{name!r} is no namespace", value.at)
    return names


def labels(value: Value) -> tuple[tuple[str, str], ...]:
    """Labels by name, as a mapping or under ``matchLabels``."""
    if not isinstance(value, Table):
        raise Wrong("must be a mapping of labels to values", value.at)
    inner = value.entries.get("matchLabels")
    table = inner.value if inner is not None and isinstance(inner.value, Table) else value
    return tuple(sorted((name, values.text(e.value)) for name, e in table.entries.items()))


def prefix(value: Value) -> str | None:
    """A prefix for entry IDs; the original allows a dot at the end."""
    written = values.text(value)
    return values.entry_id_prefix(Scalar(written.removesuffix("."), value.at)) if written else None


def cleanup(value: Value) -> str:
    """A prefix of other entries; it may be empty."""
    return values.text(value).removesuffix(".")


def encoding(value: Value) -> LogFormat:
    """How a line of the log is written, in the words of the original."""
    name = _ENCODINGS.get(values.text(value))
    if name is None:
        raise Wrong(f"must be console or json, not {values.text(value)!r}", value.at)
    return name
