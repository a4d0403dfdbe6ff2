"""Pods and Nodes that were seen to go: the deletion of their entries is no accident. Pure.

A mass deletion waits for a person's word, for an absence in a list may be an
error of whoever lists. A deletion that the API server tells of is not: what
had the identity is gone, and nothing is left to protect.
"""

from collections.abc import Iterable

from registrar.claims.claim import Claimant
from registrar.identity.entry import EntryKey


class Departed:
    """Objects that were seen to go, until they were looked at, and the keys that they left."""

    def __init__(self) -> None:
        self._sources: set[Claimant] = set()
        self._keys: set[EntryKey] = set()

    def saw(self, source: Claimant) -> None:
        """An object was seen to go."""
        self._sources.add(source)

    def left(self, source: Claimant, keys: Iterable[EntryKey]) -> None:
        """An object gives up these keys: if it was seen to go, their entries may go at once."""
        if source in self._sources:
            self._sources.discard(source)
            self._keys.update(keys)

    def has_left(self, key: EntryKey) -> bool:
        """Whether who claimed the key was seen to go."""
        return key in self._keys

    def done(self, key: EntryKey) -> None:
        """The entry is gone, or claimed again."""
        self._keys.discard(key)
