"""Bytes to typed objects and back: JSON on the wire, YAML in files.

Raw JSON has one type here, ``JSONValue``; no other module of the product
handles untyped documents.
"""

from typing import TypeAlias, TypeVar

import msgspec
import yaml

JSONValue: TypeAlias = "bool | int | float | str | list[JSONValue] | dict[str, JSONValue] | None"
JSONObject: TypeAlias = dict[str, "JSONValue"]

T = TypeVar("T")


class DecodeError(ValueError):
    """A document that does not have the shape of its type; the message names the path."""


def decode(data: bytes, as_type: type[T]) -> T:
    """Decode JSON into a typed object; unknown fields are skipped.

    Raises DecodeError with the path of the first wrong value.
    """
    try:
        return msgspec.json.decode(data, type=as_type)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise DecodeError(str(error)) from error


def decode_object(data: bytes) -> JSONObject:
    """Decode a JSON object as it is. Raises DecodeError for anything else."""
    try:
        document = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise DecodeError(str(error)) from error
    if not isinstance(document, dict):
        raise DecodeError("not an object")
    return document


def encode(value: object) -> bytes:
    """Encode a typed object or a JSON value as JSON; fields at their default are left out."""
    return msgspec.json.encode(value)


def to_json(value: object) -> JSONValue:
    """A typed object as a JSON value, fields at their default left out."""
    document: JSONValue = msgspec.to_builtins(value)
    return document


def convert(document: JSONValue, as_type: type[T]) -> T:
    """A JSON value as a typed object. Raises DecodeError with the path of the wrong value."""
    try:
        return msgspec.convert(document, as_type)
    except msgspec.ValidationError as error:
        raise DecodeError(str(error)) from error


def merge_diff(old: JSONValue, new: JSONValue) -> JSONObject:
    """The JSON merge patch (RFC 7386) that makes the object ``new`` out of the object ``old``.

    Lists are replaced whole. Raises TypeError unless both are objects.
    """
    if not isinstance(old, dict) or not isinstance(new, dict):
        raise TypeError("a merge patch is made between two objects")
    patch: JSONObject = {}
    for name in old.keys() - new.keys():
        patch[name] = None
    for name, value in new.items():
        before = old.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            inner = merge_diff(before, value)
            if inner:
                patch[name] = inner
        elif name not in old or before != value:
            patch[name] = value
    return patch


class _StrictLoader(yaml.CSafeLoader):
    """YAML as Kubernetes users mean it: a key given twice is an error, dates stay text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, JSONValue]:  # type: ignore[override]  # noqa: FBT001, FBT002 - PyYAML's signature
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value
            if key in seen:
                line = key_node.start_mark.line + 1
                raise DecodeError(f"line {line}: key {key!r} is given twice: remove one of them")
            seen.add(key)
        mapping: dict[str, JSONValue] = super().construct_mapping(node, deep)  # type: ignore[assignment]
        return mapping


# PyYAML speaks YAML 1.1: without this a date or `12:30:45` would stop being text.
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def load_yaml_documents(text: str) -> list[JSONValue]:
    """All documents of a YAML stream, empty ones left out.

    Raises DecodeError with the line for broken YAML or a key given twice.
    """
    try:
        loaded = yaml.load_all(text, Loader=_StrictLoader)
        return [document for document in loaded if document is not None]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise DecodeError(f"line {line}: {error.problem}") from error


def dump_yaml(document: JSONValue) -> str:
    """One document as YAML, keys in the order given."""
    text: str = yaml.dump(document, sort_keys=False, allow_unicode=True, width=100)
    return text
