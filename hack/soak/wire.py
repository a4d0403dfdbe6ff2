"""Protocol Buffers' wire format, as much of it as SPIRE's messages need.

The judge and the recorder must not share code with the product, so they do not use its stubs: a
field that the product's .proto files number wrongly would be wrong on both sides.
"""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Value = int | bytes
Message = dict[int, list[Value]]


def decode(data: bytes) -> Message:
    """Return each field's values by its number, in their order.

    Raises:
        ValueError: the bytes are no message.

    """
    found: Message = {}
    for number, value in _fields(data):
        found.setdefault(number, []).append(value)
    return found


def texts(message: Message, number: int) -> list[str]:
    """Return the values of a repeated field of texts."""
    return [value.decode() for value in message.get(number, []) if isinstance(value, bytes)]


def text(message: Message, number: int) -> str:
    """Return a text; empty where it is not set."""
    return next(reversed(texts(message, number)), "")


def integer(message: Message, number: int) -> int:
    """Return a number that is not negative; 0 where it is not set."""
    values = [value for value in message.get(number, []) if isinstance(value, int)]
    return values[-1] if values else 0


def messages(message: Message, number: int) -> list[Message]:
    """Return the values of a field of messages."""
    return [decode(value) for value in message.get(number, []) if isinstance(value, bytes)]


def encode(number: int, value: Value | str) -> bytes:
    """Return one field."""
    if isinstance(value, int):
        return _varint(number << 3 | VARINT) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | BYTES) + _varint(len(data)) + data


def _fields(data: bytes) -> Iterator[tuple[int, Value]]:
    place = 0
    while place < len(data):
        tag, place = _read_varint(data, place)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, place = _read_varint(data, place)
            yield number, value
            continue
        if kind == BYTES:
            size, place = _read_varint(data, place)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"field {number} has the unknown wire type {kind}")
        if place + size > len(data):
            raise ValueError(f"field {number} is cut off")
        yield number, data[place : place + size]
        place += size


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise ValueError("a number is cut off")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number has no end")


def _varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
