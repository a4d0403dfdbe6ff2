"""Plain JSON documents: the one data type inside the embedded server, and how to look into it.

A stored document is never changed in place: whoever wants another one makes a copy.
"""

from typing import TypeAlias

import msgspec

JSONValue: TypeAlias = dict[str, "JSONValue"] | list["JSONValue"] | str | int | float | bool | None
JSONObject: TypeAlias = dict[str, JSONValue]

DecodeError = msgspec.DecodeError

_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


def decode(raw: bytes | str) -> JSONValue:
    """The value that the JSON text says.

    Raises:
        DecodeError: The text is not JSON.
    """
    value: JSONValue = _decoder.decode(raw)
    return value


def encode(value: JSONValue) -> bytes:
    """The value as compact JSON."""
    return _encoder.encode(value)


def copy_of(document: JSONObject) -> JSONObject:
    """A deep copy that may be changed."""
    return obj(decode(encode(document)))


def obj(value: JSONValue) -> JSONObject:
    """The value if it is an object, else a new empty one."""
    return value if isinstance(value, dict) else {}


def seq(value: JSONValue) -> list[JSONValue]:
    """The value if it is a list, else a new empty one."""
    return value if isinstance(value, list) else []


def at(document: JSONValue, *path: str) -> JSONValue:
    """What stands at the path, None where nothing does."""
    for step in path:
        if not isinstance(document, dict):
            return None
        document = document.get(step)
    return document


def child(document: JSONValue, *path: str) -> JSONObject:
    """The object at the path; a new empty one, not part of the document, where none is."""
    return obj(at(document, *path))


def text(document: JSONValue, *path: str) -> str:
    """The string at the path, empty where none is."""
    value = at(document, *path)
    return value if isinstance(value, str) else ""


def texts(document: JSONValue, *path: str) -> list[str]:
    """The strings of the list at the path."""
    return [item for item in seq(at(document, *path)) if isinstance(item, str)]


def objects(document: JSONValue, *path: str) -> list[JSONObject]:
    """The objects of the list at the path."""
    return [item for item in seq(at(document, *path)) if isinstance(item, dict)]


def make_child(document: JSONObject, key: str) -> JSONObject:
    """The object under the key, put there if it is missing or something else."""
    value = document.get(key)
    if not isinstance(value, dict):
        value = {}
        document[key] = value
    return value
