"""Lists and maps over decoded JSON whose elements are converted when they are asked for.

A Pod's specification may hold tens of thousands of elements, and a template may name
the list that holds them at each turn of a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias, overload

from registrar.gotemplate.values import Value

Read: TypeAlias = Callable[[object], Value]
"""Makes a value of what JSON gives for it; None where it gives nothing."""
_Part: TypeAlias = "slice[int | None, int | None, int | None]"


class ReadList(Sequence[Value]):
    """The elements of a JSON array."""

    __slots__ = ("_raw", "_read")

    def __init__(self, raw: Sequence[object], read: Read) -> None:
        self._raw = raw
        self._read = read

    def __len__(self) -> int:
        """How many elements there are."""
        return len(self._raw)

    @overload
    def __getitem__(self, place: int) -> Value: ...

    @overload
    def __getitem__(self, place: _Part) -> Sequence[Value]: ...

    def __getitem__(self, place: int | _Part) -> Value | Sequence[Value]:
        """An element, or some."""
        if isinstance(place, slice):
            return ReadList(self._raw[place], self._read)
        return self._read(self._raw[place])


class ReadMap(Mapping[str | int | float | bool, Value]):
    """The values of a JSON object, by key."""

    __slots__ = ("_raw", "_read")

    def __init__(self, raw: Mapping[str, object], read: Read) -> None:
        self._raw = raw
        self._read = read

    def __len__(self) -> int:
        """How many values there are."""
        return len(self._raw)

    def __iter__(self) -> Iterator[str | int | float | bool]:
        """The keys."""
        return iter(self._raw)

    def __getitem__(self, key: object) -> Value:
        """A value."""
        return self._read(self._raw[key])  # type: ignore[index]
