"""HCL 1 and its JSON form, parsed into a tree whose every value knows its place.

Configuration files of SPIRE's tools are HCL 1. Where that language keeps silent
about a key that stands twice, it is reported here, since one of the two would be
without effect. Blocks with labels (``plugin "x" { }``) gather under their name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from registrar.settings.hcltokens import HCLError, Lexer, Mark, Position, ScalarValue, Token

_MAX_DEPTH = 64
MOST_REPEATED = 1000
"""Keys that stand twice, of one file, that are told."""
_LONGEST_PATH = 1000
"""Characters: every value has a path, so that long ones would cost far more than the file is."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, number or boolean and where it begins; None is the null of JSON and YAML.

    ``written`` is how a number stands in the file, where a text may have been meant: ``0123``.
    """

    value: ScalarValue | None
    at: Position
    written: str = ""


@dataclass(frozen=True, slots=True)
class Items:
    """A list and where its bracket stands."""

    values: tuple["Value", ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands under a key, and where the key stands."""

    at: Position
    value: "Value"


@dataclass(frozen=True, slots=True)
class Table:
    """An object or block and where it begins.

    ``gathered``: it only holds the labels of blocks, so more may join it.
    """

    entries: Mapping[str, Entry]
    at: Position
    gathered: bool = False


Value = Scalar | Items | Table


@dataclass(frozen=True, slots=True)
class Repeated:
    """A key that stands a second time at ``at``; ``key`` is dotted below the root."""

    key: str
    at: Position
    first: Position


@dataclass(frozen=True, slots=True)
class Document:
    """A whole file. Of a repeated key, ``root`` has the first value."""

    root: Table
    repeated: tuple[Repeated, ...]


def parse(text: str) -> Document:
    """The tree of an HCL 1 file, or of JSON if the text begins with a brace.

    Raises HCLError at the first place that is not in the language.
    """
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("{"):
        parser: _Parser = _JSONParser(Lexer(text, json=True))
    else:
        parser = _Parser(Lexer(text))
    root = parser.root()
    return Document(root, tuple(sorted(parser.repeated, key=lambda key: key.at)))


def below(path: str, key: str) -> str:
    """The dotted path of a key; of a very long one the end."""
    whole = f"{path}.{key}" if path else key
    return whole if len(whole) <= _LONGEST_PATH else f"…{whole[-_LONGEST_PATH:]}"


def parse_scalar(text: str) -> Scalar | None:
    """A number, boolean or quoted text that stands alone, as on a command line; else None."""
    lexer = Lexer(text)
    try:
        token, end = lexer.next(), lexer.next()
    except HCLError:
        return None
    if token.mark is not Mark.LITERAL or end.mark is not Mark.END:
        return None
    return Scalar(token.value, token.at)


@dataclass(slots=True)
class _Open:
    """A table that is being read."""

    at: Position
    path: str = ""
    entries: dict[str, Entry] = field(default_factory=dict)

    def below(self, key: str) -> str:
        """The path of a key in it."""
        return below(self.path, key)


class _Parser:
    """Recursive descent over the tokens, one token ahead."""

    def __init__(self, lexer: Lexer) -> None:
        self._lexer = lexer
        self._token = lexer.next()
        self._depth = 0
        self.repeated: list[Repeated] = []

    def root(self) -> Table:
        return self._table(_Open(self._token.at), Mark.END)

    def _take(self) -> Token:
        token = self._token
        if token.mark is not Mark.END:
            self._token = self._lexer.next()
        return token

    def _sees(self, mark: Mark) -> bool:
        return self._token.mark is mark

    def _expect(self, mark: Mark, why: str) -> Token:
        if self._token.mark is not mark:
            raise self._unexpected(f"expected {mark.value} {why}")
        return self._take()

    def _unexpected(self, wanted: str) -> HCLError:
        token = self._token
        found = token.mark.value
        if token.mark in {Mark.NAME, Mark.LITERAL}:
            is_text = isinstance(token.value, str)
            found = repr(token.value) if is_text else str(token.value).lower()
        return HCLError(f"{wanted}, found {found}", token.at)

    def _table(self, table: _Open, end: Mark) -> Table:
        """Entries up to and with ``end``; the opening brace is taken already."""
        while self._token.mark is not end:
            self._entry(table)
            if self._token.mark is Mark.COMMA:
                self._take()
        self._take()
        return Table(table.entries, table.at)

    def _entry(self, table: _Open) -> None:
        keys: list[tuple[str, Position]] = []
        while self._is_key():
            token = self._take()
            keys.append((str(token.value), token.at))
            # Each label is a table within the one before.
            self._check_depth(self._depth + len(keys), token.at)
        if not keys:
            raise self._unexpected("expected a key")
        key = keys[0][0]
        path = ""
        for label, _ in keys:
            path = below(path, label)
        if self._token.mark is Mark.ASSIGN and len(keys) == 1:
            self._take()
            value = self._value(table.below(path))
        elif self._token.mark is Mark.OPEN_BRACE:
            value = self._object(table.below(path))
            for label, at in reversed(keys[1:]):
                value = Table({label: Entry(at, value)}, at, gathered=True)
        elif len(keys) == 1:
            raise self._unexpected(f"expected '=' and a value, or a block in braces, after {key}")
        else:
            raise self._unexpected(f"expected a block in braces after {path}")
        self._add(table, key, Entry(keys[0][1], value))

    def _is_key(self) -> bool:
        token = self._token
        is_text = token.mark is Mark.LITERAL and isinstance(token.value, str)
        return is_text or token.mark is Mark.NAME

    def _add(self, table: _Open, key: str, entry: Entry) -> None:
        before = table.entries.get(key)
        if before is None:
            table.entries[key] = entry
            return
        old, new = before.value, entry.value
        if isinstance(old, Table) and isinstance(new, Table) and old.gathered and new.gathered:
            # Nobody has seen the table yet. A copy for each block would take n² for n of them.
            gathered = old.entries if isinstance(old.entries, dict) else dict(old.entries)
            joined = _Open(old.at, table.below(key), gathered)
            for label, block in new.entries.items():
                self._add(joined, label, block)
            table.entries[key] = Entry(before.at, Table(gathered, old.at, gathered=True))
        elif len(self.repeated) < MOST_REPEATED:
            self.repeated.append(Repeated(table.below(key), entry.at, before.at))

    def _value(self, path: str) -> Value:
        token = self._token
        if token.mark is Mark.LITERAL:
            self._take()
            return Scalar(token.value, token.at)
        if token.mark is Mark.OPEN_BRACE:
            return self._object(path)
        if token.mark is Mark.OPEN_BRACKET:
            return self._list(path)
        if token.mark is Mark.NAME:
            raise HCLError(f'text stands in double quotes: write "{token.value}"', token.at)
        raise self._unexpected(f"expected a value for {path}")

    def _object(self, path: str) -> Table:
        brace = self._take()
        self._enter(brace.at)
        table = self._table(_Open(brace.at, path), Mark.CLOSE_BRACE)
        self._depth -= 1
        return table

    def _list(self, path: str) -> Items:
        bracket = self._take()
        self._enter(bracket.at)
        values: list[Value] = []
        while not self._sees(Mark.CLOSE_BRACKET):
            values.append(self._value(f"{path}[{len(values)}]"))
            if not self._sees(Mark.CLOSE_BRACKET):
                self._expect(Mark.COMMA, "or ']' in the list")
                self._after_comma()
        self._take()
        self._depth -= 1
        return Items(tuple(values), bracket.at)

    def _after_comma(self) -> None:
        """HCL lets a list end with a comma."""

    def _enter(self, at: Position) -> None:
        self._depth += 1
        self._check_depth(self._depth, at)

    def _check_depth(self, depth: int, at: Position) -> None:
        if depth > _MAX_DEPTH:
            raise HCLError(f"more than {_MAX_DEPTH} levels of nesting", at)


class _JSONParser(_Parser):
    """The same tree out of JSON: quoted keys, colons, a comma between any two."""

    def root(self) -> Table:
        root = self._object("")
        if self._token.mark is not Mark.END:
            raise self._unexpected("expected nothing after the closing brace")
        return root

    def _table(self, table: _Open, end: Mark) -> Table:
        while self._token.mark is not end:
            self._entry(table)
            if self._token.mark is not end:
                self._expect(Mark.COMMA, "or '}' in the object")
                self._after_comma()
        self._take()
        return Table(table.entries, table.at)

    def _entry(self, table: _Open) -> None:
        token = self._token
        if token.mark is not Mark.LITERAL or not isinstance(token.value, str):
            raise self._unexpected("expected a key in double quotes")
        self._take()
        self._expect(Mark.COLON, f"after {token.value}")
        value = self._value(table.below(token.value))
        self._add(table, token.value, Entry(token.at, value))

    def _value(self, path: str) -> Value:
        if self._token.mark is Mark.NAME and self._token.value == "null":
            return Scalar(None, self._take().at)
        return super()._value(path)

    def _after_comma(self) -> None:
        if self._token.mark in {Mark.CLOSE_BRACE, Mark.CLOSE_BRACKET}:
            raise self._unexpected("JSON has no comma at the end")
