r"""Text into the tokens of HCL 1, or of JSON, which HCL 1 accepts in its place.

The lexical rules are those of version 1 of the language: bytes of ``\x`` and
octal escapes, text between ``${`` and its ``}`` left as it is, ``<<-`` heredocs
freed from the indentation of their end mark, numbers of 64 bits.
"""

import math
import re
from dataclasses import dataclass
from enum import Enum

from api.errors import MOST_SHOWN, printable, shortened

ScalarValue = str | int | float | bool


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the text: line and column, both counted from 1, in characters."""

    line: int
    column: int


class HCLError(ValueError):
    """The text is not HCL. ``message`` says what to write instead, ``at`` is where."""

    def __init__(self, message: str, at: Position) -> None:
        self.message = printable(shortened(message, MOST_SHOWN))
        super().__init__(f"line {at.line}, column {at.column}: {self.message}")
        self.at = at


class Mark(Enum):
    """The kinds of token; the value is how a person calls it."""

    NAME = "a name"
    LITERAL = "a value"
    ASSIGN = "'='"
    COLON = "':'"
    COMMA = "','"
    OPEN_BRACE = "'{'"
    CLOSE_BRACE = "'}'"
    OPEN_BRACKET = "'['"
    CLOSE_BRACKET = "']'"
    END = "the end of the file"


@dataclass(frozen=True, slots=True)
class Token:
    """One token; ``value`` is the name or the literal's value, else empty."""

    mark: Mark
    value: ScalarValue
    at: Position


_PUNCTUATION = {
    mark.value[1:2]: mark
    for mark in (
        Mark.ASSIGN,
        Mark.COLON,
        Mark.COMMA,
        Mark.OPEN_BRACE,
        Mark.CLOSE_BRACE,
        Mark.OPEN_BRACKET,
        Mark.CLOSE_BRACKET,
    )
}
_SPACE = re.compile(r"[ \t\r\n]+")
_LINE_COMMENT = re.compile(r"(?:#|//)[^\n]*")
_BLOCK_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_NAME = re.compile(r"[^\W\d][\w.-]*")
_WORD = re.compile(r"[-+]?[\w.+-]+")
_NUMBER_START = re.compile(r"-?\.?[0-9]")
_INTEGER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_HEREDOC = re.compile(r"<<(-?)(\w+)\n")
_PLAIN = re.compile(r'[^"\\$\n]+')
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))"
)
_JSON_ESCAPE = re.compile(r"\\(?:([bfnrt\\/\"])|u([0-9a-fA-F]{4}))")
_JSON_LOW_SURROGATE = re.compile(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_SIMPLE = dict(zip('abfnrtv\\"/', '\a\b\f\n\r\t\v\\"/', strict=True))
_INT64 = range(-(2**63), 2**63)
_LONGEST_INTEGER = 100
"""Characters; more than this is certainly beyond 64 bits, and Python may refuse to read it."""


class Lexer:
    """Reads one text from its start to its end; ``json`` for the rules of JSON."""

    def __init__(self, text: str, *, json: bool = False) -> None:
        self._text = text.replace("\r\n", "\n")
        self._json = json
        self._offset = 0
        self._line = 1
        self._line_start = 0

    def next(self) -> Token:
        """The next token; ``Mark.END`` for ever at the end. Raises HCLError."""
        self._skip_blank()
        at = self._at()
        if self._offset == len(self._text):
            return Token(Mark.END, "", at)
        char = self._text[self._offset]
        if mark := _PUNCTUATION.get(char):
            self._advance(1)
            return Token(mark, "", at)
        if char == '"':
            return Token(Mark.LITERAL, self._string(at), at)
        if _NUMBER_START.match(self._text, self._offset):
            return Token(Mark.LITERAL, self._number(at), at)
        if char == "<" and not self._json:
            return Token(Mark.LITERAL, self._heredoc(at), at)
        if name := _NAME.match(self._text, self._offset):
            self._advance(len(name[0]))
            if name[0] in {"true", "false"}:
                return Token(Mark.LITERAL, name[0] == "true", at)
            return Token(Mark.NAME, name[0], at)
        raise HCLError(self._unexpected(char), at)

    def _unexpected(self, char: str) -> str:
        if char == "'":
            return "text stands in double quotes, not in single ones"
        if self._json and char in "#/":
            return "JSON has no comments"
        if char == "/":
            return "a comment begins with '//', '/*' or '#'"
        return f"unexpected character {char!r}"

    def _at(self) -> Position:
        return Position(self._line, self._offset - self._line_start + 1)

    def _advance(self, length: int) -> None:
        end = self._offset + length
        lines = self._text.count("\n", self._offset, end)
        if lines:
            self._line += lines
            self._line_start = self._text.rindex("\n", self._offset, end) + 1
        self._offset = end

    def _skip_blank(self) -> None:
        patterns = (_SPACE,) if self._json else (_SPACE, _LINE_COMMENT, _BLOCK_COMMENT)
        found = True
        while found:
            found = False
            for pattern in patterns:
                if blank := pattern.match(self._text, self._offset):
                    self._advance(len(blank[0]))
                    found = True
        if not self._json and self._text.startswith("/*", self._offset):
            raise HCLError("this comment has no end: write '*/'", self._at())

    def _number(self, at: Position) -> int | float:
        word = _WORD.match(self._text, self._offset)
        text = word[0] if word else ""
        self._advance(len(text))
        number: int | float
        if self._json:
            json_number = _JSON_NUMBER.fullmatch(text)
            whole = json_number is not None and not (json_number[1] or json_number[2])
            real = json_number is not None
        else:
            whole, real = bool(_INTEGER.fullmatch(text)), bool(_FLOAT.fullmatch(text))
        if whole:
            number = _integer(text) if len(text) < _LONGEST_INTEGER else math.inf
        elif real:
            number = float(text)
        else:
            raise HCLError(f'not a number: {text}; as text it is "{text}", in double quotes', at)
        if (isinstance(number, int) and number not in _INT64) or math.isinf(number):
            raise HCLError(f"{shortened(text, _LONGEST_INTEGER)} is too large", at)
        return number

    def _string(self, at: Position) -> str:
        value = bytearray()
        self._advance(1)
        while True:
            if plain := _PLAIN.match(self._text, self._offset):
                self._advance(len(plain[0]))
                value += _encode(plain[0], at)
            here = self._text[self._offset : self._offset + 1]
            if here == '"':
                self._advance(1)
                return _decode(value, at)
            if here == "\\":
                value += self._escape()
            elif here == "$":
                value += _encode(self._dollar(at), at)
            else:
                raise HCLError("this text has no end: write a closing '\"' on the same line", at)

    def _dollar(self, at: Position) -> str:
        """A dollar, or a whole ``${…}``, which may hold quotes and line breaks."""
        start = self._offset
        if self._json or not self._text.startswith("${", start):
            self._advance(1)
            return "$"
        depth = 0
        for end in range(start + 1, len(self._text)):
            depth += {"{": 1, "}": -1}.get(self._text[end], 0)
            if not depth:
                self._advance(end + 1 - start)
                return self._text[start : end + 1]
        raise HCLError("a '${' in this text has no end: write '}'", at)

    def _escape(self) -> bytes:
        at = self._at()
        escape = (_JSON_ESCAPE if self._json else _ESCAPE).match(self._text, self._offset)
        if escape is None:
            wrong = self._text[self._offset : self._offset + 2]
            raise HCLError(f"unknown escape {wrong}; a backslash itself is written \\\\", at)
        self._advance(len(escape[0]))
        if escape[1]:
            return _SIMPLE[escape[1]].encode()
        if self._json:
            return self._json_character(int(escape[2], 16), at)
        if escape[2] or escape[3]:
            byte = int(escape[2], 8) if escape[2] else int(escape[3], 16)
            if byte > 0xFF:
                raise HCLError(f"{escape[0]} is more than a byte, which ends at \\377", at)
            return bytes([byte])
        return _character(int(escape[4] or escape[5], 16), at)

    def _json_character(self, code: int, at: Position) -> bytes:
        if 0xD800 <= code < 0xDC00 and (low := _JSON_LOW_SURROGATE.match(self._text, self._offset)):
            self._advance(len(low[0]))
            code = 0x10000 + ((code - 0xD800) << 10) + int(low[1], 16) - 0xDC00
        return _character(code, at)

    def _heredoc(self, at: Position) -> str:
        start = _HEREDOC.match(self._text, self._offset)
        if start is None:
            raise HCLError("a heredoc begins with '<<' and a mark, alone on the line's end", at)
        mark = start[2]
        closing = re.compile(rf"^([ \t]*){mark}[ \t\r]*$", re.MULTILINE)
        end = closing.search(self._text, start.end())
        if end is None:
            raise HCLError(f"this heredoc has no end: write {mark} on a line of its own", at)
        body = self._text[start.end() : end.start()]
        self._advance(end.end() - self._offset)
        return _without_indent(body, end[1]) if start[1] else body


def _integer(text: str) -> int:
    digits = text.removeprefix("-")
    if digits[:2] in {"0x", "0X"}:
        number = int(digits, 16)
    else:
        number = int(digits, 8 if digits.startswith("0") else 10)
    return -number if text.startswith("-") else number


def _character(code: int, at: Position) -> bytes:
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise HCLError(f"U+{code:04X} is not a character", at)
    return chr(code).encode()


def _encode(text: str, at: Position) -> bytes:
    if any(ord(char) < 0x20 and char not in "\t\n\r" for char in text):
        raise HCLError("this text holds a control character: write it as an escape", at)
    return text.encode("utf-8", "surrogatepass")


def _decode(value: bytearray, at: Position) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise HCLError("the escapes in this text do not make UTF-8", at) from error


def _without_indent(body: str, indent: str) -> str:
    """The body without the end mark's indentation, if every written line has it."""
    lines = body.split("\n")
    if not all(line.startswith(indent) for line in lines if line.strip()):
        return body
    return "\n".join(line.removeprefix(indent) for line in lines)
