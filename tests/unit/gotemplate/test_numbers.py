"""Constants of templates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.gotemplate.lexer import Kind, Lexer, quoted
from registrar.gotemplate.nodes import Number
from registrar.gotemplate.numbers import number, unquote


def constant(text: str) -> Number:
    kinds = {Kind.NUMBER, Kind.CHARACTER, Kind.COMPLEX}
    return next(
        number(token) for token in Lexer("{{" + text + "}}").tokens() if token.kind in kinds
    )


@pytest.mark.parametrize(
    ("text", "integer", "unsigned", "real"),
    [
        pytest.param("42", 42, 42, 42.0, id="decimal"),
        pytest.param("-42", -42, None, -42.0, id="negative"),
        pytest.param("0x1F", 31, 31, 31.0, id="hexadecimal"),
        pytest.param("0b11", 3, 3, 3.0, id="binary"),
        pytest.param("0o17", 15, 15, 15.0, id="octal"),
        pytest.param("017", 15, 15, 15.0, id="old octal"),
        pytest.param("1_000", 1000, 1000, 1000.0, id="underscore"),
        pytest.param("1e3", 1000, 1000, 1000.0, id="a whole float is an integer too"),
        pytest.param("1.5", None, None, 1.5, id="float"),
        pytest.param("0x1p-2", None, None, 0.25, id="hexadecimal float"),
        pytest.param("'a'", 97, 97, 97.0, id="character"),
        pytest.param(r"'\n'", 10, 10, 10.0, id="escaped character"),
        pytest.param("18446744073709551615", None, 2**64 - 1, 2.0**64, id="unsigned only"),
        pytest.param("2i", None, None, None, id="imaginary"),
    ],
)
def test_a_constant_has_each_type_that_can_hold_it(
    text: str, integer: int | None, unsigned: int | None, real: float | None
) -> None:
    found = constant(text)
    assert (found.integer, found.unsigned, found.real) == (integer, unsigned, real)


def test_a_sum_with_an_imaginary_number_is_complex() -> None:
    assert constant("1.5-2i").complex_ == 1.5 - 2j


@pytest.mark.parametrize("text", ["08", "1_", "0x", "1e999", "9" * 5000, "''", "'ab'"])
def test_what_go_does_not_read_as_a_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"syntax|overflow|malformed"):
        constant(text)


@given(st.text())
def test_a_quoted_text_unquotes_to_itself(text: str) -> None:
    assert unquote(quoted(text)) == text


@pytest.mark.parametrize("text", [r'"\q"', r'"\x1"', r'"\ud800"', r'"\400"', '"\\U00110000"'])
def test_an_escape_that_go_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid syntax"):
        unquote(text)
