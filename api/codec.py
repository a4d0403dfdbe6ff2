"""Bytes to typed objects and back: JSON on the wire. YAML is in ``api.documents``.

Raw JSON has one type here, ``JSONValue``; no other module of the product
handles untyped documents.
"""

from typing import TypeAlias, TypeVar

import msgspec

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
