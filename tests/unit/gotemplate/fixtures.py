"""Typed values, the same that ``hack/tools/templateoracle/fixtures.go`` makes."""

from registrar.gotemplate.values import (
    BASIC,
    INT,
    INTERFACE,
    NIL_INTERFACE,
    STRING,
    UINT8,
    GoType,
    Interface,
    Map,
    PlainStruct,
    Pointer,
    Slice,
    Typed,
    Value,
    map_of,
    pointer_to,
    slice_of,
)

_TEXT = GoType("main.text", "string")
_INNER = GoType("main.inner", "struct", fields=("A", "B"))
_OUTER = GoType("main.outer", "struct", fields=("Name", "Inner", "Ptr", "NilPtr", "List"))


def _inner(text: str, number: int) -> PlainStruct:
    return PlainStruct(_INNER, {"A": text, "B": number})


def _sized(name: str, value: float) -> Typed:
    return Typed(BASIC[name], value)


def typed_data() -> Value:
    """A pointer to a struct with a value of nearly every kind."""
    inner = _inner("a", 1)
    outer = PlainStruct(
        _OUTER,
        {
            "Name": "outer",
            "Inner": inner,
            "Ptr": Pointer(pointer_to(_INNER), inner),
            "NilPtr": Pointer(pointer_to(_INNER)),
            "List": Slice(slice_of(_INNER), [_inner("x", 1), _inner("y", 2)]),
        },
    )
    strings = slice_of(STRING)
    ints = slice_of(INT)
    fields: dict[str, Value] = {
        "I": 42,
        "Neg": -17,
        "Zero": 0,
        "I8": _sized("int8", -8),
        "I16": _sized("int16", 16),
        "I32": _sized("int32", 32),
        "I64": _sized("int64", 64),
        "U": _sized("uint", 1),
        "U8": _sized("uint8", 8),
        "U16": _sized("uint16", 16),
        "U32": _sized("uint32", 32),
        "U64": _sized("uint64", 1 << 63),
        "F": 1.5,
        "F32": _sized("float32", 0.10000000149011612),
        "Big": 1e21,
        "C": 1 - 2j,
        "T": True,
        "S": "str",
        "Empty": "",
        "Uni": "héllo, 世界\n",
        "Bad": "a\udcffb",
        "Named": Typed(_TEXT, "named"),
        "Bytes": Slice(slice_of(UINT8), [Typed(UINT8, byte) for byte in b"by"]),
        "Ints": Slice(ints, [3, 1, 2]),
        "Strings": Slice(strings, ["a", "b c", ""]),
        "NilInts": Slice(ints),
        "EmptyInts": Slice(ints, []),
        "M": Map(map_of(STRING, STRING), {"b": "2", "a": "1"}),
        "MI": Map(map_of(STRING, INT), {"one": 1}),
        "IM": Map(map_of(INT, STRING), {2: "two", 1: "one"}),
        "NilM": Map(map_of(STRING, STRING)),
        "NM": Map(map_of(_TEXT, INT), {"k": 1}),
        "O": outer,
        "PO": Pointer(pointer_to(_OUTER), outer),
        "NilPO": Pointer(pointer_to(_OUTER)),
        "PI": Pointer(pointer_to(INT), 7),
        "PS": Pointer(pointer_to(STRING), "hello"),
        "NilPI": Pointer(pointer_to(INT)),
        "Any": Interface("any"),
        "NilAny": NIL_INTERFACE,
        "Anys": Slice(
            slice_of(INTERFACE),
            [Interface(1), Interface("two"), Interface(3.5), NIL_INTERFACE, Interface(value=True)],
        ),
        "Nested": Slice(slice_of(strings), [Slice(strings, ["a"]), Slice(strings, ["b", "c"])]),
    }
    everything = GoType("main.all", "struct", fields=tuple(fields))
    return Pointer(pointer_to(everything), PlainStruct(everything, fields))
