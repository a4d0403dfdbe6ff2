"""Texts and numbers under a verb."""

import pytest

from registrar.gotemplate import numerals
from registrar.gotemplate.numerals import Flags


def flags_of(text: str) -> Flags:
    """The flags, width and precision of such a text as ``+08.3``."""
    made = Flags()
    rest = text.lstrip("#0+- ")
    for flag in text[: len(text) - len(rest)]:
        made.set(flag)
    width, _, precision = rest.partition(".")
    made.width = int(width) if width else None
    made.precision = int(precision or 0) if "." in rest else None
    return made


@pytest.mark.parametrize(
    ("value", "flags", "verb", "expected"),
    [
        (5, "03", "d", "005"),
        (-5, "04", "d", "-005"),
        (5, "-03", "d", "5  "),
        (5, "+", "d", "+5"),
        (5, " ", "d", " 5"),
        (0, "3.0", "d", "   "),
        (5, "6.3", "d", "   005"),
        (255, "#", "x", "0xff"),
        (255, "#06", "x", "0x0000ff"),
        (8, "#", "o", "010"),
        (8, "#", "O", "0o010"),
        (0, "#", "o", "0"),
        (5, "#", "b", "0b101"),
        (-255, "", "X", "-FF"),
        (0x4E16, "", "c", "世"),
        (0x4E16, "+", "q", "'\\u4e16'"),
        (0x4E16, "#", "U", "U+4E16 '世'"),
        (-1, "", "c", "\ufffd"),
        (1, "", "s", None),
    ],
)
def test_an_integer_is_written_as_go_writes_it(
    value: int, flags: str, verb: str, expected: str | None
) -> None:
    assert numerals.integer(value, verb, flags_of(flags)) == expected


@pytest.mark.parametrize(
    ("value", "flags", "verb", "expected"),
    [
        ("héé", "5", "s", "  héé"),
        ("héé", ".2", "s", "hé"),
        ("a", "03", "s", "00a"),
        ("a", "-3", "v", "a  "),
        ("hi", " #", "x", "0x68 0x69"),
        ("hi", "#", "X", "0X6869"),
        ("", "3", "x", "   "),
        ("é", "+", "q", '"\\u00e9"'),
        ("a\tb", "#", "q", "`a\tb`"),
        ("a`b", "#", "q", '"a`b"'),
        ("\ufeff", "#", "q", '"\\ufeff"'),
        ("a", "", "d", None),
    ],
)
def test_a_text_is_written_as_go_writes_it(
    value: str, flags: str, verb: str, expected: str | None
) -> None:
    assert numerals.text(value, verb, flags_of(flags)) == expected


@pytest.mark.parametrize(
    ("value", "flags", "verb", "expected"),
    [
        (3.14159, "8.3", "f", "   3.142"),
        (3.14159, "08.3", "f", "0003.142"),
        (-3.14159, "08.3", "f", "-003.142"),
        (1.0, "#", "g", "1.00000"),
        (1e20, "#", "G", "1.00000E+20"),
        (0.0, "#", "g", "0.00000"),
        (1.0, "#.0", "f", "1."),
        (1.0, "#", "x", "0x1.0000p+00"),
        (float("inf"), "05", "f", " +Inf"),
        (float("inf"), " ", "f", " Inf"),
        (float("nan"), "+", "f", "+NaN"),
        (float("nan"), "", "f", "NaN"),
        (1.5, "", "d", None),
    ],
)
def test_a_float_is_written_as_go_writes_it(
    value: float, flags: str, verb: str, expected: str | None
) -> None:
    assert numerals.real(value, verb, flags_of(flags)) == expected


def test_a_complex_number_has_two_floats_and_one_sign_always() -> None:
    assert numerals.complex_(1 - 2j, "v", Flags()) == "(1-2i)"
    assert numerals.complex_(1 + 2j, "f", flags_of("6.1")) == "(   1.0  +2.0i)"
    assert numerals.complex_(1j, "d", Flags()) is None
