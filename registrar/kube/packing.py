"""Keeps many similar documents in little memory.

The JSON of one Pod resembles that of the next, so each is compressed with the
first one as its dictionary: a few kilobytes become a few hundred bytes.
"""

import zlib

_WINDOW = 15
_MOST_DICTIONARY = 32 * 1024


class Packer:
    """Packs and unpacks documents of one kind; what one packs, only the same one unpacks."""

    def __init__(self) -> None:
        self._dictionary = b""

    def pack(self, document: bytes) -> bytes:
        """The document, compressed."""
        if not self._dictionary:
            self._dictionary = document[:_MOST_DICTIONARY]
        compressor = zlib.compressobj(
            1, zlib.DEFLATED, -_WINDOW, 4, zlib.Z_DEFAULT_STRATEGY, self._dictionary
        )
        return compressor.compress(document) + compressor.flush()

    def unpack(self, packed: bytes) -> bytes:
        """The document as it was."""
        expander = zlib.decompressobj(-_WINDOW, self._dictionary)
        return expander.decompress(packed) + expander.flush()
