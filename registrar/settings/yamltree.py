"""YAML as the same tree that an HCL file becomes, every value with its place.

Texts, numbers and booleans as people who write Kubernetes objects mean them:
YAML 1.1 reads ``on`` as true and ``0123`` as octal; here both stay text.
"""

import re

import yaml

from api import documents
from api.documents import check_yaml
from registrar.errors import printable
from registrar.settings.hcl import Document, Entry, Items, Repeated, Scalar, Table, Value
from registrar.settings.hcltokens import Position

_BOOLEANS = {"true": True, "false": False}
_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")


class YAMLError(ValueError):
    """The text is no YAML, at this place."""

    def __init__(self, message: str, at: Position) -> None:
        self.message = printable(message)
        super().__init__(self.message)
        self.at = at


def parse_yaml(text: str) -> Document:
    """The tree of one YAML document. Raises YAMLError."""
    try:
        check_yaml(text)
    except documents.YAMLError as error:
        raise YAMLError(error.message, Position(error.line, error.column)) from error
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        # Such as an alias whose anchor is nowhere.
        raise YAMLError(error.problem or "not YAML", _position(error.problem_mark)) from error
    if len(nodes) != 1:
        raise YAMLError(f"one document is expected, here are {len(nodes)}", Position(1, 1))
    repeated: list[Repeated] = []
    root = _value(nodes[0], "", repeated)
    if not isinstance(root, Table):
        raise YAMLError("a mapping of keys is expected", _at(nodes[0]))
    return Document(root, tuple(repeated))


def _value(node: yaml.Node, path: str, repeated: list[Repeated]) -> Value:
    if isinstance(node, yaml.MappingNode):
        entries: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise YAMLError("a key is no text", _at(key_node))
            name = str(key_node.value)
            inner = f"{path}.{name}" if path else name
            if name in entries:
                repeated.append(Repeated(inner, _at(key_node), entries[name].at))
                continue
            entries[name] = Entry(_at(key_node), _value(value_node, inner, repeated))
        return Table(entries, _at(node))
    if isinstance(node, yaml.SequenceNode):
        values = tuple(
            _value(item, f"{path}[{number}]", repeated) for number, item in enumerate(node.value)
        )
        return Items(values, _at(node))
    return Scalar(_scalar(node), _at(node))


def _scalar(node: yaml.Node) -> str | int | float | bool:
    text = str(node.value)
    if not isinstance(node, yaml.ScalarNode) or node.style in {"'", '"', "|", ">"}:
        return text
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return "" if text in {"null", "~"} else text


def _at(node: yaml.Node) -> Position:
    return _position(node.start_mark)


def _position(mark: yaml.Mark | None) -> Position:
    return Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)
