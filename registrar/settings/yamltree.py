"""YAML as the same tree that an HCL file becomes, every value with its place.

Numbers are what Go's YAML makes of them: ``1e+10`` is the whole number that a
template engine meant. Texts stay what people who write Kubernetes objects
mean: YAML 1.1 reads ``on`` as true, here it is a text, which the readers of
booleans understand.
"""

import math
import re
from collections.abc import Iterable

import yaml

from api import documents
from api.documents import check_yaml
from registrar.errors import printable
from registrar.settings.hcl import (
    MOST_REPEATED,
    Document,
    Entry,
    Items,
    Repeated,
    Scalar,
    Table,
    Value,
    below,
)
from registrar.settings.hcltokens import Position, ScalarValue

_BOOLEANS = {"true": True, "false": False}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_WHOLE = re.compile(r"[-+]?(?:0[bB][01]+|0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_OCTAL = re.compile(r"(?<=[-+])0(?=[0-7])|^0(?=[0-7])")
_LONGEST_NUMBER = 100
"""Characters; more than this is no number that anybody means, and Python may refuse to read it."""
_EXACT = 1e21
"""Go writes a number below this without an exponent, so that it can be a whole one."""


class YAMLError(ValueError):
    """The text is no YAML, at this place."""

    def __init__(self, message: str, at: Position) -> None:
        self.message = printable(message)
        super().__init__(self.message)
        self.at = at


def parse_yaml(text: str) -> list[Document]:
    """The trees of the documents that hold a mapping. Raises YAMLError.

    Documents that are empty, as a ``---`` at the start or the end makes them,
    do not count.
    """
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("{"):
        # JSON may be indented by tabs, which its texts cannot hold; YAML has none outside of texts.
        text = text.replace("\t", " ")
    try:
        check_yaml(text)
    except documents.YAMLError as error:
        raise YAMLError(error.message, Position(error.line, error.column)) from error
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        # Such as an alias whose anchor is nowhere.
        raise YAMLError(error.problem or "not YAML", _position(error.problem_mark)) from error
    return list(_documents(nodes))


def _documents(nodes: Iterable[yaml.Node]) -> Iterable[Document]:
    for node in nodes:
        repeated: list[Repeated] = []
        root = _value(node, "", repeated)
        if isinstance(root, Table):
            yield Document(root, tuple(repeated))
        elif not (isinstance(root, Scalar) and root.value is None):
            raise YAMLError("a mapping of keys is expected", _at(node))


def _value(node: yaml.Node, path: str, repeated: list[Repeated]) -> Value:
    if isinstance(node, yaml.MappingNode):
        entries: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise YAMLError("a key is no text", _at(key_node))
            name = str(key_node.value)
            inner = below(path, name)
            if name in entries:
                if len(repeated) < MOST_REPEATED:
                    repeated.append(Repeated(inner, _at(key_node), entries[name].at))
                continue
            entries[name] = Entry(_at(key_node), _value(value_node, inner, repeated))
        return Table(entries, _at(node))
    if isinstance(node, yaml.SequenceNode):
        values = tuple(
            _value(item, f"{path}[{number}]", repeated) for number, item in enumerate(node.value)
        )
        return Items(values, _at(node))
    value = _scalar(node)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Scalar(value, _at(node), str(node.value) if is_number else "")


def _scalar(node: yaml.Node) -> ScalarValue | None:
    text = str(node.value)
    if not isinstance(node, yaml.ScalarNode) or node.style in {"'", '"', "|", ">"}:
        return text
    if text in _NULLS:
        return None
    number = _number(text)
    return _BOOLEANS.get(text, text) if number is None else number


def _number(text: str) -> int | float | None:
    """The number that Go reads in a plain scalar; a whole one also from ``1e+10`` and ``10.0``."""
    digits = text.replace("_", "")
    if len(digits) > _LONGEST_NUMBER or text.startswith("_"):
        return None
    if _WHOLE.fullmatch(digits):
        return int(_OCTAL.sub("0o", digits), 0)
    if not _DECIMAL.fullmatch(digits):
        return None
    number = float(digits)
    is_whole = math.isfinite(number) and number.is_integer() and abs(number) < _EXACT
    return int(number) if is_whole else number


def _at(node: yaml.Node) -> Position:
    return _position(node.start_mark)


def _position(mark: yaml.Mark | None) -> Position:
    return Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
