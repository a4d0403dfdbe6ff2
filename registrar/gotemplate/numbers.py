"""Constants of a template: numbers and quoted texts, read as Go's strconv reads them."""

import re

from registrar.gotemplate.lexer import Kind, Token, quoted
from registrar.gotemplate.nodes import Number
from registrar.gotemplate.values import decoded, joined

_INT = (-(2**63), 2**63 - 1)
_UINT_MAX = 2**64 - 1
_MOST_DIGITS = 1000
"""A float64 has no more digits before its point, and no more that count behind it."""
_UNDERSCORES = re.compile(r"[+-]?(?:0[xXbBoO]_?)?[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*")
_FLOAT = re.compile(
    r"[+-]?(?:[0-9]+(?:_[0-9]+)*)?(?:\.(?:[0-9]+(?:_[0-9]+)*)?)?(?:[eE][+-]?[0-9]+)?"
)
_HEX_FLOAT = re.compile(r"[+-]?0[xX]_?[0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?[pP][+-]?[0-9]+")
_SCANNED = re.compile(
    # An i may begin infinity: it is taken, whatever follows.
    r"[+-]?[iI]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?"
    r"|[0-9_]*(?:\.[0-9_]*)?(?:[eEpP][+-]?[0-9_]*)?)"
)
"""What Go's fmt.Sscan takes for one part of a complex number."""
_SIMPLE = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
}
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3}))"
)
_ANY_ESCAPE = re.compile(_ESCAPE.pattern + r"|\\")


def number(token: Token) -> Number:
    """The constant of a token. Raises ValueError with the words of Go."""
    text = token.text
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"illegal number syntax: more than {_MOST_DIGITS} characters")
    found = Number(token.at, text)
    if token.kind is Kind.CHARACTER:
        code = _character(text)
        found.integer = found.unsigned = code
        found.real = float(code)
        return found
    if token.kind is Kind.COMPLEX:
        _complex(found, _parse_complex(text))
        return found
    if text.endswith("i"):
        imaginary = _parse_float(text[:-1])
        if imaginary is not None:
            _complex(found, complex(0, imaginary))
            return found
    integer = _parse_int(text)
    if integer is not None:
        if _INT[0] <= integer <= _INT[1]:
            found.integer = integer
        if (0 <= integer <= _UINT_MAX and not text.startswith(("+", "-"))) or integer == 0:
            found.unsigned = integer
    if found.integer is not None or found.unsigned is not None:
        found.real = float(integer or 0)
        return found
    real = _parse_float(text)
    if real is None:
        raise ValueError(f"illegal number syntax: {quoted(text)}")
    if not any(char in text for char in ".eEpP"):
        raise ValueError(f"integer overflow: {quoted(text)}")
    found.real = real
    _integral(found, real)
    return found


def _integral(found: Number, real: float) -> None:
    if real.is_integer():
        if _INT[0] <= real <= _INT[1]:
            found.integer = int(real)
        if 0 <= real <= _UINT_MAX:
            found.unsigned = int(real)


def _complex(found: Number, value: complex) -> None:
    found.complex_ = value
    if value.imag == 0:
        found.real = value.real
        _integral(found, value.real)


def _parse_complex(text: str) -> complex:
    """A sum of a real and an imaginary number, scanned as Go's fmt.Sscan does."""
    parts: list[str] = []
    at = 0
    for _ in range(2):
        found = _SCANNED.match(text, at)
        # Always matches: it may be empty.
        at = found.end() if found else at
        parts.append(text[len(parts[0]) if parts else 0 : at])
        if text[at : at + 1] not in ({"i"} if len(parts) > 1 else {"+", "-"}):
            raise ValueError("syntax error scanning complex number")
    return complex(*map(_scanned_float, parts))


def _scanned_float(text: str) -> float:
    value = _parse_float(text)
    if value is None:
        # Well-formed and yet no number: too large.
        is_large = (
            any(shape.fullmatch(text) for shape in (_FLOAT, _HEX_FLOAT)) and text[-1:].isdigit()
        )
        why = "value out of range" if is_large else "invalid syntax"
        raise ValueError(f"strconv.ParseFloat: parsing {quoted(text)}: {why}")
    return value


def _parse_int(text: str) -> int | None:
    """An integer with any prefix of Go: 0x, 0o, 0b, or 0 for octal; underscores between digits."""
    if not _UNDERSCORES.fullmatch(text):
        return None
    digits = text.replace("_", "")
    unsigned = digits.lstrip("+-")
    if unsigned.isdigit() and len(unsigned) > 1 and unsigned[0] == "0":
        base = 8
    else:
        base = 0
        if "_" in text and unsigned.isdigit() and unsigned[0] == "0":
            base = 8
    try:
        return int(digits, base)
    except ValueError:
        return None


def _parse_float(text: str) -> float | None:
    if _HEX_FLOAT.fullmatch(text):
        try:
            return float.fromhex(text.replace("_", ""))
        except (ValueError, OverflowError):
            return None
    if not _FLOAT.fullmatch(text) or not any(char.isdigit() for char in text):
        return None
    try:
        value = float(text.replace("_", ""))
    except ValueError:
        return None
    return None if value in {float("inf"), float("-inf")} else value


def _character(text: str) -> int:
    """The code of a character constant."""
    body = text[1:-1]
    if not body or body == "'":
        raise ValueError("invalid syntax")
    if body[0] != "\\":
        if len(body) != 1:
            raise ValueError(f"malformed character constant: {text}")
        return _code(body)
    found = _ESCAPE.match(body)
    if found is None or found[0] == '\\"':
        raise ValueError("invalid syntax")
    if found.end() != len(body):
        raise ValueError(f"malformed character constant: {text}")
    return _escaped(found, in_character=True)[0]


def _code(char: str) -> int:
    # A byte that is no UTF-8 decodes to the replacement character.
    return 0xFFFD if 0xDC80 <= ord(char) <= 0xDCFF else ord(char)


def _escaped(found: re.Match[str], *, in_character: bool = False) -> tuple[int, bool]:
    """The code that an escape stands for, and whether it is a byte rather than a character."""
    simple, byte, short, long, octal = found.groups()
    if simple:
        return ord(_SIMPLE.get(simple, simple)), False
    if byte or octal:
        code = int(byte, 16) if byte else int(octal, 8)
        if code > 0xFF:
            raise ValueError("invalid syntax")
        return code, not in_character
    code = int(short or long, 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise ValueError("invalid syntax")
    return code, False


def unquote(text: str) -> str:
    """What a quoted or raw string holds. Raises ValueError."""
    if text.startswith("`"):
        return text[1:-1].replace("\r", "")
    return joined(_ANY_ESCAPE.sub(_unescaped, text[1:-1]))


def _unescaped(found: re.Match[str]) -> str:
    if found.lastindex is None or found[0] == "\\'":
        raise ValueError("invalid syntax")
    code, is_byte = _escaped(found)
    return decoded(bytes([code])) if is_byte else chr(code)
