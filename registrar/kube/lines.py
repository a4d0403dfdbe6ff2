"""A watch is a stream of lines, which come in chunks as the network cuts them."""

from registrar.kube.errors import Garbled

MAX_LINE = 64 * 2**20
"""Bytes of one watch event; far above what etcd stores, a guard against a broken stream."""


class LineSplitter:
    """Cuts a stream of chunks into lines; each byte is looked at once, however long a line is."""

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._limit = limit

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that ``chunk`` completes. Raises Garbled for one beyond the limit."""
        head, *rest = chunk.split(b"\n")
        self._parts.append(head)
        self._size += len(head)
        if self._size > self._limit:
            raise Garbled("a watch event is too long", 0, "TooLong")
        if not rest:
            return []
        lines = [b"".join(self._parts), *rest[:-1]]
        self._parts = [rest[-1]]
        self._size = len(rest[-1])
        return [line for line in lines if line]
