"""Which values are equal, which is less, and which cannot be compared."""

import pytest

from registrar.gotemplate.comparisons import equals, less, less_or_equal
from registrar.gotemplate.limits import DEFAULT, Meter
from registrar.gotemplate.values import (
    BASIC,
    INT,
    STRING,
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

METER = Meter(DEFAULT)
NAME = GoType("main.name", "string")
PAIR = GoType("main.pair", "struct", fields=("A", "B"))
LISTED = GoType("main.listed", "struct", fields=("L",))
INTS = Slice(slice_of(INT), [1])
ONE = PlainStruct(PAIR, {"A": "x", "B": 1})


def pair(number: int) -> PlainStruct:
    return PlainStruct(PAIR, {"A": "x", "B": number})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param((1, 1), True, id="same"),
        pytest.param((1, 2, 3, 1), True, id="any of the others"),
        pytest.param((Typed(NAME, "a"), "a"), True, id="kinds count, not types"),
        pytest.param((Typed(BASIC["uint64"], 5), 5), True, id="signed and unsigned"),
        pytest.param((Typed(BASIC["uint64"], 5), -5), False, id="negative and unsigned"),
        pytest.param((Interface(1), 1), True, id="interface"),
        pytest.param((None, None), True, id="nil and nil"),
        pytest.param((None, 1), False, id="nil and a number"),
        pytest.param((None, Slice(slice_of(INT))), True, id="nil and a nil slice"),
        pytest.param((None, INTS), False, id="nil and a slice"),
        pytest.param((pair(1), pair(1)), True, id="structs by their fields"),
        pytest.param((pair(1), pair(2)), False, id="other fields"),
        pytest.param(
            (Pointer(pointer_to(PAIR), ONE), Pointer(pointer_to(PAIR), ONE)), True, id="same place"
        ),
        pytest.param(
            (Pointer(pointer_to(PAIR), ONE), Pointer(pointer_to(PAIR), pair(1))),
            False,
            id="another place",
        ),
        pytest.param(
            (Pointer(pointer_to(INT), 1), Pointer(pointer_to(INT), 1)), False, id="equal numbers"
        ),
        pytest.param(
            (Pointer(pointer_to(PAIR), ONE), Pointer(pointer_to(INT), 1)), False, id="other types"
        ),
    ],
)
def test_equality_is_that_of_go(given: tuple[Value, ...], *, expected: bool) -> None:
    assert equals(given, METER) is expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param((1,), "missing argument for comparison", id="one value"),
        pytest.param(
            (1, "a"), "incompatible types for comparison: int and string", id="other kinds"
        ),
        pytest.param((INTS, INTS), "non-comparable type [%!s(int=1)]: []int", id="slices"),
        pytest.param(
            (PlainStruct(LISTED, {"L": INTS}),) * 2,
            "non-comparable type {[%!s(int=1)]}: main.listed",
            id="structs with slices",
        ),
        pytest.param(
            (ONE, Map(map_of(STRING, INT))),
            "non-comparable types {x %!s(int=1)}: main.pair, map[string]int: map[]",
            id="struct and map",
        ),
    ],
)
def test_what_go_does_not_compare_is_refused(given: tuple[Value, ...], message: str) -> None:
    with pytest.raises(ValueError, match="compar") as raised:
        equals(given, METER)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("low", "high"),
    [
        pytest.param(1, 2, id="integers"),
        pytest.param(1.5, 2.5, id="floats"),
        pytest.param("a", "b", id="texts"),
        pytest.param("\uffff", "\U00010000", id="texts by their bytes"),
        pytest.param(-1, Typed(BASIC["uint8"], 0), id="negative and unsigned"),
    ],
)
def test_less_is_that_of_go(low: Value, high: Value) -> None:
    assert less((low, high), METER)
    assert not less((high, low), METER)
    assert less_or_equal((low, low), METER)
    assert not less_or_equal((high, low), METER)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((True, False), "invalid type for comparison"),
        ((1j, 2j), "invalid type for comparison"),
        ((None, 1), "invalid type for comparison"),
        ((1, INTS), "invalid type for comparison"),
        ((1, 1.0), "incompatible types for comparison: int and float64"),
    ],
)
def test_what_has_no_order_is_refused(given: tuple[Value, Value], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        less(given, METER)
