"""Keeps many similar documents, or objects, in little memory.

One Pod resembles the next, so each is compressed with earlier ones as its dictionary: a few
kilobytes become a few hundred bytes. Stores of kinds that have many objects keep them so.
"""

import zlib
from collections.abc import Iterator, MutableMapping
from typing import TypeVar

import msgspec

from api.meta import KubeObject, ObjectKey

T = TypeVar("T", bound=KubeObject)

_WINDOW = 15
_MOST_DICTIONARY = 32 * 1024
_LEARNT_AT = frozenset({16, 64, 256, 1024, 4096, 16_384})
"""After so many documents the next one is put into the dictionary too."""


class Packer:
    """Packs and unpacks documents of one kind; what one packs, only the same one unpacks.

    One that ``learns`` goes on to look at what comes: the first documents may lack what most of
    the later ones have, such as a status. Of one that does not, equal documents are packed alike.
    """

    def __init__(self, *, learns: bool = False) -> None:
        self._learns = learns
        self._dictionaries: list[bytes] = []
        self._packed = 0

    def pack(self, document: bytes) -> bytes:
        """The document, compressed; the first byte tells with which dictionary."""
        if not self._dictionaries or (self._learns and self._packed in _LEARNT_AT):
            before = self._dictionaries[-1] if self._dictionaries else b""
            self._dictionaries.append((before + document)[-_MOST_DICTIONARY:])
        self._packed += 1
        number = len(self._dictionaries) - 1
        compressor = zlib.compressobj(
            1, zlib.DEFLATED, -_WINDOW, 4, zlib.Z_DEFAULT_STRATEGY, self._dictionaries[number]
        )
        return bytes((number,)) + compressor.compress(document) + compressor.flush()

    def unpack(self, packed: bytes) -> bytes:
        """The document as it was."""
        expander = zlib.decompressobj(-_WINDOW, self._dictionaries[packed[0]])
        return expander.decompress(packed[1:]) + expander.flush()


class PackedObjects(MutableMapping[ObjectKey, T]):
    """Objects of one type by key. Each is kept packed, and is made anew whenever it is read."""

    def __init__(self, as_type: type[T]) -> None:
        self._packer = Packer(learns=True)
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(as_type)
        self._held: dict[ObjectKey, bytes | T] = {}

    def __getitem__(self, key: ObjectKey) -> T:
        """The object. KeyError for none."""
        held = self._held[key]
        return self._decoder.decode(self._packer.unpack(held)) if isinstance(held, bytes) else held

    def __setitem__(self, key: ObjectKey, obj: T) -> None:
        """Keep the object."""
        try:
            self._held[key] = self._packer.pack(self._encoder.encode(obj))
        except OverflowError:
            # A number of more than 64 bits, which JSON can hold and this form cannot.
            self._held[key] = obj

    def __delitem__(self, key: ObjectKey) -> None:
        """Forget the object. KeyError for none."""
        del self._held[key]

    def __contains__(self, key: object) -> bool:
        """Whether there is one; nothing is unpacked for that."""
        return key in self._held

    def __iter__(self) -> Iterator[ObjectKey]:
        """The keys."""
        return iter(self._held)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._held)
