"""Readers of values that only the controller manager's configuration has."""

import math
import re
from dataclasses import replace

from registrar.settings import values
from registrar.settings.hcl import Entry, Items, Scalar, Table, Value
from registrar.settings.model import CachedNamespace, LogFormat
from registrar.settings.values import Wrong, described, is_zero

DEFAULT_INTERVAL_SECONDS = 10.0

_NANOSECONDS = 1e9
_SHORTEST_NANOSECONDS = 1_000_000
"""Less, without a unit, was meant to be seconds."""
_LONGEST_NANOSECONDS = 2**63
_DIGITS = re.compile("-?[0-9]{1,18}")
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)*")
_SELECTOR = ("matchLabels", "matchExpressions")
_WORDS = {"yes": True, "on": True, "y": True, "no": False, "off": False, "n": False}
_ENCODINGS: dict[str, LogFormat] = {"console": "text", "text": "text", "json": "json"}
_PLAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def duration(value: Value) -> float:
    """A duration above zero, in seconds: Go's notation, or a whole number of nanoseconds."""
    seconds = _duration(value)
    if seconds <= 0:
        raise Wrong(
            f'must be more than zero, it is {described(value)}: write one such as "10s"', value.at
        )
    return seconds


def pause_or_none(value: Value) -> float:
    """A pause of a second or more, in seconds, or zero for never."""
    seconds = _duration(value)
    if seconds and seconds < 1:
        raise Wrong(f'must be "1s" or more, or 0 for never, it is {described(value)}', value.at)
    return seconds


def interval(value: Value) -> float:
    """A duration; the original takes what is not above zero for the default."""
    seconds = _duration(value)
    return seconds if seconds > 0 else DEFAULT_INTERVAL_SECONDS


def _duration(value: Value) -> float:
    number = value.value if isinstance(value, Scalar) else None
    if isinstance(number, str):
        seconds = values.go_seconds(number)
        if seconds is not None and math.isfinite(seconds):
            return seconds
        number = int(number) if _DIGITS.fullmatch(number) else None
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if type(number) is not int or abs(number) > _LONGEST_NANOSECONDS:
        raise Wrong(
            'must be a duration such as "10s" or "1m30s", or a whole number of nanoseconds, '
            f"not {described(value)}",
            value.at,
        )
    if 0 < number < _SHORTEST_NANOSECONDS:
        raise Wrong(
            f'a number is nanoseconds, and {number} of them pass at once: write "{number}s" for '
            "seconds",
            value.at,
        )
    return number / _NANOSECONDS


def boolean(value: Value) -> bool:
    """``true`` or ``false``, and the other words that YAML 1.1 has for them."""
    word = value.value if isinstance(value, Scalar) else None
    if isinstance(word, str) and word.lower() in _WORDS:
        return _WORDS[word.lower()]
    return values.boolean(value)


def patterns(value: Value) -> tuple[str, ...]:
    """Regular expressions, as Go has them; each is compiled to see that it is one."""
    # Only here: the node driver has these tables too, on every node, and needs no such engine.
    from registrar.settings.patterns import compile_search  # noqa: PLC0415

    found = values.texts(value)
    for pattern in found:
        try:
            compile_search(pattern)
        except ValueError as error:
            raise Wrong(f"{pattern!r} is no regular expression: {error}", value.at) from error
    return found


def namespaces(value: Value) -> tuple[CachedNamespace, ...]:
    """The namespaces of a mapping, each with its selectors, or of a list without any.

    The empty name stands for all that are not named.
    """
    if isinstance(value, Table):
        found = tuple(_cached(name, entry) for name, entry in value.entries.items())
    elif isinstance(value, Items):
        found = tuple(CachedNamespace(name) for name in values.texts(value))
    else:
        raise Wrong(
            f"must be a mapping such as {{shop: {{}}}} with a namespace as each key, "
            f"not {described(value)}",
            value.at,
        )
    for cached in found:
        if cached.name and not _PLAIN.fullmatch(cached.name):
            raise Wrong(f"{cached.name!r} is no namespace", value.at)
    named = "".join(f",metadata.namespace!={cached.name}" for cached in found if cached.name)
    return tuple(
        cached
        if cached.name or not named
        else replace(cached, field_selector=(cached.field_selector + named).lstrip(","))
        for cached in found
    )


def _cached(name: str, entry: Entry) -> CachedNamespace:
    """One namespace; ``labelSelectors`` and ``fieldSelectors`` are pairs that must be equal."""
    if is_zero(entry.value):
        return CachedNamespace(name)
    if not isinstance(entry.value, Table):
        raise Wrong(
            f"{name}: must be a mapping, {{}} for all of its objects, not {described(entry.value)}",
            entry.at,
        )
    selectors = {"labelSelectors": "", "fieldSelectors": ""}
    for key, below in entry.value.entries.items():
        if key not in selectors:
            raise Wrong(
                f"{name}.{key}: unknown key; there are labelSelectors and fieldSelectors", below.at
            )
        if is_zero(below.value):
            continue
        if not isinstance(below.value, Table):
            raise Wrong(
                f"{name}.{key}: must be a mapping of names to values, not {described(below.value)}",
                below.at,
            )
        check = _label if key == "labelSelectors" else _field
        selectors[key] = ",".join(
            check(f"{name}.{key}", pair, inner)
            for pair, inner in sorted(below.value.entries.items())
        )
    return CachedNamespace(name, selectors["labelSelectors"], selectors["fieldSelectors"])


def _label(where: str, name: str, entry: Entry) -> str:
    """One pair of a label selector. Raises Wrong for what no label can be."""
    value = _selected(where, name, entry)
    try:
        values.metadata_key(Scalar(name, entry.at))
    except Wrong as wrong:
        raise Wrong(f"{where}: {wrong.message}", entry.at) from wrong
    if value and not values.LABEL_VALUE.fullmatch(value):
        raise Wrong(f"{where}.{name}: {value!r} cannot be the value of a label", entry.at)
    return f"{name}={value}"


def _field(where: str, name: str, entry: Entry) -> str:
    """One pair of a field selector, escaped as the API server wants it."""
    if not _FIELD.fullmatch(name):
        raise Wrong(f"{where}: {name!r} is no field: write one such as spec.nodeName", entry.at)
    value = _selected(where, name, entry)
    return f"{name}=" + re.sub(r"[\\,=]", lambda found: "\\" + found[0], value)


def _selected(where: str, name: str, entry: Entry) -> str:
    """What a label or field must be equal to. Raises Wrong."""
    try:
        return _text_or_word(entry.value)
    except Wrong as wrong:
        raise Wrong(
            f"{where}.{name}: must be the one value that is wanted, not {described(entry.value)}",
            entry.at,
        ) from wrong


def _text_or_word(value: Value) -> str:
    """A text; ``true`` without quotes is what a label says too, and null is the empty text."""
    if isinstance(value, Scalar) and (value.value is None or isinstance(value.value, bool)):
        return "" if value.value is None else str(value.value).lower()
    return values.text(value)


def labels(value: Value) -> tuple[tuple[str, str], ...]:
    """Labels by name, as a mapping or under ``matchLabels``, where that says anything."""
    if not isinstance(value, Table):
        raise Wrong(f"must be a mapping of labels to values, not {described(value)}", value.at)
    entries = {
        name: entry
        for name, entry in value.entries.items()
        if name not in _SELECTOR or not is_zero(entry.value)
    }
    inner = entries.get("matchLabels")
    if inner is not None and isinstance(inner.value, Table):
        if len(entries) > 1:
            raise Wrong(
                f"{' and '.join(sorted(entries.keys() - {'matchLabels'}))} beside matchLabels: "
                "write every label under it",
                inner.at,
            )
        entries = dict(inner.value.entries)
    elif wrong := next((name for name in _SELECTOR if name in entries), None):
        raise Wrong(
            f"{wrong}: write the labels and their values alone, all of which must be there",
            entries[wrong].at,
        )
    pairs = (_label("labels", name, entry).partition("=") for name, entry in entries.items())
    return tuple(sorted((name, text) for name, _, text in pairs))


def prefix(value: Value) -> str | None:
    """A prefix for entry IDs; the original allows a dot at the end."""
    written = values.text(value)
    return values.entry_id_prefix(Scalar(written.removesuffix("."), value.at)) if written else None


def cleanup(value: Value) -> str:
    """A prefix of other entries; the empty text means those without one."""
    return values.text(value).removesuffix(".")


def encoding(value: Value) -> LogFormat:
    """How a line of the log is written, in the words of the original."""
    name = _ENCODINGS.get(values.text(value))
    if name is None:
        raise Wrong(f"must be console or json, not {values.text(value)!r}", value.at)
    return name
