"""``len``, ``index`` and ``slice``."""

import pytest

from registrar.gotemplate.indexing import index, length, slice_
from registrar.gotemplate.limits import DEFAULT, Limits, Meter
from registrar.gotemplate.values import (
    BASIC,
    INT,
    NIL_INTERFACE,
    STRING,
    UINT8,
    GoType,
    Interface,
    Map,
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
INTS = Slice(slice_of(INT), [1, 2, 3])
AGES = Map(map_of(STRING, INT), {"a": 1})


def test_length_is_in_bytes_or_elements() -> None:
    found = [length([value], METER) for value in ("é", INTS, AGES, Slice(slice_of(INT)))]
    assert found == [2, 3, 1, 0]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1, "len of type int"),
        (Pointer(pointer_to(INT)), "len of nil pointer"),
        (NIL_INTERFACE, "len of nil pointer"),
        (None, "reflect: call of reflect.Value.Type on zero Value"),
    ],
)
def test_what_has_no_length_is_refused(value: Value, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        length([value], METER)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param((INTS, 1), 2, id="slice"),
        pytest.param((INTS, Typed(BASIC["uint16"], 2)), 3, id="any integer"),
        pytest.param(("é", 0), Typed(UINT8, 0xC3), id="a byte of a text"),
        pytest.param((AGES, "a"), 1, id="map"),
        pytest.param((AGES, "b"), 0, id="zero where the map has nothing"),
        pytest.param((Map(map_of(NAME, INT), {"k": 1}), Typed(NAME, "k")), 1, id="named key"),
        pytest.param(
            (Map(map_of(INT, STRING), {1: "x"}), Typed(UINT8, 1)), "x", id="other integer"
        ),
        pytest.param((Pointer(pointer_to(slice_of(INT)), INTS), 0), 1, id="through a pointer"),
        pytest.param((Slice(slice_of(slice_of(INT)), [INTS]), 0, 2), 3, id="twice"),
        pytest.param((AGES,), AGES, id="no index"),
    ],
)
def test_index_gives_the_element(given: tuple[Value, ...], expected: Value) -> None:
    assert index(given, METER) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((INTS, 4), "index out of range: 4"),
        ((INTS, 3), "reflect: slice index out of range"),
        ((INTS, -1), "index out of range: -1"),
        ((INTS, Typed(BASIC["uint64"], 2**63)), f"index out of range: {-(2**63)}"),
        ((INTS, "a"), "cannot index slice/array with type string"),
        ((INTS, None), "cannot index slice/array with nil"),
        (("a", 1), "reflect: string index out of range"),
        ((AGES, 1), "value has type int; should be string"),
        ((AGES, None), "value is nil; should be of type string"),
        ((1, 1), "can't index item of type int"),
        ((None, 1), "index of untyped nil"),
        ((Pointer(pointer_to(INT)), 1), "index of nil pointer"),
    ],
)
def test_an_index_that_go_refuses_is_refused(given: tuple[Value, ...], message: str) -> None:
    with pytest.raises(ValueError, match=r"index|value") as raised:
        index(given, METER)
    assert str(raised.value) == message


def test_slice_cuts_texts_by_bytes_and_keeps_their_type() -> None:
    assert slice_(("héllo", 1, 3), METER) == "é"
    assert slice_(("é", 1), METER) == "\udca9"
    assert slice_((Typed(NAME, "abc"), 1), METER) == Typed(NAME, "bc")


def test_slice_keeps_what_lies_behind_its_end_up_to_the_capacity() -> None:
    short = slice_((INTS, 0, 1), METER)
    assert short == Slice(INTS.type, [1], [2, 3])
    assert slice_((short, 0, 3), METER) == Slice(INTS.type, [1, 2, 3], [])
    assert slice_((INTS, 0, 1, 2), METER) == Slice(INTS.type, [1], [2])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((INTS, 2, 1), "invalid slice index: 2 > 1"),
        ((INTS, 0, 3, 2), "invalid slice index: 3 > 2"),
        ((INTS, 4), "index out of range: 4"),
        ((INTS, 0, 1, 2, 3), "too many slice indexes: 4"),
        (("abc", 0, 1, 2), "cannot 3-index slice a string"),
        ((AGES, 0), "can't slice item of type map[string]int"),
        ((INTS, Interface(1)), "cannot index slice/array with type interface {}"),
        ((None, 0), "slice of untyped nil"),
        ((Pointer(pointer_to(INT)), 0), "slice of nil pointer"),
    ],
)
def test_a_slice_that_go_refuses_is_refused(given: tuple[Value, ...], message: str) -> None:
    with pytest.raises(ValueError, match=r"index|slice") as raised:
        slice_(given, METER)
    assert str(raised.value) == message


def test_looking_through_a_long_text_is_work() -> None:
    meter = Meter(Limits(steps=1000))
    length(["x" * 64_000], meter)
    assert meter.steps == 0
