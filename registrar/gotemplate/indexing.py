"""``len``, ``index`` and ``slice``: texts are bytes to them."""

from collections.abc import Sequence

from registrar.gotemplate.limits import Meter
from registrar.gotemplate.values import (
    UINT8,
    Map,
    Slice,
    Typed,
    Value,
    decoded,
    encoded,
    indirect,
    opened,
    plain,
    type_of,
    typed,
    zero,
)


def length(given: Sequence[Value], meter: Meter) -> Value:
    """``len``: of a text its bytes. Raises ValueError with the words of Go."""
    item, is_nil = indirect(given[0])
    if given[0] is None:
        raise ValueError("reflect: call of reflect.Value.Type on zero Value")
    if is_nil:
        raise ValueError("len of nil pointer")
    text = plain(item)
    if isinstance(text, str):
        meter.work(len(text))
        return len(encoded(text))
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
    if number >= 2**63:
        # Go takes it for an int64.
        number -= 2**64
    if not 0 <= number <= capacity:
        raise ValueError(f"index out of range: {number}")
    return number


def index(given: Sequence[Value], meter: Meter) -> Value:
    """``index``: an element, and an element of that. Raises ValueError with the words of Go."""
    item = opened(given[0])
    if item is None:
        raise ValueError("index of untyped nil")
    for place in given[1:]:
        item, is_nil = indirect(item)
        if is_nil:
            raise ValueError("index of nil pointer")
        item = _element(item, opened(place), meter)
    return item


def _element(item: Value, index: Value, meter: Meter) -> Value:
    text = plain(item)
    if isinstance(text, str):
        meter.work(len(text))
        data = encoded(text)
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


def slice_(given: Sequence[Value], meter: Meter) -> Value:
    """``slice``: part of a text or slice. Raises ValueError with the words of Go."""
    item, indexes = opened(given[0]), given[1:]
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
        meter.work(len(text))
        data = encoded(text)
        low, high, _ = _bounds(indexes, len(data), len(data))
        cut = decoded(data[low:high])
        return typed(type_of(item), cut)
    if isinstance(item, Slice):
        meter.read(len(item.items or ()) + len(item.hidden))
        behind = [*(item.items or ()), *item.hidden]
        low, high, cap = _bounds(indexes, len(item.items or ()), len(behind))
        return Slice(item.type, behind[low:high], behind[high:cap])
    raise ValueError(f"can't slice item of type {type_of(item).name}")


def _bounds(indexes: Sequence[Value], length: int, capacity: int) -> tuple[int, int, int]:
    places = [0, length, capacity]
    for number, index in enumerate(indexes):
        places[number] = _place(index, capacity)
    low, high, cap = places
    if low > high:
        raise ValueError(f"invalid slice index: {low} > {high}")
    if len(indexes) == 3 and high > cap:
        raise ValueError(f"invalid slice index: {high} > {cap}")
    return low, high, cap
