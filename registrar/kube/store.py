"""The objects of one kind as last seen, with indexes: what reconcilers read instead of the API.

A reflector fills it; reconcilers read it and may *assume* the result of their
own writes before the watch echoes them.

Two facts about resourceVersions carry the assume logic. They are opaque by
contract but, within one kind, comparable as decimal numbers (Kubernetes
enhancement 5504 makes that official); and a watch delivers the changes of a
kind in their order. So the store remembers the highest version that the watch
has delivered. A write's result at or below it is already contained in what the
store holds, or was deleted since, and is ignored; one above it is news, and
older watch events do not undo it.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable, KeysView, Mapping, MutableMapping, ValuesView
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar

from api.meta import KubeObject, ObjectKey, ObjectMeta
from registrar.kube.packing import PackedObjects
from registrar.kube.sharing import Sharing

T = TypeVar("T", bound=KubeObject)


@dataclass(frozen=True, slots=True)
class Broken:
    """An object that exists but does not have the shape of its kind."""

    meta: ObjectMeta
    error: str


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """What happened to one key: ``old`` and ``new`` are None where there was or is no object.

    With ``error`` the object in the cluster does not decode; ``new`` is then
    the last good one, which the store keeps. ``is_seen_to_go``: the server told of the
    deletion; a list shows only that an object is not there.
    """

    key: ObjectKey
    old: T | None
    new: T | None
    error: str = ""
    is_seen_to_go: bool = False

    @property
    def is_another(self) -> bool:
        """Whether another object is there than before, one with the name of the old one, or none.

        A list shows an object that was deleted and made anew as one change.
        """
        old, new = (None if obj is None else obj.metadata.uid for obj in (self.old, self.new))
        return old != new


_MOST_DIGITS = 20
"""Those of 64 bits; Python refuses to read very long numbers at all."""


def version_of(meta: ObjectMeta) -> int:
    """The object's resourceVersion as a number, 0 for none or a strange one."""
    text = meta.resource_version
    is_number = len(text) <= _MOST_DIGITS and text.isascii() and text.isdigit()
    return int(text) if is_number else 0


class Store(Generic[T]):
    """Objects by key, and keys by index value. One event loop only; nothing here waits.

    ``packed`` is the type of the objects of a kind that has many: they are kept in a fifth of
    the memory, and reading one costs some ten microseconds.
    """

    def __init__(
        self,
        indexes: Mapping[str, Callable[[T], Iterable[str]]] | None = None,
        *,
        packed: type[T] | None = None,
    ) -> None:
        self._objects: MutableMapping[ObjectKey, T]
        self._objects = {} if packed is None else PackedObjects(packed)
        # What is packed has no texts of its own to share.
        self._sharing = Sharing() if packed is None else None
        self._indexers = dict(indexes or {})
        self._indexes: dict[str, dict[str, tuple[ObjectKey, ...]]] = {
            name: {} for name in self._indexers
        }
        self._broken: dict[ObjectKey, Broken] = {}
        self._seen = 0
        self._assumed: set[ObjectKey] = set()
        self._deleted: dict[ObjectKey, str] = {}
        self.synced = asyncio.Event()
        """Set once the first complete list is in the store and its changes were announced."""

    def get(self, key: ObjectKey) -> T | None:
        """The object, or None."""
        return self._objects.get(key)

    def keys(self) -> KeysView[ObjectKey]:
        """A live view of all keys; copy it before waiting."""
        return self._objects.keys()

    def values(self) -> ValuesView[T]:
        """A live view of all objects; copy it before waiting."""
        return self._objects.values()

    def __len__(self) -> int:
        return len(self._objects)

    def __contains__(self, key: object) -> bool:
        return key in self._objects

    def by_index(self, name: str, value: str) -> frozenset[ObjectKey]:
        """Keys of the objects indexed under ``value``. KeyError for an unknown index."""
        return frozenset(self._indexes[name].get(value, ()))

    @property
    def broken(self) -> Mapping[ObjectKey, Broken]:
        """Objects that exist but do not decode; their last good versions stay in the store."""
        return MappingProxyType(self._broken)

    def put(self, obj: T) -> T | None:
        """Put an object in the place of whatever stands there; gives the one before."""
        old = self._objects.get(obj.key)
        self._replace(old, obj)
        return old

    def _replace(self, old: T | None, obj: T) -> None:
        """Put an object in the place of the one that is known to stand there."""
        # Decoders make a new text for the same namespace each time.
        key = ObjectKey(sys.intern(obj.metadata.namespace), obj.metadata.name)
        self._objects[key] = obj if self._sharing is None else self._sharing.share(obj)
        self._broken.pop(key, None)
        for name, indexer in self._indexers.items():
            self._reindex(
                self._indexes[name],
                key,
                set(indexer(old)) if old is not None else set(),
                set(indexer(obj)),
            )

    def remove(self, key: ObjectKey) -> T | None:
        """Take an object out; gives it, or None."""
        self._broken.pop(key, None)
        self._assumed.discard(key)
        old = self._objects.pop(key, None)
        if old is not None:
            for name, indexer in self._indexers.items():
                self._reindex(self._indexes[name], key, set(indexer(old)), set())
        return old

    @staticmethod
    def _reindex(
        index: dict[str, tuple[ObjectKey, ...]],
        key: ObjectKey,
        before: set[str],
        after: set[str],
    ) -> None:
        """Most values have one key, for which a tuple is a quarter of a set."""
        for value in before - after:
            keys = tuple(other for other in index[value] if other != key)
            if keys:
                index[value] = keys
            else:
                del index[value]
        for value in after - before:
            index[value] = (*index.get(value, ()), key)

    # Our own writes, before the watch echoes them.

    def assume(self, obj: T) -> bool:
        """Take the result of our own write as seen; False where the store knows as much already.

        Only for objects that the reflector's selectors cover: nobody would
        ever take another one out again. Announces nothing: who writes knows.
        """
        version = version_of(obj.metadata)
        if version <= self._seen:
            return False
        current, broken = self._objects.get(obj.key), self._broken.get(obj.key)
        if current is not None and version_of(current.metadata) >= version:
            return False
        if broken is not None and version_of(broken.meta) >= version:
            # A reply that comes late; somebody has written what does not decode since.
            return False
        if self._deleted.get(obj.key) == obj.metadata.uid:
            return False
        self._replace(current, obj)
        self._assumed.add(obj.key)
        return True

    def assume_deleted(self, key: ObjectKey, uid: str) -> bool:
        """Take our own deletion of that very object as done; False where it is not there.

        Until the watch confirms it, or a later list contradicts it, events
        about the same uid are ignored. Not for objects with finalizers: their
        deletion is only a request.
        """
        current = self._objects.get(key)
        broken = self._broken.get(key)
        meta = current.metadata if current is not None else broken.meta if broken else None
        if meta is None or meta.uid != uid:
            return False
        self._deleted[key] = uid
        self.remove(key)
        return True

    # What the reflector reports.

    @property
    def seen_version(self) -> int:
        """The highest resourceVersion that the list or watch has delivered."""
        return self._seen

    def observe(self, obj: T) -> Change[T] | None:
        """A watch reports an object; None where we know better (see ``assume``)."""
        key, version = obj.key, version_of(obj.metadata)
        self._seen = max(self._seen, version)
        if self._deleted.get(key) == obj.metadata.uid:
            return None
        current = self._objects.get(key)
        if current is not None and version_of(current.metadata) > version:
            return None
        self._settle(key)
        self._replace(current, obj)
        return Change(key, current, obj)

    def observe_deleted(self, meta: ObjectMeta) -> Change[T] | None:
        """A watch reports a deletion; ``meta`` is the object's last. None where it is old news."""
        key, version = meta.key, version_of(meta)
        self._seen = max(self._seen, version)
        if self._deleted.get(key) == meta.uid:
            del self._deleted[key]
        current = self._objects.get(key)
        if (
            current is not None
            and current.metadata.uid != meta.uid
            and version_of(current.metadata) > version
        ):
            # Somebody (we) has made a new object of that name meanwhile.
            return None
        return Change(key, self.remove(key), None, is_seen_to_go=True)

    def observe_broken(self, meta: ObjectMeta, error: str) -> Change[T] | None:
        """The list or watch reports an object that does not decode; the last good one stays."""
        key, version = meta.key, version_of(meta)
        self._seen = max(self._seen, version)
        known = self._objects.get(key)
        if known is not None and version_of(known.metadata) > version:
            return None
        return self._take_broken(meta, error)

    def advance(self, version: int) -> None:
        """A bookmark: everything up to ``version`` has been delivered."""
        self._seen = max(self._seen, version)

    def begin_list(self) -> "Listing[T]":
        """Begin to take in a complete list; call it before the list is requested."""
        return Listing(self, dict(self._deleted))

    def _take_broken(self, meta: ObjectMeta, error: str) -> Change[T] | None:
        key = meta.key
        if self._deleted.get(key) == meta.uid:
            return None
        old = self._objects.get(key)
        # A good object of another uid was an earlier one of that name: it is known to be gone.
        kept = old if old is None or old.metadata.uid == meta.uid else None
        if kept is None:
            self.remove(key)
        self._settle(key)
        self._broken[key] = Broken(meta, error)
        return Change(key, old, kept, error)

    def _settle(self, key: ObjectKey) -> None:
        self._assumed.discard(key)
        self._deleted.pop(key, None)


class Listing(Generic[T]):
    """One complete list on its way into a store, page by page; ``finish`` tells what vanished.

    A list is the truth at its resourceVersion. Only what we wrote after that,
    or deleted while it was under way, is known better here.
    """

    def __init__(self, store: Store[T], deleted_before: dict[ObjectKey, str]) -> None:
        self._store = store
        self._deleted_before = deleted_before
        self._present: set[ObjectKey] = set()
        self._version = 0

    def begin(self, version: int) -> None:
        """The first page tells the list's resourceVersion."""
        store = self._store
        self._version = version
        if version < store._seen:  # noqa: SLF001 - two halves of one thing
            # The server went back in time (a restored backup): what it says now counts.
            store._assumed.clear()  # noqa: SLF001
            store._seen = 0  # noqa: SLF001
        for key, uid in self._deleted_before.items():
            # Deleted before the list was requested: the list knows about it.
            if store._deleted.get(key) == uid:  # noqa: SLF001
                del store._deleted[key]  # noqa: SLF001

    def take(self, obj: T) -> Change[T] | None:
        """One listed object; None where it is not news."""
        store, key = self._store, obj.key
        self._present.add(key)
        current = store.get(key)
        if current is not None:
            if current.metadata.resource_version == obj.metadata.resource_version:
                # What a write of ours brought was never announced, and it may hold what somebody
                # else wrote just before.
                is_known = key not in store._assumed and key not in store.broken  # noqa: SLF001
                store._assumed.discard(key)  # noqa: SLF001
                if is_known:
                    return None
            elif self._is_ours(key, current):
                return None
        if store._deleted.get(key) == obj.metadata.uid:  # noqa: SLF001
            return None
        store._settle(key)  # noqa: SLF001
        store._replace(current, obj)
        return Change(key, current, obj)

    def take_broken(self, meta: ObjectMeta, error: str) -> Change[T] | None:
        """One listed object that does not decode; None where that is known."""
        key = meta.key
        self._present.add(key)
        known = self._store.broken.get(key)
        if known is not None and known.meta.resource_version == meta.resource_version:
            return None
        current = self._store.get(key)
        if current is not None and self._is_ours(key, current):
            return None
        return self._store._take_broken(meta, error)  # noqa: SLF001

    def finish(self) -> list[Change[T]]:
        """Take out what the list does not contain; the changes, for announcing."""
        store = self._store
        gone = [
            key
            for key in store._objects  # noqa: SLF001
            if key not in self._present and not self._is_ours(key, store.get(key))
        ]
        gone += [key for key in store.broken if key not in self._present and key not in store]
        store.advance(self._version)
        return [Change(key, store.remove(key), None) for key in gone]

    def _is_ours(self, key: ObjectKey, current: T | None) -> bool:
        """Whether ``current`` is an own write that is newer than the list."""
        if current is None or key not in self._store._assumed:  # noqa: SLF001
            return False
        return version_of(current.metadata) > self._version
