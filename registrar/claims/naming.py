"""Names of SpireEntries: the same for the same key on every machine and in every version.

A name is a readable part and the hash of the key in a canonical, length-prefixed
encoding together with the registrar's instance. The hash is fast, not
collision-resistant, so a name is never trusted: when another key holds it, the
next name of a fixed sequence is used.
"""

import base64
import re
from collections.abc import Callable, Iterable

import xxhash

from registrar.identity.entry import EntryKey
from registrar.identity.spiffeid import path_of

MAX_NAME_LENGTH = 80
"""Longest name in characters, so that prefix, dot and name fit into an entry ID (255)."""

HASH_LENGTH = 8
"""Characters of a ``short_hash``."""

_READABLE_LENGTH = MAX_NAME_LENGTH - 27
_UNREADABLE = re.compile(r"[^a-z0-9]+")
_PROBES = 16
_UNREADABLE_PATH = "id"
"""Stands for a path without a letter or digit. Without it the entry ``a.b.<hash>`` could be one
of the prefix ``a.b``, or one of the prefix ``a`` for the path ``/b``."""

Digest = Callable[[bytes], bytes]


def canonical_bytes(instance: str, key: EntryKey) -> bytes:
    """The encoding that is hashed: each part preceded by its length, so none can pose as two."""
    parts = [instance, key.spiffe_id, key.parent_id]
    for selector in key.selectors:
        parts += [selector.type, selector.value]
    return _encoded(parts)


def short_hash(*parts: str) -> str:
    """A few hex digits that tell apart texts which look the same once they are shortened."""
    return xxh3_128(_encoded(parts)).hex()[:HASH_LENGTH]


def _encoded(parts: Iterable[str]) -> bytes:
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def xxh3_128(data: bytes) -> bytes:
    """The 16 bytes of XXH3-128, big endian (the canonical form of the xxHash specification)."""
    return xxhash.xxh3_128_digest(data)


class Naming:
    """Finds the name of a key. ``instance`` tells one registrar from another: see Instance."""

    def __init__(self, instance: str, digest: Digest = xxh3_128) -> None:
        self._instance = instance
        self._digest = digest

    def candidate(self, key: EntryKey, probe: int = 0) -> str:
        """The name number ``probe`` in the sequence of this key."""
        data = canonical_bytes(self._instance, key)
        if probe:
            data += probe.to_bytes(4, "big")
        hashed = base64.b32encode(self._digest(data)).decode().rstrip("=").lower()
        readable = _UNREADABLE.sub("-", path_of(key.spiffe_id).lower()).strip("-")
        readable = readable[:_READABLE_LENGTH].strip("-")
        return f"{readable or _UNREADABLE_PATH}.{hashed}"

    def choose(self, key: EntryKey, holder_of: Callable[[str], EntryKey | None]) -> str:
        """The name of ``key``, given who holds a name now.

        A name that the key holds already comes before a free one. Raises
        RuntimeError when all names of the sequence are held by other keys.
        """
        free = ""
        for probe in range(_PROBES):
            name = self.candidate(key, probe)
            holder = holder_of(name)
            if holder == key:
                return name
            if holder is None:
                # One name past the first free one: an earlier collision, now
                # gone, may have left the key there.
                if free:
                    return free
                free = name
        if not free:
            raise RuntimeError(f"all {_PROBES} names of {key.spiffe_id} are taken by other keys")
        return free
