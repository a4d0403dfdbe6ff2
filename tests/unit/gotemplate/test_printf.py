"""Formats that fit their arguments, and formats that do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.gotemplate.errors import TemplateLimitError
from registrar.gotemplate.limits import DEFAULT, Limits, Meter
from registrar.gotemplate.printf import sprintf
from registrar.gotemplate.values import Value


def formatted(form: str, *values: Value, limits: Limits = DEFAULT) -> str:
    return sprintf(form, values, Meter(limits))


@pytest.mark.parametrize(
    ("form", "values", "expected"),
    [
        ("%d-%s", (1, "a"), "1-a"),
        ("100%%", (), "100%"),
        ("%d", ("x",), "%!d(string=x)"),
        ("%d", (), "%!d(MISSING)"),
        ("%d", (1, 2, None), "1%!(EXTRA int=2, <nil>)"),
        ("%", (), "%!(NOVERB)"),
        ("%.", (1,), "%!.(int=1)"),
        ("%z", (1,), "%!z(int=1)"),
        ("%[2]d %[1]d", (1, 2), "2 1"),
        ("%[2]d %d", (1, 2), "2 %!d(MISSING)"),
        ("%[x]d", (1,), "%!d(BADINDEX)"),
        ("%[5]d", (1,), "%!d(BADINDEX)"),
        ("%*d", (4, 1), "   1"),
        ("%*d|", (-4, 1), "1   |"),
        ("%*d", ("x", 1), "%!(BADWIDTH)1"),
        ("%.*f", (-1, 1.0), "%!(BADPREC)1.000000"),
        ("%[3]*.[2]*[1]f", (3.14159, 2, 6), "  3.14"),
        ("%1000000000d", (1,), "%!(NOVERB)%!(EXTRA int=1)"),
        ("%w", (1,), "%!w(int=1)"),
        ("%\udcff", (1,), "%!\ufffd(int=1)"),
        ("%v %T %s", (None, None, None), "<nil> <nil> %!s(<nil>)"),
    ],
)
def test_a_format_gives_what_go_gives(form: str, values: tuple[Value, ...], expected: str) -> None:
    assert formatted(form, *values) == expected


@pytest.mark.parametrize(
    ("form", "values"),
    [("%999d", (1,)), ("%.999f", (1.0,)), ("%*d", (999, 1)), ("%d" * 200, (1,) * 200)],
)
def test_a_text_that_would_be_too_long_is_not_made(form: str, values: tuple[Value, ...]) -> None:
    with pytest.raises(TemplateLimitError):
        formatted(form, *values, limits=Limits(output_size=100))


@given(
    st.text(alphabet=st.sampled_from("%+-# 0123456789.*[]vdsqxXeEfgGtTcUbowz"), max_size=30),
    st.lists(
        st.none() | st.booleans() | st.integers(-99, 99) | st.floats() | st.text(max_size=4),
        max_size=4,
    ),
)
def test_any_format_gives_a_text_or_is_too_long(form: str, values: list[Value]) -> None:
    try:
        assert isinstance(formatted(form, *values), str)
    except TemplateLimitError:
        assert any(char in "123456789*" for char in form)
