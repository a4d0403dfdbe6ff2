"""Looks the keys of a file up, flags before the file, and gathers what is wrong."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from registrar.settings.hcl import Entry, Items, Repeated, Scalar, Table, Value, parse_scalar
from registrar.settings.hcltokens import Position
from registrar.settings.keys import Key
from registrar.settings.problems import ConfigProblem
from registrar.settings.values import Wrong, is_zero

T = TypeVar("T")

_COMMAND_LINE = Position(1, 1)


class Reader:
    """Looks keys up, flags before the file, and gathers what is wrong.

    A dot in a key's name leads into a table. ``overrides`` are the flags by
    the name of the key; ``fallbacks`` count where the file says nothing.
    """

    def __init__(
        self,
        path: Path,
        root: Table,
        overrides: Mapping[str, str],
        *,
        flags: Mapping[str, str] | None = None,
        fallbacks: Mapping[str, str] | None = None,
    ) -> None:
        self._path = path
        self.root = root
        self._overrides = overrides
        self._flags = flags or {}
        self._fallbacks = fallbacks or {}
        self.problems: list[ConfigProblem] = []
        self.warnings: list[str] = []

    def report(self, field: str, at: Position | None, message: str) -> None:
        """A problem in the file."""
        line, column = (at.line, at.column) if at else (None, None)
        self.problems.append(ConfigProblem(self._path, line, field, message, column))

    def report_key(self, key: Key[object], message: str) -> None:
        """A problem with a key as a whole, wherever it was given."""
        if key.name in self._overrides:
            self.report_flag(key.name, message)
        else:
            entry = self._find(key.name)
            self.report(key.name, entry.at if entry else None, message)

    def report_flag(self, name: str, message: str) -> None:
        """A problem with the flag of a key of that name."""
        self.problems.append(ConfigProblem(None, None, self._flag(name), message))

    def report_repeated(self, repeated: Iterable[Repeated]) -> None:
        """Report every key that stands twice."""
        for key in repeated:
            self.report(key.key, key.at, f"stands twice, first in line {key.first.line}")

    def check_names(
        self,
        keys: Iterable[Key[object]],
        idle: Mapping[str, str],
        others: frozenset[str] = frozenset(),
    ) -> None:
        """Report every key that there is not; warn of those that are ``idle``, and say why.

        ``others`` are names that somebody else looks at.
        """
        known = {key.name for key in keys}
        groups = {name.partition(".")[0] for name in known if "." in name}
        for name, entry in self._entries(groups, idle):
            if name in idle:
                if not _is_off(entry.value):
                    self.warnings.append(
                        f"line {entry.at.line}: {name} does nothing here: {idle[name]}"
                    )
            elif name not in known and name not in others:
                self.report(name, entry.at, _unknown(name, known))
        for name in sorted(self._overrides.keys() - known):
            if name in idle:
                self.warnings.append(f"{self._flag(name)} does nothing here: {idle[name]}")
            else:
                self.report_flag(name, _unknown(name, known))

    def given(self, key: Key[object]) -> bool:
        """Whether the key has a value, right or wrong."""
        return self._value(key) is not None

    def has(self, name: str) -> bool:
        """Whether something stands under a name in the file, an empty table too."""
        entry = self._find(name)
        return entry is not None and not (isinstance(entry.value, Scalar) and is_zero(entry.value))

    def get(self, key: Key[T]) -> T:
        """The value of a key, or its default, also where the value is wrong and reported.

        A zero value that the key cannot have is one that nobody gave.
        """
        value = self._value(key)
        if value is not None:
            try:
                return key.read(value)
            except Wrong as wrong:
                if not is_zero(value):
                    self._report_wrong(key, wrong)
                    return key.default
        if key.required:
            self.report_key(key, "missing; this key is required")
        return key.default

    def _report_wrong(self, key: Key[object], wrong: Wrong) -> None:
        if key.name in self._overrides:
            self.report_flag(key.name, wrong.message)
        else:
            self.report(key.name, wrong.at, wrong.message)

    def _value(self, key: Key[object]) -> Value | None:
        """What was given; null is nothing, and so is an empty text unless it has a meaning."""
        value: Value | None = None
        if key.name in self._overrides:
            value = _typed(key, self._overrides[key.name])
        elif entry := self._find(key.name):
            value = entry.value
        if value is None or _is_nothing(key, value):
            fallback = None if key.name in self._overrides else self._fallbacks.get(key.name)
            return _typed(key, fallback) if fallback else None
        return value

    def _find(self, name: str) -> Entry | None:
        """What stands under a dotted name."""
        table, rest = self.root, name
        while True:
            head, dot, rest = rest.partition(".")
            entry = table.entries.get(head)
            if entry is None or not dot:
                return entry
            if not isinstance(entry.value, Table):
                return None
            table = entry.value

    def _entries(self, groups: set[str], idle: Mapping[str, str]) -> Iterator[tuple[str, Entry]]:
        """Every entry of the file by its dotted name; groups must be tables."""
        for name, entry in self.root.entries.items():
            if name not in groups or name in idle:
                yield name, entry
            elif isinstance(entry.value, Table):
                for inner, below in entry.value.entries.items():
                    yield f"{name}.{inner}", below
            elif not (isinstance(entry.value, Scalar) and entry.value.value is None):
                self.report(name, entry.at, "must be a mapping of keys")

    def _flag(self, name: str) -> str:
        return "--" + self._flags.get(name, name).replace("_", "-")


def _is_off(value: Value) -> bool:
    """Whether a key that does nothing is not in use: left empty, or turned off."""
    return is_zero(value) or (isinstance(value, Scalar) and value.value is False)


def _is_nothing(key: Key[object], value: Value) -> bool:
    if not isinstance(value, Scalar):
        return False
    return value.value is None or (value.value == "" and not key.blank)


def _typed(key: Key[object], text: str) -> Value:
    """What a flag says, as if it stood in the file."""
    if isinstance(key.default, frozenset):
        names = [part.strip() for part in text.split(",")]
        return Items(tuple(Scalar(name, _COMMAND_LINE) for name in names if name), at=_COMMAND_LINE)
    scalar = parse_scalar(text) if key.bare else None
    return scalar or Scalar(text, _COMMAND_LINE)


def _unknown(name: str, known: set[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    return "unknown key" + (f"; did you mean {near[0]}?" if near else "")
