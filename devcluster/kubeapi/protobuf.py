"""Reads built-in objects that clients send in protobuf, as kubectl does for `create namespace`.

The field numbers stand in `messages.json`, written by `hack/kube_messages.py`. The wire does not
tell a value that was left out from an empty one, so empty ones count as left out. Answers are
always JSON: every client reads that as well.
"""

import base64
import datetime as dt
import importlib.resources
from collections.abc import Iterator
from dataclasses import dataclass

from devcluster.kubeapi.documents import (
    JSONObject,
    JSONValue,
    decode,
    make_child,
    obj,
    seq,
)
from devcluster.kubeapi.schema import ANYTHING, Schema
from devcluster.kubeapi.status import bad_request

MAGIC = b"k8s\x00"
CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
_MACHINERY = "io.k8s.apimachinery.pkg"
_TIME = f"{_MACHINERY}.apis.meta.v1.Time"
_MICRO_TIME = f"{_MACHINERY}.apis.meta.v1.MicroTime"
# A zero that means something other than nothing.
_MEANINGFUL_ZEROS = frozenset({"replicas"})


@dataclass(frozen=True, slots=True)
class _Field:
    """One field on the wire: its number, and its value as a number or as bytes."""

    number: int
    value: int | bytes

    @property
    def raw(self) -> bytes:
        """The value's bytes.

        Raises:
            ValueError: It is a number.
        """
        if isinstance(self.value, int):
            raise ValueError(f"field {self.number} is a number")  # noqa: TRY004 - bad input, not a bad call
        return self.value


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7


def _fields(data: bytes) -> Iterator[_Field]:
    """The fields of a message, in the order of the wire.

    Raises:
        ValueError: The bytes are no message.
        IndexError: They end too early.
    """
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, place = _varint(data, place)
            yield _Field(number, value)
        elif wire == 2:
            length, place = _varint(data, place)
            if place + length > len(data):
                raise IndexError("a field is cut off")
            yield _Field(number, data[place : place + length])
            place += length
        elif wire in {1, 5}:
            width = 8 if wire == 1 else 4
            yield _Field(number, data[place : place + width])
            place += width
        else:
            raise ValueError(f"wire type {wire} is not used here")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _time(data: bytes, *, micro: bool) -> JSONValue:
    numbers = {field.number: field.value for field in _fields(data)}
    seconds, nanos = numbers.get(1), numbers.get(2, 0)
    if not isinstance(seconds, int) or not isinstance(nanos, int):
        return None
    moment = dt.datetime.fromtimestamp(_signed(seconds), dt.UTC)
    if micro:
        return moment.replace(microsecond=nanos // 1000).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Messages:
    """Decodes messages by the table of field numbers."""

    def __init__(self) -> None:
        folder = importlib.resources.files("devcluster.kubeapi")
        self._table: JSONObject = obj(decode(folder.joinpath("messages.json").read_bytes()))

    def read(self, body: bytes, schema_name: str, schema: Schema) -> JSONObject:
        """The object in the envelope that clients send, with kind and apiVersion.

        Raises:
            APIError: The bytes are not such an envelope, or the kind is not known in this form.
        """
        if not body.startswith(MAGIC) or schema_name not in self._table:
            raise bad_request("the object provided is unrecognized: not in protobuf form")
        try:
            document: JSONObject = {}
            for field in _fields(body[len(MAGIC) :]):
                if field.number == 1:
                    for part in _fields(field.raw):
                        name = {1: "apiVersion", 2: "kind"}.get(part.number)
                        if name:
                            document[name] = part.raw.decode()
                elif field.number == 2:
                    document.update(self._message(field.raw, schema_name, schema))
        except (ValueError, IndexError) as error:
            raise bad_request(f"the object provided is unrecognized: {error}") from error
        return document

    def _message(self, data: bytes, name: str, schema: Schema) -> JSONObject:
        table = obj(self._table.get(name))
        document: JSONObject = {}
        for field in _fields(data):
            entry = seq(table.get(str(field.number)))
            if len(entry) != 2:
                continue
            key, kind = str(entry[0]), str(entry[1])
            if key not in schema.fields:
                # One or two names start with a capital there and not here.
                key = key[0].lower() + key[1:]
            known = schema.fields.get(key)
            if known is None and "." in kind and " " not in kind:
                # A struct that Go embeds: its fields stand beside the others in JSON.
                document.update(self._message(field.raw, kind, schema))
            else:
                self._put(document, key, kind, field, known or ANYTHING)
        return document

    def _put(
        self, document: JSONObject, key: str, kind: str, field: _Field, schema: Schema
    ) -> None:
        shape, _, kind = kind.rpartition(" ")
        if shape == "map":
            parts = {part.number: part for part in _fields(field.raw)}
            name = parts[1].raw.decode() if 1 in parts else ""
            value = parts.get(2, _Field(2, b""))
            make_child(document, key)[name] = self._value(value, kind, schema.values or ANYTHING)
        elif shape == "list":
            items = document.setdefault(key, [])
            if isinstance(items, list):
                items.append(self._value(field, kind, schema.items or ANYTHING))
        else:
            value_ = self._value(field, kind, schema)
            if value_ not in ("", None, {}) and (value_ or key in _MEANINGFUL_ZEROS):
                document[key] = value_

    def _value(self, field: _Field, kind: str, schema: Schema) -> JSONValue:
        match kind:
            case "string":
                return field.raw.decode()
            case "bytes":
                return base64.b64encode(field.raw).decode()
            case "bool":
                return bool(field.value)
            case "int32" | "int64":
                return _signed(field.value) if isinstance(field.value, int) else 0
            case _:
                return self._special(field.raw, kind, schema)

    def _special(self, data: bytes, kind: str, schema: Schema) -> JSONValue:
        if kind in {_TIME, _MICRO_TIME}:
            return _time(data, micro=kind == _MICRO_TIME)
        if kind.startswith(_MACHINERY):
            parts = {part.number: part.value for part in _fields(data)}
            text = parts.get(1, b"")
            if kind.endswith(".Quantity"):
                return text.decode() if isinstance(text, bytes) else ""
            if kind.endswith((".FieldsV1", ".RawExtension")):
                return decode(text) if isinstance(text, bytes) and text else {}
            if kind.endswith(".IntOrString"):
                words = parts.get(3, b"")
                number = parts.get(2, 0)
                if parts.get(1) == 1 and isinstance(words, bytes):
                    return words.decode()
                return _signed(number) if isinstance(number, int) else 0
        return self._message(data, kind, schema)
