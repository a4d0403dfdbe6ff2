"""The functions that every template has."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NoReturn, TypeAlias
from urllib.parse import quote_plus

from registrar.gotemplate.lexer import is_printable
from registrar.gotemplate.limits import DEFAULT, Meter
from registrar.gotemplate.numerals import Flags
from registrar.gotemplate.printf import Printer, sprint
from registrar.gotemplate.values import (
    UINT8,
    Map,
    NilInterface,
    Pointer,
    Slice,
    Struct,
    Typed,
    Value,
    indirect,
    plain,
    truth,
    type_of,
    zero,
)

Function: TypeAlias = Callable[[Sequence[Value], Meter], Value]


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function: how many arguments it needs at least, and whether it takes more.

    ``call`` raises ValueError with the words of Go. ``text_first``: the first
    argument must be a string. ``is_lazy``: its arguments are not all looked at.
    """

    call: Function
    least: int
    is_variadic: bool = False
    text_first: bool = False
    is_lazy: bool = False

    def takes_text(self, place: int) -> bool:
        """Whether the parameter at that place is a string."""
        return self.text_first and place == 0

    def checked(self, place: int, value: Value, fail: Callable[[str], NoReturn]) -> Value:
        """An argument at that place, of the type that is asked for."""
        if not self.takes_text(place) or type(value) is str:
            return value
        if value is None:
            fail("invalid value; expected string")
        if isinstance(value, Pointer) and type(value.target) is str:
            return value.target
        fail(f"wrong type for value; expected string; got {type_of(value).name}")


def _opened(value: Value) -> Value:
    return None if isinstance(value, NilInterface) else value


def _length(given: Sequence[Value], _: Meter) -> Value:
    item, is_nil = indirect(given[0])
    if given[0] is None:
        raise ValueError("reflect: call of reflect.Value.Type on zero Value")
    if is_nil:
        raise ValueError("len of nil pointer")
    text = plain(item)
    if isinstance(text, str):
        return len(text.encode("utf-8", "surrogateescape"))
    if isinstance(item, Map | Slice):
        return len(item.items or ())
    raise ValueError(f"len of type {type_of(item).name}")


def _place(index: Value, capacity: int) -> int:
    """A place in a list, out of an argument."""
    if index is None:
        raise ValueError("cannot index slice/array with nil")
    number = plain(index)
    if type(number) is not int:
        raise ValueError(f"cannot index slice/array with type {type_of(index).name}")
    if not 0 <= number <= capacity:
        raise ValueError(f"index out of range: {number}")
    return number


def _index(given: Sequence[Value], _: Meter) -> Value:
    item = _opened(given[0])
    if item is None:
        raise ValueError("index of untyped nil")
    for index in given[1:]:
        item, is_nil = indirect(item)
        if is_nil:
            raise ValueError("index of nil pointer")
        item = _element(item, _opened(index))
    return item


def _element(item: Value, index: Value) -> Value:
    text = plain(item)
    if isinstance(text, str):
        data = text.encode("utf-8", "surrogateescape")
        place = _place(index, len(data))
        if place == len(data):
            raise ValueError("reflect: string index out of range")
        return Typed(UINT8, data[place])
    if isinstance(item, Slice):
        items = item.items or ()
        place = _place(index, len(items))
        if place == len(items):
            raise ValueError("reflect: slice index out of range")
        return items[place]
    if isinstance(item, Map):
        return _entry(item, index)
    raise ValueError(f"can't index item of type {type_of(item).name}")


def _entry(item: Map, index: Value) -> Value:
    wanted = item.type.key
    if index is None:
        raise ValueError(f"value is nil; should be of type {wanted.name if wanted else ''}")
    got = type_of(index)
    if wanted is not None and wanted.kind != "interface" and got.name != wanted.name:
        integers = got.kind.startswith(("int", "uint")) and wanted.kind.startswith(("int", "uint"))
        if not integers or got.kind == "interface":
            raise ValueError(f"value has type {got.name}; should be {wanted.name}")
    key = plain(index)
    if item.items is not None and isinstance(key, str | int | float | bool) and key in item.items:
        return item.items[key]
    return zero(item.type.elem)


def _slice(given: Sequence[Value], _: Meter) -> Value:
    item, indexes = _opened(given[0]), given[1:]
    if item is None:
        raise ValueError("slice of untyped nil")
    item, is_nil = indirect(item)
    if is_nil:
        raise ValueError("slice of nil pointer")
    if len(indexes) > 3:
        raise ValueError(f"too many slice indexes: {len(indexes)}")
    text = plain(item)
    if isinstance(text, str):
        if len(indexes) == 3:
            raise ValueError("cannot 3-index slice a string")
        data = text.encode("utf-8", "surrogateescape")
        low, high, _cap = _bounds(indexes, len(data), len(data))
        cut = data[low:high].decode("utf-8", "surrogateescape")
        return Typed(item.type, cut) if isinstance(item, Typed) else cut
    if isinstance(item, Slice):
        behind = [*(item.items or ()), *item.hidden]
        low, high, cap = _bounds(indexes, len(item.items or ()), len(behind))
        return Slice(item.type, behind[low:high], behind[high:cap])
    raise ValueError(f"can't slice item of type {type_of(item).name}")


def _bounds(indexes: Sequence[Value], length: int, capacity: int) -> tuple[int, int, int]:
    places = [0, length, capacity]
    for number, index in enumerate(indexes):
        places[number] = _place(_opened(index), capacity)
    low, high, cap = places
    if low > high:
        raise ValueError(f"invalid slice index: {low} > {high}")
    if len(indexes) == 3 and high > cap:
        raise ValueError(f"invalid slice index: {high} > {cap}")
    return low, high, cap


def _not(given: Sequence[Value], _: Meter) -> Value:
    return not truth(given[0])


# Comparisons.


def _kind(value: Value) -> str:
    """The kind of a basic value as comparisons see it; empty for any other."""
    basic = plain(value)
    if isinstance(basic, bool):
        return "bool"
    if isinstance(basic, int):
        return "uint" if type_of(value).kind.startswith("uint") else "int"
    if isinstance(basic, float):
        return "float"
    if isinstance(basic, complex):
        return "complex"
    return "string" if isinstance(basic, str) else ""


def _are_integers(first: str, second: str) -> bool:
    return {first, second} == {"int", "uint"}


def _equals(given: Sequence[Value], _: Meter) -> Value:
    first = _opened(given[0])
    if len(given) < 2:
        raise ValueError("missing argument for comparison")
    kind = _kind(first)
    for one in given[1:]:
        other = _opened(one)
        if _is_equal(first, other, kind, _kind(other)):
            return True
    return False


def _is_equal(first: Value, other: Value, kind: str, other_kind: str) -> bool:
    if kind != other_kind:
        if _are_integers(kind, other_kind):
            return plain(first) == plain(other)
        if first is not None and other is not None:
            raise ValueError(
                "incompatible types for comparison: "
                f"{type_of(first).name} and {type_of(other).name}"
            )
        return False
    if kind:
        return plain(first) == plain(other)
    return _is_same(first, other)


def _is_same(first: Value, other: Value) -> bool:
    """Equality of values that are not basic, as far as Go compares them."""
    if first is not None and other is not None and type_of(first).kind != type_of(other).kind:
        raise ValueError(
            f"non-comparable types {sprint(first)}: {type_of(first).name}, "
            f"{type_of(other).name}: {sprint(other)}"
        )
    if _is_nil(first) or _is_nil(other):
        return _is_nil(first) and _is_nil(other)
    if isinstance(other, Map | Slice):
        shown = Printer(Meter(DEFAULT)).argument(other, "s", Flags())
        raise ValueError(f"non-comparable type {shown}: {type_of(other).name}")  # noqa: TRY004 - said as Go says it
    if isinstance(first, Pointer) and isinstance(other, Pointer):
        return first.target is other.target
    return isinstance(first, Struct) and first is other


def _is_nil(value: Value) -> bool:
    if isinstance(value, Pointer):
        return value.target is None
    if isinstance(value, Map | Slice):
        return value.items is None
    return value is None


def _less(given: Sequence[Value], _: Meter) -> bool:
    first, second = _opened(given[0]), _opened(given[1])
    kind, other = _kind(first), _kind(second)
    if not kind or not other:
        raise ValueError("invalid type for comparison")
    if kind != other and not _are_integers(kind, other):
        raise ValueError(
            f"incompatible types for comparison: {type_of(first).name} and {type_of(second).name}"
        )
    if kind in {"bool", "complex"}:
        raise ValueError("invalid type for comparison")
    low, high = plain(first), plain(second)
    if isinstance(low, str) and isinstance(high, str):
        return low.encode("utf-8", "surrogateescape") < high.encode("utf-8", "surrogateescape")
    return bool(operator.lt(low, high))  # type: ignore[arg-type]


def _less_or_equal(given: Sequence[Value], meter: Meter) -> bool:
    return _less(given, meter) or bool(_equals(given, meter))


# Escaping.


def _joined(given: Sequence[Value], meter: Meter) -> str:
    """The arguments as one text: a single string as it is, else as ``print`` does."""
    if len(given) == 1 and type(given[0]) is str:
        return given[0]
    return Printer(meter).all([_printable(value) for value in given])


def _printable(value: Value) -> Value:
    if isinstance(value, Pointer) and value.target is not None:
        return value.target
    return value if value is not None else "<no value>"


_HTML = str.maketrans(
    {'"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"}
)
_JS = {
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
    "<": "\\u003C",
    ">": "\\u003E",
    "&": "\\u0026",
    "=": "\\u003D",
}


def _html(given: Sequence[Value], meter: Meter) -> Value:
    return _made(_joined(given, meter).translate(_HTML), meter)


def _js(given: Sequence[Value], meter: Meter) -> Value:
    out = []
    for char in _joined(given, meter):
        if char in _JS:
            out.append(_JS[char])
        elif char < " ":
            out.append(f"\\u{ord(char):04X}")
        elif char < "\x80" or is_printable(char):
            out.append(char)
        else:
            out.append(f"\\u{ord(char):04X}")
    return _made("".join(out), meter)


def _urlquery(given: Sequence[Value], meter: Meter) -> Value:
    data = _joined(given, meter).encode("utf-8", "surrogateescape")
    return _made(quote_plus(data, safe="~"), meter)


def _made(text: str, meter: Meter) -> str:
    meter.text(len(text))
    return text


BUILTINS: Mapping[str, Builtin] = MappingProxyType(
    {
        "and": Builtin(_not, 1, is_variadic=True, is_lazy=True),
        "or": Builtin(_not, 1, is_variadic=True, is_lazy=True),
        "call": Builtin(_not, 1, is_variadic=True),
        "html": Builtin(_html, 0, is_variadic=True),
        "index": Builtin(_index, 1, is_variadic=True),
        "slice": Builtin(_slice, 1, is_variadic=True),
        "js": Builtin(_js, 0, is_variadic=True),
        "len": Builtin(_length, 1),
        "not": Builtin(_not, 1),
        "print": Builtin(lambda given, meter: Printer(meter).all(given), 0, is_variadic=True),
        "printf": Builtin(
            lambda given, meter: Printer(meter).formatted(str(given[0]), given[1:]),
            1,
            is_variadic=True,
            text_first=True,
        ),
        "println": Builtin(lambda given, meter: Printer(meter).lines(given), 0, is_variadic=True),
        "urlquery": Builtin(_urlquery, 0, is_variadic=True),
        "eq": Builtin(_equals, 1, is_variadic=True),
        "ne": Builtin(lambda given, meter: not _equals(given, meter), 2),
        "lt": Builtin(_less, 2),
        "le": Builtin(_less_or_equal, 2),
        "gt": Builtin(lambda given, meter: not _less_or_equal(given, meter), 2),
        "ge": Builtin(lambda given, meter: not _less(given, meter), 2),
    }
)
