"""Keys that need a word in the status of those who claim them, counted by object.

A template has thousands of entries; its status needs to know at any moment
how many of them fail, without looking at all of them.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from registrar.claims.claim import Claimant
from registrar.claims.relation import Relation
from registrar.identity.entry import EntryKey


class Marks:
    """One kind of mark on keys, by the objects that it concerns."""

    def __init__(self) -> None:
        self._subjects: Relation[EntryKey, Claimant] = Relation()

    def mark(self, key: EntryKey, subjects: Iterable[Claimant]) -> frozenset[Claimant]:
        """Mark the key for just these objects, none takes the mark off; gives who is concerned."""
        return self._subjects.set(key, subjects)

    def has(self, key: EntryKey) -> bool:
        """Whether the key is marked."""
        return key in self._subjects

    def keys(self) -> Iterator[EntryKey]:
        """Every marked key."""
        return self._subjects.keys()

    def any(self) -> bool:
        """Whether any key is marked."""
        return bool(self._subjects)

    def of(self, subject: Claimant) -> AbstractSet[EntryKey]:
        """The marked keys of one object; not to be changed."""
        return self._subjects.keys_of(subject)
