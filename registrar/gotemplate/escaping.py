"""``html``, ``js`` and ``urlquery``."""

from collections.abc import Sequence
from urllib.parse import quote_plus

from registrar.gotemplate.lexer import is_printable
from registrar.gotemplate.limits import Meter
from registrar.gotemplate.printing import Printer, printable
from registrar.gotemplate.values import Value, encoded


def _joined(given: Sequence[Value], meter: Meter) -> str:
    """The arguments as one text: a single string as it is, else as ``print`` does."""
    if len(given) == 1 and type(given[0]) is str:
        return given[0]
    return Printer(meter).sprint([printable(value) for value in given])


_HTML = str.maketrans(
    {'"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"}
)
_JS = {
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
    "<": "\\u003C",
    ">": "\\u003E",
    "&": "\\u0026",
    "=": "\\u003D",
}


def html(given: Sequence[Value], meter: Meter) -> Value:
    """``html``: the arguments as one text, fit to stand in HTML."""
    text = _joined(given, meter)
    meter.work(len(text))
    return _made(text.translate(_HTML), meter)


def js(given: Sequence[Value], meter: Meter) -> Value:
    """``js``: the arguments as one text, fit to stand in a JavaScript string."""
    out = []
    text = _joined(given, meter)
    meter.spell(len(text))
    for char in text:
        if char in _JS:
            out.append(_JS[char])
        elif char < " ":
            out.append(f"\\u{ord(char):04X}")
        elif char < "\x80" or is_printable(char) or "\udc80" <= char <= "\udcff":
            # A byte that is no UTF-8 stays as it is.
            out.append(char)
        else:
            out.append(f"\\u{ord(char):04X}")
    return _made("".join(out), meter)


def urlquery(given: Sequence[Value], meter: Meter) -> Value:
    """``urlquery``: the arguments as one text, fit to stand in the query of a URL."""
    data = encoded(_joined(given, meter))
    meter.spell(len(data))
    return _made(quote_plus(data, safe="~"), meter)


def _made(text: str, meter: Meter) -> str:
    meter.text(len(text))
    return text
