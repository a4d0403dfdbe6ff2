"""Values as Go sees them: what a template can reach, and nothing of Python.

``bool``, ``int``, ``float``, ``complex`` and ``str`` stand for Go's bool, int,
float64, complex128 and string; None for no value at all. Everything else, a
named string type, a uint8, a struct, says its type.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, Union

Value: TypeAlias = Union[
    bool,
    int,
    float,
    complex,
    str,
    "Typed",
    "Struct",
    "Pointer",
    "Map",
    "Slice",
    "Interface",
    None,
]
Call: TypeAlias = Callable[[Value, Sequence[Value]], Value]
"""A method: the receiver and the arguments, which are checked already. Raises ValueError."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method that a template may call.

    ``needs_pointer``: it is found on pointers only, and on what lies at an
    address; ``takes_nil``: it works on the nil pointer, which it gets as such.
    """

    call: Call
    parameters: tuple["GoType", ...] = ()
    needs_pointer: bool = False
    takes_nil: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class GoType:
    """A Go type: its name as ``%T`` prints it, and its kind as reflection names it.

    ``fields`` are the names of a struct's fields in their order; the names of
    fields and methods that embedded structs give it are ``promoted``, and fields
    that only its own package can name are ``unexported``.
    """

    name: str
    kind: str
    elem: "GoType | None" = None
    key: "GoType | None" = None
    fields: tuple[str, ...] = ()
    promoted: tuple[str, ...] = ()
    unexported: tuple[str, ...] = ()
    methods: Mapping[str, Method] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """All that a selector finds in a struct, be it allowed or not."""
        return frozenset((*self.fields, *self.promoted, *self.unexported))

    @property
    def bits(self) -> int:
        """The size of a number."""
        digits = self.kind.lstrip("abcdefghijklmnopqrstuvwxyz")
        return int(digits) if digits else 64


BOOL = GoType("bool", "bool")
INT = GoType("int", "int")
FLOAT64 = GoType("float64", "float64")
COMPLEX128 = GoType("complex128", "complex128")
STRING = GoType("string", "string")
UINT8 = GoType("uint8", "uint8")
INT32 = GoType("int32", "int32")
INT64 = GoType("int64", "int64")
INTERFACE = GoType("interface {}", "interface")
BASIC = {
    name: GoType(name, name)
    for name in (
        "int8",
        "int16",
        "uint",
        "uint16",
        "uint32",
        "uint64",
        "uintptr",
        "float32",
        "complex64",
    )
} | {t.name: t for t in (BOOL, INT, FLOAT64, COMPLEX128, STRING, UINT8, INT32, INT64)}
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_NATIVE: dict[type, GoType] = {
    bool: BOOL,
    int: INT,
    float: FLOAT64,
    complex: COMPLEX128,
    str: STRING,
}


@dataclass(frozen=True, slots=True)
class Typed:
    """A basic value of a named or sized type."""

    type: GoType
    value: bool | int | float | complex | str


class Struct:
    """A struct; ``field`` finds its fields when they are asked for.

    ``is_addressable``: Go can take its address, so methods on pointers count.
    """

    __slots__ = ("is_addressable", "type")

    def __init__(self, type_: GoType, *, is_addressable: bool = True) -> None:
        self.type = type_
        self.is_addressable = is_addressable

    def field(self, name: str) -> Value:
        """A field, promoted ones included. Raises KeyError for one that the type lacks."""
        raise NotImplementedError

    def is_at(self, other: "Struct") -> bool:
        """Whether both lie at the same address."""
        return self is other


class PlainStruct(Struct):
    """A struct whose fields are all there."""

    __slots__ = ("_fields",)

    def __init__(self, type_: GoType, fields: Mapping[str, Value], **kwargs: bool) -> None:
        super().__init__(type_, **kwargs)
        self._fields = fields

    def field(self, name: str) -> Value:
        """A field."""
        return self._fields[name]


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer; ``target`` None is the nil pointer of its type."""

    type: GoType
    target: Value = None


@dataclass(frozen=True, slots=True)
class Map:
    """A map; ``items`` None is the nil map. Keys are the plain values."""

    type: GoType
    items: Mapping[str | int | float | bool, Value] | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice; ``items`` None is the nil slice. ``hidden`` lies behind its end, in its capacity."""

    type: GoType
    items: Sequence[Value] | None = None
    hidden: Sequence[Value] = ()


@dataclass(frozen=True, slots=True)
class Interface:
    """What lies in a place of type ``interface {}``: a value, or None for nothing."""

    value: Value = None


NIL_INTERFACE = Interface()


def type_of(value: Value) -> GoType:
    """The type of a value that there is."""
    native = _NATIVE.get(type(value))
    if native is not None:
        return native
    if isinstance(value, Typed | Struct | Pointer | Map | Slice):
        return value.type
    if isinstance(value, Interface):
        return INTERFACE
    raise TypeError(f"{type(value).__name__} is no value of a template")


def plain(value: Value) -> Value:
    """A basic value without its type; others as they are."""
    return value.value if isinstance(value, Typed) else value


def indirect(value: Value) -> tuple[Value, bool]:
    """What pointers and interfaces lead to, and whether the way ends at nil."""
    while isinstance(value, Pointer | Interface):
        inner = value.target if isinstance(value, Pointer) else value.value
        if inner is None:
            return value, True
        value = inner
    return value, False


def opened(value: Value) -> Value:
    """What is in an interface; other values as they are."""
    return value.value if type(value) is Interface else value


def pointer_to(type_: GoType) -> GoType:
    """The type of pointers to a type."""
    return GoType("*" + type_.name, "ptr", elem=type_)


def slice_of(type_: GoType) -> GoType:
    """The type of slices of a type."""
    return GoType("[]" + type_.name, "slice", elem=type_)


def map_of(key: GoType, elem: GoType) -> GoType:
    """The type of maps."""
    return GoType(f"map[{key.name}]{elem.name}", "map", key=key, elem=elem)


def truth(value: Value) -> bool:
    """What ``if`` makes of a value: false when it is nothing, zero or empty."""
    value = plain(opened(value))
    if isinstance(value, Pointer):
        return value.target is not None
    if isinstance(value, Map | Slice):
        return bool(value.items)
    if isinstance(value, Struct):
        return True
    return bool(value)


def zero(type_: GoType | None) -> Value:
    """The zero value of a type."""
    if type_ is None:
        return None
    kind = type_.kind
    if kind == "interface":
        return NIL_INTERFACE
    if kind == "ptr":
        return Pointer(type_)
    if kind == "map":
        return Map(type_)
    if kind == "slice":
        return Slice(type_)
    native: bool | complex | str
    if kind == "string":
        native = ""
    elif kind == "bool":
        native = False
    elif kind.startswith("float"):
        native = 0.0
    elif kind.startswith("complex"):
        native = 0j
    else:
        native = 0
    return typed(type_, native)


def typed(type_: GoType, native: bool | complex | str) -> Value:  # noqa: FBT001 - a value
    """A basic value of a type, said with as little as can be."""
    return native if type_ is _NATIVE.get(type(native)) else Typed(type_, native)


def sorted_items(value: Map) -> list[tuple[Value, Value]]:
    """The entries of a map in the order that Go prints and ranges over them."""
    if not value.items:
        return []
    key_type = value.type.key or STRING
    entries = sorted(value.items.items(), key=lambda item: _rank(item[0]))
    return [(typed(key_type, key), element) for key, element in entries]


def _rank(key: str | float) -> tuple[bytes, float]:
    """What a key sorts by; all keys of a map are of one kind."""
    return (encoded(key), 0) if isinstance(key, str) else (b"", key)


def encoded(text: str) -> bytes:
    """The bytes of a text; a surrogate that stands for none becomes the replacement character."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return _LONE.sub("\ufffd", text).encode("utf-8", "surrogateescape")


def decoded(data: bytes) -> str:
    """The text of bytes; a byte that is not UTF-8 stands there as a surrogate."""
    return data.decode("utf-8", "surrogateescape")


def joined(*parts: str) -> str:
    """The parts as one text, where bytes of one character that met again are that character."""
    text = "".join(parts)
    return text if text.isascii() else decoded(encoded(text))
