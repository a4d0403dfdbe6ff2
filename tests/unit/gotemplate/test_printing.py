"""Values as fmt writes them."""

from collections.abc import Sequence

import pytest

from registrar.gotemplate.errors import TemplateExecError, TemplateLimitError
from registrar.gotemplate.frames import Frame
from registrar.gotemplate.limits import DEFAULT, Limits, Meter
from registrar.gotemplate.numerals import Flags
from registrar.gotemplate.printing import Printer, printed, shown
from registrar.gotemplate.values import (
    INT,
    NIL_INTERFACE,
    STRING,
    UINT8,
    GoType,
    Interface,
    Map,
    Method,
    PlainStruct,
    Pointer,
    Slice,
    Typed,
    Value,
    map_of,
    pointer_to,
    slice_of,
)


def says_hello(receiver: Value, _: Sequence[Value]) -> Value:
    return "nothing" if isinstance(receiver, Pointer) else "hello"


def refuses(_: Value, __: Sequence[Value]) -> Value:
    raise ValueError("no text")


PAIR = GoType("main.pair", "struct", fields=("A", "B"))
BY_VALUE = GoType("main.byValue", "struct", methods={"String": Method(says_hello)})
BY_POINTER = GoType(
    "main.byPointer",
    "struct",
    methods={"String": Method(says_hello, needs_pointer=True, takes_nil=True)},
)
REFUSES = GoType("main.refuses", "struct", methods={"String": Method(refuses)})
HIDDEN = GoType("main.hidden", "struct", unexported=("x",))
BYTES = Slice(slice_of(UINT8), [Typed(UINT8, byte) for byte in b"hi"])


def pair() -> PlainStruct:
    return PlainStruct(PAIR, {"A": "x", "B": 1})


def under(value: Value, verb: str, flags: str = "") -> str:
    printer = Printer(Meter(DEFAULT))
    for flag in flags:
        printer.flags.set(flag)
    if verb == "v":
        printer.flags.for_v()
    printer.argument(value, verb)
    return printer.made()


def in_action(value: Value) -> str:
    return printed(value, Frame(None, [], Meter(DEFAULT), 0))


@pytest.mark.parametrize(
    ("value", "plain", "sharp"),
    [
        pytest.param(pair(), "{x 1}", 'main.pair{A:"x", B:1}', id="struct"),
        pytest.param(
            Pointer(pointer_to(PAIR), pair()), "&{x 1}", '&main.pair{A:"x", B:1}', id="pointer"
        ),
        pytest.param(Pointer(pointer_to(PAIR)), "<nil>", "(*main.pair)(nil)", id="nil pointer"),
        pytest.param(
            Map(map_of(STRING, INT), {"b": 2, "a": 1}),
            "map[a:1 b:2]",
            'map[string]int{"a":1, "b":2}',
            id="map, sorted",
        ),
        pytest.param(Map(map_of(STRING, INT)), "map[]", "map[string]int(nil)", id="nil map"),
        pytest.param(Slice(slice_of(INT), [1, 2]), "[1 2]", "[]int{1, 2}", id="slice"),
        pytest.param(Slice(slice_of(INT)), "[]", "[]int(nil)", id="nil slice"),
        pytest.param(BYTES, "[104 105]", "[]byte{0x68, 0x69}", id="bytes"),
        pytest.param(Interface("x"), "x", '"x"', id="interface"),
        pytest.param(NIL_INTERFACE, "<nil>", "interface {}(nil)", id="empty interface"),
        pytest.param(Typed(UINT8, 7), "7", "0x7", id="unsigned"),
    ],
)
def test_a_value_is_written_as_go_writes_it(value: Value, plain: str, sharp: str) -> None:
    assert under(value, "v") == plain
    assert under(value, "v", "#") == sharp


def test_the_plus_flag_names_the_fields() -> None:
    assert under(pair(), "v", "+") == "{A:x B:1}"


def test_what_lies_in_a_struct_gets_the_verb() -> None:
    assert under(pair(), "d") == "{%!d(string=x) 1}"


def test_bytes_are_a_text_under_the_verbs_of_texts() -> None:
    assert [under(BYTES, verb) for verb in "sqxX"] == ["hi", '"hi"', "6869", "6869"]


def test_a_type_is_named_under_its_verb() -> None:
    assert under(Pointer(pointer_to(PAIR)), "T") == "*main.pair"


def test_a_method_writes_its_value_on_pointers_only_when_it_is_there() -> None:
    by_value, by_pointer = PlainStruct(BY_VALUE, {}), PlainStruct(BY_POINTER, {})
    assert under(by_value, "v") == under(by_value, "s") == "hello"
    assert under(by_value, "d") == "{}"
    assert under(by_pointer, "v") == "{}"
    assert under(Pointer(pointer_to(BY_POINTER), by_pointer), "q") == '"hello"'


def test_a_method_on_a_nil_pointer_is_called_only_when_it_can_be() -> None:
    assert under(Pointer(pointer_to(BY_POINTER)), "v") == "nothing"
    assert under(Pointer(pointer_to(BY_VALUE)), "q") == "<nil>"


def test_an_action_lets_what_lies_at_an_address_write_itself() -> None:
    assert in_action(PlainStruct(BY_POINTER, {})) == "hello"
    assert in_action(PlainStruct(BY_POINTER, {}, is_addressable=False)) == "{}"


def test_an_action_follows_pointers_and_says_that_there_is_no_value() -> None:
    assert in_action(Pointer(pointer_to(INT), 7)) == "7"
    assert in_action(Pointer(pointer_to(INT))) == "<nil>"
    assert in_action(None) == "<no value>"


@pytest.mark.parametrize("typ", [REFUSES, HIDDEN])
def test_an_object_without_a_text_fails_the_action(typ: GoType) -> None:
    with pytest.raises(TemplateExecError, match="no text"):
        in_action(PlainStruct(typ, {}))


def test_a_message_shows_an_object_without_a_text_by_its_type() -> None:
    assert shown(PlainStruct(REFUSES, {})) == "main.refuses"


def test_print_puts_spaces_between_what_are_no_texts() -> None:
    values: list[Value] = [1, 2, "a", 3, Pointer(pointer_to(INT)), None]
    assert Printer(Meter(DEFAULT)).sprint(values) == "1 2a3 <nil> <nil>"
    assert Printer(Meter(DEFAULT)).sprintln(["a", 1, None]) == "a 1 <nil>\n"


def test_bytes_that_meet_again_are_their_character() -> None:
    assert Printer(Meter(DEFAULT)).sprint(["\udcc3", "\udca9"]) == "é"


def test_more_than_the_limit_is_not_written() -> None:
    printer = Printer(Meter(Limits(output_size=10)))
    printer.flags = Flags()
    with pytest.raises(TemplateLimitError):
        printer.sprint([Slice(slice_of(STRING), ["abc"] * 10)])
