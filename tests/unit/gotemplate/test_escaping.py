"""``html``, ``js`` and ``urlquery``."""

import pytest

from registrar.gotemplate.errors import TemplateLimitError
from registrar.gotemplate.escaping import html, js, urlquery
from registrar.gotemplate.limits import DEFAULT, Limits, Meter
from registrar.gotemplate.values import INT, Pointer, pointer_to

METER = Meter(DEFAULT)


def test_html_escapes_what_means_something_there() -> None:
    assert html(["<a&'\">\0é"], METER) == "&lt;a&amp;&#39;&#34;&gt;\ufffdé"


def test_js_escapes_what_means_something_there_or_does_not_print() -> None:
    assert js(["a'b\"\\<>&=\n\u2028é\udcff"], METER) == (
        "a\\'b\\\"\\\\\\u003C\\u003E\\u0026\\u003D\\u000A\\u2028é\udcff"
    )


def test_urlquery_escapes_all_but_the_unreserved() -> None:
    assert urlquery(["a b/é~-_.*\udcff"], METER) == "a+b%2F%C3%A9~-_.%2A%FF"


def test_other_values_are_printed_first() -> None:
    assert html([1, 2, "<"], METER) == "1 2&lt;"
    assert html([], METER) == ""
    assert html([None], METER) == "&lt;no value&gt;"
    assert urlquery([Pointer(pointer_to(INT), 7)], METER) == "7"


def test_a_text_that_grows_too_long_is_refused() -> None:
    with pytest.raises(TemplateLimitError):
        html(["<" * 30], Meter(Limits(output_size=100)))
