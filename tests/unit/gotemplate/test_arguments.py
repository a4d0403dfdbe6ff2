"""Arguments of methods: they take the type that is asked for, or the template fails."""

from collections.abc import Mapping, Sequence

import pytest

from registrar.gotemplate.errors import TemplateExecError
from registrar.gotemplate.template import Template
from registrar.gotemplate.values import (
    BASIC,
    BOOL,
    COMPLEX128,
    FLOAT64,
    INT,
    INTERFACE,
    NIL_INTERFACE,
    STRING,
    UINT8,
    GoType,
    Interface,
    Method,
    PlainStruct,
    Pointer,
    Slice,
    Typed,
    Value,
    pointer_to,
    slice_of,
    type_of,
)

NAME = GoType("main.Name", "string")


def same(_: Value, given: Sequence[Value]) -> Value:
    return given[0]


def kind(_: Value, given: Sequence[Value]) -> Value:
    return "nothing" if given[0] is None else type_of(given[0]).name


METHODS: dict[str, Method] = {
    "Int": Method(same, (INT,)),
    "I8": Method(same, (BASIC["int8"],)),
    "U8": Method(same, (UINT8,)),
    "Bool": Method(same, (BOOL,)),
    "F": Method(same, (FLOAT64,)),
    "C": Method(same, (COMPLEX128,)),
    "Str": Method(same, (STRING,)),
    "Nam": Method(same, (NAME,)),
    "List": Method(kind, (slice_of(INT),)),
    "Any": Method(kind, (INTERFACE,)),
    "Two": Method(same, (INT, STRING)),
}
TYPE = GoType("main.T", "struct", methods=METHODS)
METHODS["Ptr"] = Method(kind, (pointer_to(TYPE),))
METHODS["Val"] = Method(kind, (TYPE,))
FIELDS: Mapping[str, Value] = {
    "T": PlainStruct(TYPE, {}),
    "Nil": Pointer(pointer_to(TYPE)),
    "PT": Pointer(pointer_to(TYPE), PlainStruct(TYPE, {})),
    "I": 5,
    "S": "s",
    "N": Typed(NAME, "n"),
    "L": Slice(slice_of(INT), [1]),
    "A": Interface(9),
    "Null": NIL_INTERFACE,
    "NPS": Pointer(pointer_to(STRING)),
}
DATA = PlainStruct(GoType("main.D", "struct", fields=tuple(FIELDS)), FIELDS)


def render(action: str) -> str:
    return Template.parse("t", "{{" + action + "}}").render(DATA)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (".T.Int 0x10", "16"),
        (".T.Int 1e2", "100"),
        (".T.Int 'a'", "97"),
        (".T.I8 300", "44"),
        (".T.U8 255", "255"),
        (".T.Bool true", "true"),
        (".T.F 1", "1"),
        (".T.C 2i", "(0+2i)"),
        ('.T.Str "x"', "x"),
        ('.T.Nam "x"', "x"),
        (".T.Nam .N", "n"),
        (".T.Int .A", "9"),
        ('"x" | .T.Two 1', "1"),
        (".T.List nil", "[]int"),
        (".T.List .L", "[]int"),
        (".T.Any .A", "int"),
        (".T.Any nil", "nothing"),
        (".T.Any .Null", "nothing"),
        (".T.Ptr .T", "*main.T"),
        (".T.Val .PT", "main.T"),
    ],
)
def test_an_argument_gets_the_type_that_is_asked_for(action: str, expected: str) -> None:
    assert render(action) == expected


@pytest.mark.parametrize(
    ("action", "place", "message"),
    [
        (".T.Int 1.5", "1.5", "expected integer; found 1.5"),
        (".T.U8 -1", "-1", "expected unsigned integer; found -1"),
        (".T.Bool 1", "1", "expected bool; found 1"),
        ('.T.F "x"', '"x"', 'expected float; found "x"'),
        (".T.Str 1", "1", "expected string; found 1"),
        (".T.List 1", "1", "can't handle 1 for arg of type []int"),
        (".T.Int nil", "nil", "cannot assign nil to int"),
        (".T.Str .N", ".N", "wrong type for value; expected string; got main.Name"),
        (".T.Str .NPS", ".NPS", "dereference of nil pointer of type string"),
        (".T.Int .Null", ".Null", "wrong type for value; expected int; got interface {}"),
        (".T.Int", ".T.Int", "wrong number of args for Int: want 1 got 0"),
        ('"x" | .T.Two', ".T.Two", "wrong number of args for Two: want 2 got 1"),
        (".S 1", ".S", "S has arguments but cannot be invoked as function"),
        (
            ".Nil.Int 1",
            ".Nil.Int",
            "error calling Int: value method main.T.Int called using nil *T pointer",
        ),
    ],
)
def test_an_argument_that_does_not_fit_fails_the_template(
    action: str, place: str, message: str
) -> None:
    with pytest.raises(TemplateExecError) as raised:
        render(action)
    assert str(raised.value).endswith(f"at <{place}>: {message}")
