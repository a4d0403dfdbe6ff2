"""Values as Go sees them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.gotemplate.values import (
    BASIC,
    BOOL,
    COMPLEX128,
    FLOAT64,
    INT,
    INTERFACE,
    NIL_INTERFACE,
    STRING,
    GoType,
    Interface,
    Map,
    PlainStruct,
    Pointer,
    Slice,
    Typed,
    Value,
    decoded,
    encoded,
    indirect,
    joined,
    map_of,
    opened,
    pointer_to,
    slice_of,
    sorted_items,
    truth,
    type_of,
    typed,
    zero,
)

NAME = GoType("main.name", "string")
EMPTY = PlainStruct(GoType("main.empty", "struct"), {})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, False),
        (0, False),
        (-1, True),
        (0.0, False),
        (0j, False),
        ("", False),
        ("0", True),
        (Typed(NAME, ""), False),
        (Typed(NAME, "x"), True),
        (EMPTY, True),
        (Pointer(pointer_to(INT)), False),
        (Pointer(pointer_to(INT), 0), True),
        (Slice(slice_of(INT)), False),
        (Slice(slice_of(INT), []), False),
        (Slice(slice_of(INT), [0]), True),
        (Map(map_of(STRING, INT), {"": 0}), True),
        (NIL_INTERFACE, False),
        (Interface(0), False),
        (Interface("x"), True),
    ],
)
def test_a_value_is_true_when_go_says_so(value: Value, *, expected: bool) -> None:
    assert truth(value) is expected


def test_the_way_through_pointers_and_interfaces_ends_at_a_value_or_at_nil() -> None:
    nil = Pointer(pointer_to(INT))
    assert indirect(Interface(Pointer(pointer_to(INT), 7))) == (7, False)
    assert indirect(Pointer(pointer_to(pointer_to(INT)), nil)) == (nil, True)
    assert indirect(NIL_INTERFACE) == (NIL_INTERFACE, True)


def test_an_interface_is_opened_once() -> None:
    assert opened(Interface(1)) == 1
    assert opened(NIL_INTERFACE) is None
    assert opened("x") == "x"


@pytest.mark.parametrize(
    ("typ", "expected"),
    [
        (INT, 0),
        (STRING, ""),
        (BOOL, False),
        (FLOAT64, 0.0),
        (COMPLEX128, 0j),
        (INTERFACE, NIL_INTERFACE),
        (NAME, Typed(NAME, "")),
        (BASIC["float32"], Typed(BASIC["float32"], 0.0)),
        (BASIC["complex64"], Typed(BASIC["complex64"], 0j)),
        (None, None),
    ],
)
def test_each_type_has_its_zero_value(typ: GoType | None, expected: Value) -> None:
    assert zero(typ) == expected
    assert type(zero(typ)) is type(expected)


def test_nil_is_the_zero_value_of_pointers_maps_and_slices() -> None:
    found = [zero(typ) for typ in (pointer_to(INT), map_of(STRING, INT), slice_of(INT))]
    assert [truth(value) for value in found] == [False] * 3
    assert [type_of(value).name for value in found] == ["*int", "map[string]int", "[]int"]


def test_a_value_of_its_own_type_needs_no_wrapping() -> None:
    assert typed(INT, 1) == 1
    assert typed(NAME, "x") == Typed(NAME, "x")


def test_the_size_of_a_number_is_in_its_kind() -> None:
    assert [BASIC[name].bits for name in ("int8", "uint", "float32", "complex128")] == [
        8, 64, 32, 128,
    ]  # fmt: skip


def test_nothing_else_of_python_is_a_value() -> None:
    with pytest.raises(TypeError, match="object is no value of a template"):
        type_of(object())  # type: ignore[arg-type]


def test_the_entries_of_a_map_come_in_the_order_of_their_keys() -> None:
    numbers: dict[str | int | float | bool, Value] = {10: "a", -1: "b", 2: "c"}
    assert [key for key, _ in sorted_items(Map(map_of(INT, STRING), numbers))] == [-1, 2, 10]
    texts: dict[str | int | float | bool, Value] = {"é": 1, "z": 2, "\U00010000": 3, "\uffff": 4}
    names = sorted_items(Map(map_of(NAME, INT), texts))
    assert [value for _, value in names] == [2, 1, 4, 3]
    assert names[0][0] == Typed(NAME, "z")


@given(st.binary())
def test_all_bytes_are_a_text_and_come_back(data: bytes) -> None:
    assert encoded(decoded(data)) == data


@given(st.text(alphabet=st.characters()))
def test_any_text_has_bytes_and_joins(text: str) -> None:
    assert encoded(joined(text, "\ud800")).endswith("\ufffd".encode())
