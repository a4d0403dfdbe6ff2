"""Bytes to typed objects and back: JSON on the wire. YAML is in ``api.documents``.

Raw JSON has one type here, ``JSONValue``; no other module of the product
handles untyped documents.
"""

from typing import Generic, TypeAlias, TypeVar

import msgspec

from .errors import printable

JSONValue: TypeAlias = "bool | int | float | str | list[JSONValue] | dict[str, JSONValue] | None"
JSONObject: TypeAlias = dict[str, "JSONValue"]

T = TypeVar("T")

MOST_LEVELS = 100
"""Of nesting in an untyped document; Kubernetes objects have some twenty."""


class DecodeError(ValueError):
    """A document that does not have the shape of its type; the message names the path."""


class Decoder(Generic[T]):
    """Decodes JSON into one type; unknown fields are skipped, however strange what they hold is."""

    def __init__(self, as_type: type[T]) -> None:
        self._decoder = msgspec.json.Decoder(as_type)

    def decode(self, data: bytes | msgspec.Raw) -> T:
        """The typed object. Raises DecodeError with the path of the first wrong value."""
        try:
            return self._decoder.decode(data)
        except (ValueError, RecursionError) as error:
            raise _broken(error) from error


def decode(data: bytes | str, as_type: type[T]) -> T:
    """Decode JSON into a typed object; unknown fields are skipped.

    Raises DecodeError with the path of the first wrong value.
    """
    try:
        return msgspec.json.decode(data, type=as_type)
    except (ValueError, RecursionError) as error:
        raise _broken(error) from error


def decode_object(data: bytes) -> JSONObject:
    """Decode a JSON object as it is. Raises DecodeError for anything else.

    What has more than ``MOST_LEVELS`` is refused, so that whatever walks through it, as a
    comparison does, has room enough.
    """
    try:
        document = msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        raise _broken(error) from error
    if not isinstance(document, dict):
        raise DecodeError("not an object")
    # Most documents have too few brackets in all: no need to walk through those.
    if data.count(b"{") + data.count(b"[") > MOST_LEVELS and _is_too_deep(document):
        raise DecodeError(f"nested more than {MOST_LEVELS} levels deep: make it flatter")
    return document


def _is_too_deep(document: JSONValue) -> bool:
    """Goes level by level: a function that calls itself would be what it is to prevent."""
    level: list[JSONValue] = [document]
    for _ in range(MOST_LEVELS + 1):
        if not level:
            return False
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
    return bool(level)


def _broken(error: ValueError | RecursionError) -> DecodeError:
    if isinstance(error, RecursionError):
        return DecodeError("nested too deeply: make it flatter")
    return DecodeError(printable(str(error)))


def encode(value: object) -> bytes:
    """Encode a typed object or a JSON value as JSON; fields at their default are left out."""
    return msgspec.json.encode(value)


def to_json(value: object) -> JSONValue:
    """A typed object as a JSON value, fields at their default left out."""
    # By way of the text: msgspec.to_builtins would leave tuples, which no JSON value has.
    document: JSONValue = msgspec.json.decode(msgspec.json.encode(value))
    return document


def convert(document: JSONValue, as_type: type[T]) -> T:
    """A JSON value as a typed object. Raises DecodeError with the path of the wrong value."""
    try:
        return msgspec.convert(document, as_type)
    except (ValueError, RecursionError) as error:
        raise _broken(error) from error


def without_nulls(value: JSONValue) -> JSONValue:
    """The value without the fields that are null, as an API server stores an object.

    It calls itself, so it is for what is known not to be nested deeply.
    """
    if isinstance(value, dict):
        return {name: without_nulls(v) for name, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


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
