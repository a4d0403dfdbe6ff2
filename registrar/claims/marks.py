"""Keys that need a word in the status of those who claim them, counted by object.

A template has thousands of entries; its status needs to know at any moment
how many of them fail, without looking at all of them.
"""

from collections.abc import Iterable

from registrar.claims.claim import Source
from registrar.identity.entry import EntryKey

_NONE: frozenset[EntryKey] = frozenset()


class Marks:
    """One kind of mark on keys, by the objects that it concerns."""

    def __init__(self) -> None:
        self._subjects: dict[EntryKey, frozenset[Source]] = {}
        self._keys: dict[Source, set[EntryKey]] = {}

    def mark(self, key: EntryKey, subjects: Iterable[Source]) -> frozenset[Source]:
        """Mark the key for just these objects, none takes the mark off; gives who is concerned."""
        before = self._subjects.get(key, frozenset())
        after = frozenset(subjects)
        for gone in before - after:
            keys = self._keys[gone]
            keys.discard(key)
            if not keys:
                del self._keys[gone]
        for new in after - before:
            self._keys.setdefault(new, set()).add(key)
        if after:
            self._subjects[key] = after
        else:
            self._subjects.pop(key, None)
        return before ^ after

    def has(self, key: EntryKey) -> bool:
        """Whether the key is marked."""
        return key in self._subjects

    def any(self) -> bool:
        """Whether any key is marked."""
        return bool(self._subjects)

    def of(self, subject: Source) -> frozenset[EntryKey] | set[EntryKey]:
        """The marked keys of one object; not to be changed."""
        return self._keys.get(subject, _NONE)
