"""Looks the keys of a file up, flags before the file, and gathers what is wrong.

A key is looked up by the name that it has in the file of the tool at hand; ``kinds.py`` has the
rule of what counts as not given. Used by the modules that make settings of a file.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from registrar.settings import keys
from registrar.settings.hcl import Entry, Items, Repeated, Scalar, Table, Value, parse_scalar
from registrar.settings.hcltokens import Position
from registrar.settings.kinds import Dialect, Key
from registrar.settings.problems import ConfigProblem
from registrar.settings.values import Wrong, described, is_zero

T = TypeVar("T")

_COMMAND_LINE = Position(1, 1)
_MOST_SUGGESTED = 100
"""Unknown keys for which a known one is looked for that resembles them: that takes its time."""
_FALLBACKS = {"server_socket_path": "--spire-api-socket"}
"""The flags of a tool's binary that stand in for a key, where a person can write them wrong."""


@dataclass(frozen=True, slots=True)
class _Given:
    """A value that somebody gave; ``flag``: on the command line, by this one."""

    value: Value
    flag: str = ""


class Reader:
    """Looks keys up, flags before the file, and gathers what is wrong.

    A dot in a key's name leads into a table. ``overrides`` are the flags by the name of the
    layered registrar's key; ``fallbacks`` count where the file says nothing. ``dialect`` may be
    changed once the file says what it is.
    """

    def __init__(
        self,
        path: Path,
        root: Table,
        dialect: Dialect,
        *,
        overrides: Mapping[str, str] | None = None,
        fallbacks: Mapping[str, str] | None = None,
    ) -> None:
        self._path = path
        self.root = root
        self.dialect: Dialect = dialect
        self._overrides = overrides or {}
        self._fallbacks = fallbacks or {}
        self.problems: list[ConfigProblem] = []
        self.warnings: list[str] = []

    def name(self, key: Key[object]) -> str:
        """What the key is called in this file."""
        return key.spelled(self.dialect).name

    def report(self, field: str, at: Position | None, message: str) -> None:
        """A problem in the file."""
        line, column = (at.line, at.column) if at else (None, None)
        self.problems.append(ConfigProblem(self._path, line, field, message, column))

    def report_key(self, key: Key[object], message: str) -> None:
        """A problem with a key as a whole, wherever it was given."""
        given = self._given(key)
        if key.name in self._overrides:
            self.report_flag(_dashed(key.name), message)
        elif given is not None and given.flag:
            self.report_flag(given.flag, message)
        else:
            entry = self._find(self.name(key))
            self.report(self.name(key), entry.at if entry else None, message)

    def warn_key(self, key: Key[object], message: str) -> None:
        """Something to know of a key that is right."""
        name = self.name(key)
        if key.name in self._overrides:
            self.warnings.append(f"{_dashed(key.name)} {message}")
        else:
            entry = self._find(name)
            place = f"line {entry.at.line}: " if entry else ""
            self.warnings.append(f"{place}{name} {message}")

    def report_flag(self, flag: str, message: str) -> None:
        """A problem with a flag."""
        self.problems.append(ConfigProblem(None, None, flag, message))

    def report_repeated(self, repeated: Iterable[Repeated]) -> None:
        """Report every key that stands twice."""
        for key in repeated:
            self.report(key.key, key.at, f"stands twice, first in line {key.first.line}")

    def check_names(
        self,
        known: Iterable[Key[object]],
        idle: Mapping[str, str],
        others: frozenset[str] = frozenset(),
    ) -> None:
        """Report every key that there is not; warn of those that are ``idle``, and say why.

        ``known`` are the keys as this file has them; ``others`` are names that somebody else
        looks at.
        """
        names = {key.name for key in known}
        unknown = 0
        for name, entry in self._entries(names, idle):
            if name in idle:
                if not _is_off(entry.value):
                    self.warnings.append(
                        f"line {entry.at.line}: {name} does nothing here: {idle[name]}"
                    )
            elif name not in names and name not in others:
                unknown += 1
                near = names if unknown <= _MOST_SUGGESTED else set()
                self.report(name, entry.at, _unknown(name, near))
        self._check_flags(names, idle)

    def _check_flags(self, names: set[str], idle: Mapping[str, str]) -> None:
        """As ``check_names``, for the flags: each has the name of the layered registrar's key."""
        rows = {key.name: key for key in keys.KEYS}
        for flag in sorted(self._overrides):
            row = rows.get(flag)
            name = self.name(row) if row else flag
            dashed = _dashed(flag)
            if name in names:
                continue
            if name in idle:
                self.warnings.append(f"{dashed} does nothing here: {idle[name]}")
            elif row and self.dialect == "manager":
                self.report_flag(
                    dashed, "goes with the configuration of the layered registrar only"
                )
            else:
                self.report_flag(dashed, _unknown(name, names))

    def given(self, key: Key[object]) -> bool:
        """Whether the key has a value, right or wrong."""
        return self._given(key) is not None

    def has(self, name: str) -> bool:
        """Whether something stands under a name in the file, an empty table too."""
        entry = self._find(name)
        return entry is not None and not (isinstance(entry.value, Scalar) and is_zero(entry.value))

    def get(self, key: Key[T]) -> T:
        """The value of a key, or its default, also where the value is wrong and reported."""
        row, given = key.spelled(self.dialect), self._given(key)
        if given is None:
            if row.required:
                self.report_key(key, "missing; this key is required")
            return row.default
        read = row.kind.read
        if self.dialect == "manager" and row.kind.in_yaml is not None:
            read = row.kind.in_yaml
        try:
            return read(given.value)
        except Wrong as wrong:
            # A reader knows the layered registrar's name of the one key that it points to.
            socket = keys.SERVER_SOCKET_PATH
            message = wrong.message.replace(f"give {socket.name}", f"give {self.name(socket)}")
            if given.flag:
                self.report_flag(given.flag, message)
            else:
                self.report(row.name, wrong.at, message)
            return row.default

    def _given(self, key: Key[object]) -> _Given | None:
        """What somebody gave: a flag, else the file, else what stands in for it.

        A flag that says nothing sets its key back to the default, whatever the file says.
        """
        row = key.spelled(self.dialect)
        entry = self._find(row.name)
        found = []
        if key.name in self._overrides:
            found = [_Given(self._typed(row, self._overrides[key.name]), _dashed(key.name))]
        else:
            if entry is not None:
                found.append(_Given(entry.value))
            if key.name in self._fallbacks:
                flag = _FALLBACKS.get(key.name, _dashed(key.name))
                found.append(_Given(self._typed(row, self._fallbacks[key.name]), flag))
        return next((given for given in found if not row.is_nothing(given.value)), None)

    def _typed(self, row: Key[object], text: str) -> Value:
        """What a flag says, as if it stood in the file."""
        if isinstance(row.default, frozenset) and text:
            names = [part.strip() for part in text.split(",") if text != "[]"]
            return Items(
                tuple(Scalar(name, _COMMAND_LINE) for name in names if name), at=_COMMAND_LINE
            )
        scalar = parse_scalar(text) if row.kind.bare else None
        if scalar is None:
            return Scalar(text, _COMMAND_LINE)
        number = scalar.value
        is_positive = type(number) in {int, float} and float(number or 0) > 0
        if self.dialect == "manager" and row.kind.name == "duration" and is_positive:
            # A number of a flag is seconds with every file; in YAML it would be nanoseconds.
            return Scalar(f"{text}s", _COMMAND_LINE)
        return scalar

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

    def _entries(self, known: set[str], idle: Mapping[str, str]) -> Iterator[tuple[str, Entry]]:
        """Every entry of the file by its dotted name; what holds known keys must be a table."""
        groups = {name.partition(".")[0] for name in known if "." in name}
        for name, entry in self.root.entries.items():
            if name not in groups or name in idle:
                yield name, entry
            elif isinstance(entry.value, Table):
                for inner, below in entry.value.entries.items():
                    yield f"{name}.{inner}", below
            elif not (isinstance(entry.value, Scalar) and entry.value.value is None):
                inner = next(key for key in sorted(known) if key.startswith(f"{name}."))
                self.report(
                    name,
                    entry.at,
                    f"must be a mapping of keys such as {inner.partition('.')[2]}, not "
                    f"{described(entry.value)}",
                )


def _dashed(name: str) -> str:
    return "--" + name.replace("_", "-")


def _is_off(value: Value) -> bool:
    """Whether a key that does nothing is not in use: left empty, or turned off."""
    return is_zero(value) or (isinstance(value, Scalar) and value.value is False)


def _unknown(name: str, known: set[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    return "unknown key" + (f"; did you mean {near[0]}?" if near else "")
