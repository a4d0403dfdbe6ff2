"""``eq``, ``lt`` and ``le``, of which the others are made: basic values compare by their kinds."""

import operator
from collections.abc import Sequence

from registrar.gotemplate.limits import Meter
from registrar.gotemplate.printing import shown
from registrar.gotemplate.values import (
    Interface,
    Map,
    Pointer,
    Slice,
    Struct,
    Value,
    encoded,
    opened,
    plain,
    type_of,
)


def equals(given: Sequence[Value], meter: Meter) -> bool:
    """Whether the first is equal to any of the others. Raises ValueError with the words of Go."""
    first = opened(given[0])
    if len(given) < 2:
        raise ValueError("missing argument for comparison")
    return any(_is_equal(first, opened(other), meter) for other in given[1:])


def less(given: Sequence[Value], meter: Meter) -> bool:
    """Whether the first is less than the second. Raises ValueError with the words of Go."""
    first, second = opened(given[0]), opened(given[1])
    kind, other = _kind(first), _kind(second)
    if not kind or not other:
        raise ValueError("invalid type for comparison")
    if kind != other and {kind, other} != {"int", "uint"}:
        raise ValueError(
            f"incompatible types for comparison: {type_of(first).name} and {type_of(second).name}"
        )
    if kind in {"bool", "complex"}:
        raise ValueError("invalid type for comparison")
    low, high = plain(first), plain(second)
    if isinstance(low, str) and isinstance(high, str):
        meter.work(len(low) + len(high))
        return encoded(low) < encoded(high)
    return bool(operator.lt(low, high))  # type: ignore[arg-type]


def less_or_equal(given: Sequence[Value], meter: Meter) -> bool:
    """Whether the first is not greater. Raises ValueError with the words of Go."""
    return less(given, meter) or equals(given, meter)


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


def _is_equal(first: Value, other: Value, meter: Meter) -> bool:
    kind, other_kind = _kind(first), _kind(other)
    if kind != other_kind and {kind, other_kind} != {"int", "uint"}:
        if first is not None and other is not None:
            raise ValueError(
                "incompatible types for comparison: "
                f"{type_of(first).name} and {type_of(other).name}"
            )
        return False
    if not kind:
        return _is_same(first, other, meter)
    basic = plain(first)
    if isinstance(basic, str):
        meter.work(len(basic))
    return basic == plain(other)


def _is_same(first: Value, other: Value, meter: Meter) -> bool:
    """Equality of values that are not basic, as far as Go compares them."""
    if first is not None and other is not None and type_of(first).kind != type_of(other).kind:
        raise ValueError(
            f"non-comparable types {shown(first, 's', meter=meter)}: {type_of(first).name}, "
            f"{type_of(other).name}: {shown(other, meter=meter)}"
        )
    if _is_nil(first) or _is_nil(other):
        return _is_nil(first) and _is_nil(other)
    if not _is_comparable(other, meter):
        raise ValueError(
            f"non-comparable type {shown(other, 's', meter=meter)}: {type_of(other).name}"
        )
    return _are_identical(first, other, meter)


def _is_nil(value: Value) -> bool:
    if isinstance(value, Pointer):
        return value.target is None
    if isinstance(value, Map | Slice):
        return value.items is None
    return value is None


def _is_comparable(value: Value, meter: Meter) -> bool:
    """Whether Go compares values of this type at all: not those with a map or slice in them."""
    meter.step()
    if isinstance(value, Struct):
        return all(_is_comparable(value.field(name), meter) for name in value.type.fields)
    return not isinstance(value, Map | Slice)


def _are_identical(first: Value, other: Value, meter: Meter) -> bool:
    """Structs are equal field by field; pointers when they point at the same place."""
    meter.step()
    if type_of(first).name != type_of(other).name:
        return False
    if isinstance(first, Struct) and isinstance(other, Struct):
        return all(
            _are_identical(first.field(name), other.field(name), meter)
            for name in first.type.fields
        )
    if isinstance(first, Pointer) and isinstance(other, Pointer):
        if first.target is None or other.target is None:
            return first.target is other.target
        at, others = first.target, other.target
        is_one = isinstance(at, Struct) and isinstance(others, Struct) and at.is_at(others)
        return first is other or is_one
    if isinstance(first, Interface) and isinstance(other, Interface):
        if first.value is None or other.value is None:
            return first.value is other.value
        return _are_identical(first.value, other.value, meter)
    left, right = plain(first), plain(other)
    if isinstance(left, str):
        meter.work(len(left))
    return left == right
