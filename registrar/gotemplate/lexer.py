"""Template text to tokens.

Follows the lexical rules of Go's text/template: actions between ``{{`` and
``}}``, trim markers, comments, and what stands in an action. A mistake is the
last token; the parser decides what to say of it.
"""

import re
import unicodedata
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

LEFT, RIGHT = "{{", "}}"
_SPACES = " \t\r\n"
_TERMINATORS = ".,|:)("


class Kind(Enum):
    """What a token is."""

    ERROR = auto()
    BOOL = auto()
    CHAR = auto()
    CHARACTER = auto()
    COMPLEX = auto()
    ASSIGN = auto()
    DECLARE = auto()
    EOF = auto()
    FIELD = auto()
    IDENTIFIER = auto()
    LEFT = auto()
    LEFT_PAREN = auto()
    NUMBER = auto()
    PIPE = auto()
    RAW_STRING = auto()
    RIGHT = auto()
    RIGHT_PAREN = auto()
    SPACE = auto()
    STRING = auto()
    TEXT = auto()
    VARIABLE = auto()
    DOT = auto()
    KEYWORD = auto()


KEYWORDS = frozenset(
    {
        "block",
        "break",
        "continue",
        "define",
        "else",
        "end",
        "if",
        "range",
        "nil",
        "template",
        "with",
    }
)


class Token(NamedTuple):
    """A token, where it begins and in which line."""

    kind: Kind
    text: str
    at: int
    line: int

    def __str__(self) -> str:
        """As messages of the parser show it."""
        if self.kind is Kind.EOF:
            return "EOF"
        if self.kind is Kind.ERROR:
            return self.text
        if self.kind in {Kind.KEYWORD, Kind.DOT}:
            return f"<{self.text}>"
        # Go counts bytes here, and cuts after so many characters.
        if len(self.text.encode(errors="surrogatepass")) > 10:
            return quoted(self.text[:10]) + "..."
        return quoted(self.text)


class LexError(Exception):
    """A mistake, where the token with it begins."""


_MOST_WORD = 1000
"""Characters of a name; errors repeat them."""
_RUN_OF_SPACES = re.compile("[ \t\r\n]*")
_SIMPLE = {"=": Kind.ASSIGN, "|": Kind.PIPE}
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"')
_RAW = re.compile(r"`[^`]*`")
_CHARACTER = re.compile(r"'(?:[^'\\\n]|\\[^\n])*'")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?"
    r"|0[oO][0-7_]*(?:\.[0-7_]*)?|0[bB][01_]*(?:\.[01_]*)?"
    r"|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?"
)


class Lexer:
    """Gives the tokens of a text, one after the other."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._lines = 1
        self._counted = 0

    def tokens(self) -> Iterator[Token]:
        """All tokens; the last is EOF or an error."""
        text = self._text
        while True:
            start = self._at
            found = text.find(LEFT, start)
            if found < 0:
                if start < len(text):
                    yield self._token(Kind.TEXT, start, len(text))
                self._at = len(text)
                yield Token(Kind.EOF, "EOF", self._at, self._line(self._at))
                return
            end = found
            after = found + len(LEFT)
            trims = self._trims_left(after)
            if trims:
                end = start + len(text[start:found].rstrip(_SPACES))
            if end > start:
                yield self._token(Kind.TEXT, start, end)
            body = after + (2 if trims else 0)
            if text.startswith("/*", body):
                error = self._comment(body)
                if error is not None:
                    yield error
                    return
                continue
            yield Token(Kind.LEFT, LEFT, found, self._line(found))
            self._at = body
            self._depth = 0
            for token in self._action():
                yield token
                if token.kind is Kind.ERROR:
                    return

    def _trims_left(self, at: int) -> bool:
        text = self._text
        return text[at : at + 1] == "-" and text[at + 1 : at + 2] in tuple(_SPACES)

    def _comment(self, body: int) -> Token | None:
        """Pass a comment; an error where it is not closed right."""
        text = self._text
        end = text.find("*/", body + 2)
        if end < 0:
            return self._error("unclosed comment", body)
        end += 2
        if text.startswith(RIGHT, end):
            self._at = end + len(RIGHT)
            return None
        if self._trims_right(end):
            self._at = end + 2 + len(RIGHT)
            self._skip_spaces()
            return None
        return self._error("comment ends before closing delimiter", body)

    def _trims_right(self, at: int) -> bool:
        """Whether ``at`` is the space of a trim marker with the delimiter behind it."""
        text = self._text
        return (
            text[at : at + 1] in tuple(_SPACES)
            and text.startswith("-", at + 1)
            and text.startswith(RIGHT, at + 2)
        )

    def _skip_spaces(self) -> None:
        self._at = self._after_spaces(self._at)

    def _after_spaces(self, at: int) -> int:
        found = _RUN_OF_SPACES.match(self._text, at)
        return found.end() if found else at

    def _action(self) -> Iterator[Token]:
        """The tokens inside an action, the right delimiter included."""
        text = self._text
        while True:
            at = self._at
            if self._trims_right(at) or text.startswith(RIGHT, at):
                if self._depth:
                    yield self._error("unclosed left paren", at)
                    return
                trims = not text.startswith(RIGHT, at)
                delimiter = at + 2 if trims else at
                self._at = delimiter + len(RIGHT)
                yield Token(Kind.RIGHT, RIGHT, delimiter, self._line(delimiter))
                if trims:
                    self._skip_spaces()
                return
            try:
                yield self._next(at)
            except LexError as error:
                yield self._error(str(error), at)
                return

    def _next(self, at: int) -> Token:
        """The token that begins here. Raises LexError."""
        text = self._text
        if at >= len(text):
            raise LexError("unclosed action")
        char = text[at]
        if char in _SPACES:
            end = self._after_spaces(at)
            # The last space may belong to the trim marker.
            if self._trims_right(end - 1):
                end -= 1
            return self._take(Kind.SPACE, at, max(end, at + 1))
        if char in _SIMPLE:
            return self._take(_SIMPLE[char], at, at + 1)
        if char == ":":
            if not text.startswith(":=", at):
                raise LexError("expected :=")
            return self._take(Kind.DECLARE, at, at + 2)
        if char in "\"`'":
            return self._quote(char, at)
        following = text[at + 1 : at + 2]
        # A dot that ends the text is read as a number, as Go does.
        if char == "$" or (char == "." and following and not "0" <= following <= "9"):
            return self._name(at, Kind.VARIABLE if char == "$" else Kind.FIELD)
        if char in "+-." or "0" <= char <= "9":
            return self._number(at)
        if is_alphanumeric(char):
            return self._word(at)
        if char == "(":
            self._depth += 1
            return self._take(Kind.LEFT_PAREN, at, at + 1)
        if char == ")":
            self._depth -= 1
            if self._depth < 0:
                raise LexError("unexpected right paren")
            return self._take(Kind.RIGHT_PAREN, at, at + 1)
        if char.isascii() and char.isprintable():
            return self._take(Kind.CHAR, at, at + 1)
        raise LexError(f"unrecognized character in action: {code_point(char)}")

    def _quote(self, char: str, at: int) -> Token:
        pattern, kind, what = {
            '"': (_QUOTED, Kind.STRING, "quoted string"),
            "`": (_RAW, Kind.RAW_STRING, "raw quoted string"),
            "'": (_CHARACTER, Kind.CHARACTER, "character constant"),
        }[char]
        found = pattern.match(self._text, at)
        if found is None:
            raise LexError(f"unterminated {what}")
        return self._take(kind, at, found.end())

    def _name(self, at: int, kind: Kind) -> Token:
        """A field or variable, or a dot or dollar alone."""
        end = self._word_end(at + 1)
        if end == at + 1:
            if self._ends_word(end):
                return self._take(kind if kind is Kind.VARIABLE else Kind.DOT, at, end)
            raise LexError(f"bad character {code_point(self._text[end : end + 1])}")
        self._check_end(end)
        return self._take(kind, at, end)

    def _word(self, at: int) -> Token:
        end = self._word_end(at)
        self._check_end(end)
        word = self._text[at:end]
        if word in KEYWORDS:
            kind = Kind.KEYWORD
        elif word in {"true", "false"}:
            kind = Kind.BOOL
        else:
            kind = Kind.IDENTIFIER
        return self._take(kind, at, end)

    def _number(self, at: int) -> Token:
        end = self._scan_number(at)
        kind = Kind.NUMBER
        if self._text[end : end + 1] in {"+", "-"}:
            end = self._scan_number(end)
            if self._text[end - 1] != "i":
                raise LexError(f"bad number syntax: {_excerpt(self._text[at:end])}")
            kind = Kind.COMPLEX
        return self._take(kind, at, end)

    def _scan_number(self, at: int) -> int:
        found = _NUMBER.match(self._text, at)
        end = found.end() if found else at
        following = self._text[end : end + 1]
        if following and is_alphanumeric(following):
            raise LexError(f"bad number syntax: {_excerpt(self._text[self._at : end + 1])}")
        return end

    def _word_end(self, at: int) -> int:
        most = at + _MOST_WORD
        while at < len(self._text) and is_alphanumeric(self._text[at]):
            at += 1
            if at > most:
                raise LexError(f"a name of more than {_MOST_WORD} characters")
        return at

    def _check_end(self, end: int) -> None:
        if not self._ends_word(end):
            raise LexError(f"bad character {code_point(self._text[end])}")

    def _ends_word(self, at: int) -> bool:
        text = self._text
        if at >= len(text) or text[at] in _SPACES or text[at] in _TERMINATORS:
            return True
        return text.startswith(RIGHT, at)

    def _take(self, kind: Kind, start: int, end: int) -> Token:
        self._at = end
        return self._token(kind, start, end)

    def _token(self, kind: Kind, start: int, end: int) -> Token:
        return Token(kind, self._text[start:end], start, self._line(start))

    def _error(self, message: str, at: int) -> Token:
        return Token(Kind.ERROR, message, at, self._line(at))

    def _line(self, at: int) -> int:
        """The line of a place; places are asked for in their order."""
        self._lines += self._text.count("\n", self._counted, at)
        self._counted = at
        return self._lines


def _excerpt(text: str) -> str:
    """A text as an error repeats it."""
    return quoted(text[:_MOST_WORD]) + "..." * (len(text) > _MOST_WORD)


def is_alphanumeric(char: str) -> bool:
    """A letter, digit or underscore, as Go's unicode package has them."""
    return char == "_" or unicodedata.category(char)[0] == "L" or unicodedata.category(char) == "Nd"


def code_point(char: str) -> str:
    """A character as ``%#U`` prints it."""
    if not char:
        return "U+FFFFFFFFFFFFFFFF"
    shown = f" '{char}'" if char.isprintable() else ""
    return f"U+{ord(char):04X}{shown}"


_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def quoted(text: str, quote: str = '"', *, ascii_only: bool = False) -> str:
    """A text as Go's strconv.Quote writes it."""
    if text.isascii() and text.isprintable() and quote not in text and "\\" not in text:
        # Nearly every text: nothing in it needs an escape.
        return f"{quote}{text}{quote}"
    parts = []
    for char in text:
        if char in {quote, "\\"}:
            parts.append("\\" + char)
        elif char in _ESCAPES:
            parts.append(_ESCAPES[char])
        elif 0xDC80 <= ord(char) <= 0xDCFF:
            parts.append(f"\\x{ord(char) - 0xDC00:02x}")
        elif is_printable(char) and (char.isascii() or not ascii_only):
            parts.append(char)
        elif ord(char) < 0x20 or ord(char) == 0x7F:
            parts.append(f"\\x{ord(char):02x}")
        elif ord(char) > 0xFFFF:
            parts.append(f"\\U{ord(char):08x}")
        else:
            parts.append(f"\\u{ord(char):04x}")
    return quote + "".join(parts) + quote


def is_printable(char: str) -> bool:
    """Whether Go would print the character: letters, marks, numbers, signs, and the ASCII space."""
    return char == " " or unicodedata.category(char)[0] in "LMNPS"
