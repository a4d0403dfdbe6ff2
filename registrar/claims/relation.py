"""A relation that is asked from both sides: which values a key has, and which keys have a value."""

from collections.abc import Hashable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Hashable)


class Relation(Generic[K, V]):
    """Keys with any number of values each. A key or value without a partner takes no room."""

    def __init__(self) -> None:
        self._values: dict[K, frozenset[V]] = {}
        self._keys: dict[V, set[K]] = {}

    def set(self, key: K, values: Iterable[V]) -> frozenset[V]:
        """Let the key have just these values, none forgets it; gives those that came or went."""
        before, after = self._values.get(key, frozenset[V]()), frozenset(values)
        for gone in before - after:
            keys = self._keys[gone]
            keys.discard(key)
            if not keys:
                del self._keys[gone]
        for new in after - before:
            self._keys.setdefault(new, set()).add(key)
        if after:
            self._values[key] = after
        else:
            self._values.pop(key, None)
        return before ^ after

    def keys_of(self, value: V) -> AbstractSet[K]:
        """The keys that have the value; not to be changed."""
        return self._keys.get(value, frozenset())

    def keys(self) -> Iterator[K]:
        """Every key that has a value."""
        return iter(self._values)

    def values(self) -> Iterator[V]:
        """Every value that some key has."""
        return iter(self._keys)

    def __contains__(self, key: object) -> bool:
        """Whether the key has any value."""
        return key in self._values

    def __bool__(self) -> bool:
        """Whether any key has a value."""
        return bool(self._values)
