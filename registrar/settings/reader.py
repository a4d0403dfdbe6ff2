"""Looks the keys of an HCL file up, flags before the file, and gathers what is wrong."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from registrar.settings.hcl import Items, Scalar, Table, Value, parse_scalar
from registrar.settings.hcltokens import Position
from registrar.settings.keys import Key
from registrar.settings.problems import ConfigProblem
from registrar.settings.values import Wrong

T = TypeVar("T")

_COMMAND_LINE = Position(1, 1)


class Reader:
    """Looks keys up, flags before the file, and gathers what is wrong."""

    def __init__(self, path: Path, root: Table, overrides: Mapping[str, str]) -> None:
        self._path = path
        self.root = root
        self._overrides = overrides
        self.problems: list[ConfigProblem] = []
        self.warnings: list[str] = []

    def report(self, field: str, at: Position | None, message: str) -> None:
        """A problem in the file."""
        line, column = (at.line, at.column) if at else (None, None)
        self.problems.append(ConfigProblem(self._path, line, field, message, column))

    def report_key(self, key: Key[object], message: str) -> None:
        """A problem with a key as a whole, wherever it was given."""
        if key.name in self._overrides:
            self.problems.append(ConfigProblem(None, None, key.flag, message))
        else:
            entry = self.root.entries.get(key.name)
            self.report(key.name, entry.at if entry else None, message)

    def check_names(self, keys: Iterable[Key[object]], idle: Mapping[str, str]) -> None:
        """Report every key that there is not; warn of those that are ``idle``, and say why."""
        known = {key.name for key in keys}
        for name, entry in self.root.entries.items():
            if name in idle:
                self.warnings.append(
                    f"line {entry.at.line}: {name} does nothing here: {idle[name]}"
                )
            elif name not in known:
                self.report(name, entry.at, _unknown(name, known))
        for name in sorted(self._overrides.keys() - known):
            flag = "--" + name.replace("_", "-")
            if name in idle:
                self.warnings.append(f"{flag} does nothing here: {idle[name]}")
            else:
                self.problems.append(ConfigProblem(None, None, flag, _unknown(name, known)))

    def given(self, key: Key[object]) -> bool:
        """Whether the key has a value, right or wrong."""
        return self._value(key) is not None

    def get(self, key: Key[T]) -> T:
        """The value of a key, or its default, also where the value is wrong and reported."""
        value = self._value(key)
        if value is None:
            if key.required:
                self.report_key(key, "missing; this key is required")
            return key.default
        try:
            return key.read(value)
        except Wrong as wrong:
            if key.name in self._overrides:
                self.report_key(key, wrong.message)
            else:
                self.report(key.name, wrong.at, wrong.message)
            return key.default

    def _value(self, key: Key[object]) -> Value | None:
        value: Value | None = None
        if key.name in self._overrides:
            value = _typed(key, self._overrides[key.name])
        elif entry := self.root.entries.get(key.name):
            value = entry.value
        return None if isinstance(value, Scalar) and value.value == "" else value


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
