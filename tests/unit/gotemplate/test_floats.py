"""Floats as text."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.gotemplate.floats import float32, formatted

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "form", "precision", "expected"),
    [
        pytest.param(1e20, "g", None, "1e+20", id="large"),
        pytest.param(100000.0, "g", None, "100000", id="not so large"),
        pytest.param(0.0001, "g", None, "0.0001", id="small"),
        pytest.param(0.00001, "g", None, "1e-05", id="smaller"),
        pytest.param(-0.0, "g", None, "-0", id="negative zero"),
        pytest.param(5e-324, "g", None, "5e-324", id="the least"),
        pytest.param(1234.5, "G", 2, "1.2E+03", id="to a precision"),
        pytest.param(2.5, "f", 0, "2", id="half to even"),
        pytest.param(1.0, "b", None, "4503599627370496p-52", id="binary"),
        pytest.param(5e-324, "b", None, "1p-1074", id="the least, binary"),
        pytest.param(1.5, "x", None, "0x1.8p+00", id="hexadecimal"),
        pytest.param(1.96875, "X", 1, "0X1.0P+01", id="hexadecimal carries"),
        pytest.param(5e-324, "x", None, "0x1p-1074", id="the least, hexadecimal"),
        pytest.param(0.0, "x", 2, "0x0.00p+00", id="zero, hexadecimal"),
        pytest.param(math.inf, "e", None, "Inf", id="infinity"),
        pytest.param(-math.inf, "e", None, "-Inf", id="negative infinity"),
        pytest.param(math.nan, "f", 2, "NaN", id="not a number"),
    ],
)
def test_a_float_is_written_as_go_writes_it(
    value: float, form: str, precision: int | None, expected: str
) -> None:
    assert formatted(value, form, precision, 64) == expected


@given(FINITE)
def test_the_shortest_form_gives_the_number_back(value: float) -> None:
    assert float(formatted(value, "g", None, 64)) == value


@given(FINITE)
def test_the_hexadecimal_form_gives_the_number_back(value: float) -> None:
    assert float.fromhex(formatted(value, "x", None, 64)) == value


@given(st.integers(0, 2**32 - 1))
def test_the_shortest_form_of_a_float32_needs_no_more_than_nine_digits(bits: int) -> None:
    value = struct.unpack("f", struct.pack("I", bits))[0]
    if math.isfinite(value):
        made = formatted(value, "g", None, 32)
        assert float32(float(made)) == value
        assert len(made.partition("e")[0].replace(".", "").strip("-0")) <= 9


def test_what_no_float32_holds_is_infinite() -> None:
    assert float32(-1e300) == -math.inf
