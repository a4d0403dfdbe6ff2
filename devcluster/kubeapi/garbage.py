"""What Kubernetes' own controllers do when something goes: the garbage collector and its kin.

An object whose owners are all gone is deleted; foreground deletion waits for dependents,
orphaning lets them go; a terminating namespace loses its content, a deleted CRD its objects.
Work is done in small steps on the event loop, after the request that caused it, and pauses while
the server is down.
"""

import asyncio
import enum
import logging
from typing import TypeAlias

from devcluster.kubeapi import deletion
from devcluster.kubeapi.customresources import CRDS
from devcluster.kubeapi.deletion import FOREGROUND, ORPHAN, DeleteOptions
from devcluster.kubeapi.documents import JSONObject, child, make_child, objects, seq, text
from devcluster.kubeapi.objects import Objects, WriteOptions
from devcluster.kubeapi.prepare import CRD_FINALIZER
from devcluster.kubeapi.resources import Resource, StoreKey
from devcluster.kubeapi.status import APIError
from devcluster.kubeapi.storage import Change, ObjectKey, Stored

_log = logging.getLogger(__name__)
_NAMESPACES: StoreKey = ("", "namespaces")
_STEP = 64

Place: TypeAlias = tuple[StoreKey, ObjectKey]


class _Owner(enum.Enum):
    """What an owner reference leads to."""

    PRESENT = enum.auto()
    WAITING = enum.auto()
    ABSENT = enum.auto()
    UNKNOWN = enum.auto()


def _owners(document: JSONObject) -> list[JSONObject]:
    return objects(document, "metadata", "ownerReferences")


class Collector:
    """Hears of every change, keeps a list of places to look at, and looks at them in turn."""

    def __init__(self, objects_: Objects, *, follows_owners: bool) -> None:
        self._objects = objects_
        self._follows_owners = follows_owners
        self._dependents: dict[str, set[Place]] = {}
        self._places: dict[str, Place] = {}
        self._dirty: dict[Place, None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False
        self._idle = asyncio.Event()
        self._idle.set()
        objects_.store.observe(self._observe)

    def resume(self) -> None:
        """Works from now on, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._schedule()

    def pause(self) -> None:
        """Leaves everything as it is until `resume`."""
        self._loop = None

    async def settled(self) -> None:
        """Returns when nothing is left to look at."""
        await self._idle.wait()

    def _observe(self, table: StoreKey, change: Change) -> None:
        place = (table, change.key)
        before = change.before.document if change.before is not None else {}
        after = change.after.document if change.after is not None else {}
        uid = text(after or before, "metadata", "uid")
        old, new = _owners(before), _owners(after)
        if old != new:
            for owner in old:
                self._dependents.get(text(owner, "uid"), set()).discard(place)
            for owner in new:
                self._dependents.setdefault(text(owner, "uid"), set()).add(place)
        if change.after is None:
            self._places.pop(uid, None)
            self._mark(*self._dependents.get(uid, ()))
            self._mark_waiting(place, old)
            return
        self._places[uid] = place
        if new != old or text(after, "metadata", "deletionTimestamp"):
            self._mark(place)
            self._mark_waiting(place, old)

    def _mark_waiting(self, place: Place, owners: list[JSONObject]) -> None:
        """Looks again at those that may have waited for this: owners, namespace, CRD."""
        for owner in owners:
            found = self._places.get(text(owner, "uid"))
            if found is not None:
                self._mark(found)
        table, (namespace, _) = place
        for waiting in (
            (_NAMESPACES, ("", namespace)),
            (CRDS, ("", f"{table[1]}.{table[0]}")),
        ):
            stored = self._objects.store.get(*waiting)
            if stored is not None and text(stored.document, "metadata", "deletionTimestamp"):
                self._mark(waiting)

    def _mark(self, *places: Place) -> None:
        if places:
            self._dirty.update(dict.fromkeys(places))
            self._idle.clear()
            self._schedule()

    def _schedule(self) -> None:
        if self._loop is not None and self._dirty and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._step)

    def _step(self) -> None:
        self._scheduled = False
        for _ in range(_STEP):
            if not self._dirty or self._loop is None:
                break
            place = next(iter(self._dirty))
            del self._dirty[place]
            try:
                self._look(place)
            except APIError as error:
                # Someone else was faster, or will be: the next change of the place tells.
                _log.debug("not collected", extra={"place": place, "why": error.message})
        if self._dirty:
            self._schedule()
        else:
            self._idle.set()

    def _look(self, place: Place) -> None:
        stored = self._objects.store.get(*place)
        resource = self._objects.registry.stored(place[0])
        if stored is None or resource is None:
            return
        if text(stored.document, "metadata", "deletionTimestamp"):
            if place[0] == _NAMESPACES:
                self._empty_namespace(resource, place[1], stored)
            elif place[0] == CRDS:
                self._empty_crd(resource, place[1], stored)
            if self._follows_owners:
                self._finish(resource, place[1], stored)
        elif self._follows_owners and _owners(stored.document):
            self._check_owned(resource, place, stored)

    def _state(self, resource: Resource, namespace: str, owner: JSONObject) -> _Owner:
        kind = self._objects.registry.by_kind(text(owner, "apiVersion"), text(owner, "kind"))
        if kind is None or (kind.namespaced and not resource.namespaced):
            return _Owner.UNKNOWN
        key = (namespace if kind.namespaced else "", text(owner, "name"))
        found = self._objects.store.get(kind.store_key, key)
        if found is None or text(found.document, "metadata", "uid") != text(owner, "uid"):
            return _Owner.ABSENT
        meta = child(found.document, "metadata")
        if text(meta, "deletionTimestamp") and FOREGROUND in seq(meta.get("finalizers")):
            return _Owner.WAITING
        return _Owner.PRESENT

    def _check_owned(self, resource: Resource, place: Place, stored: Stored) -> None:
        key = place[1]
        states = [
            (owner, self._state(resource, key[0], owner)) for owner in _owners(stored.document)
        ]
        found = {state for _, state in states}
        if _Owner.UNKNOWN in found:
            return
        if _Owner.PRESENT in found:
            going = {text(owner, "uid") for owner, state in states if state is not _Owner.PRESENT}
            if going:
                self._drop_owners(resource, key, going)
            return
        uid = text(stored.document, "metadata", "uid")
        waits = _Owner.WAITING in found and bool(self._dependents.get(uid))
        options = DeleteOptions(propagation="Foreground" if waits else "Background", uid=uid)
        deletion.delete(self._objects, resource, key, options)

    def _drop_owners(self, resource: Resource, key: ObjectKey, uids: set[str]) -> None:
        def make(document: JSONObject) -> JSONObject:
            meta = make_child(document, "metadata")
            kept = [owner for owner in _owners(document) if text(owner, "uid") not in uids]
            if kept:
                meta["ownerReferences"] = list(kept)
            else:
                meta.pop("ownerReferences", None)
            return document

        options = WriteOptions(manager="kube-controller-manager", field_validation="Ignore")
        self._objects.change(resource, key, make, options)

    def _finish(self, resource: Resource, key: ObjectKey, stored: Stored) -> None:
        """Does what the object's own finalizers of the garbage collector wait for."""
        meta = child(stored.document, "metadata")
        uid = text(meta, "uid")
        finalizers = seq(meta.get("finalizers"))
        dependents = sorted(self._dependents.get(uid, ()))
        if ORPHAN in finalizers:
            for table, place in dependents:
                kind = self._objects.registry.stored(table)
                if kind is not None:
                    self._drop_owners(kind, place, {uid})
            self._drop_finalizer(resource, key, ORPHAN)
        elif FOREGROUND in finalizers:
            blocking = [place for place in dependents if self._blocks(place, uid)]
            if blocking:
                self._mark(*(place for place in dependents if not self._is_going(place)))
            else:
                self._drop_finalizer(resource, key, FOREGROUND)
                self._mark(*dependents)

    def _is_going(self, place: Place) -> bool:
        stored = self._objects.store.get(*place)
        return stored is None or bool(text(stored.document, "metadata", "deletionTimestamp"))

    def _blocks(self, place: Place, uid: str) -> bool:
        stored = self._objects.store.get(*place)
        return stored is not None and any(
            text(owner, "uid") == uid and owner.get("blockOwnerDeletion") is True
            for owner in _owners(stored.document)
        )

    def _drop_finalizer(self, resource: Resource, key: ObjectKey, finalizer: str) -> None:
        def make(document: JSONObject) -> JSONObject:
            meta = make_child(document, "metadata")
            kept = [item for item in seq(meta.get("finalizers")) if item != finalizer]
            if kept:
                meta["finalizers"] = kept
            else:
                meta.pop("finalizers", None)
            return document

        options = WriteOptions(manager="kube-controller-manager", field_validation="Ignore")
        self._objects.change(resource, key, make, options)

    def _delete_all(self, table: StoreKey, namespace: str | None) -> int:
        """Deletes what is not going yet; how much is still there afterwards."""
        resource = self._objects.registry.stored(table)
        if resource is None:
            return 0
        left = 0
        for key, stored in list(self._objects.store.table(table).items()):
            if namespace is not None and key[0] != namespace:
                continue
            gone = False
            if not text(stored.document, "metadata", "deletionTimestamp"):
                _, gone = deletion.delete(self._objects, resource, key, DeleteOptions())
            left += not gone
        return left

    def _empty_namespace(self, resource: Resource, key: ObjectKey, stored: Stored) -> None:
        finalizers = seq(child(stored.document, "spec").get("finalizers"))
        if "kubernetes" not in finalizers:
            return
        left = sum(
            self._delete_all(table, key[1])
            for table, _ in self._objects.store.tables()
            if table != _NAMESPACES
        )
        if left:
            return

        def make(document: JSONObject) -> JSONObject:
            spec = make_child(document, "spec")
            spec["finalizers"] = [item for item in finalizers if item != "kubernetes"]
            return document

        options = WriteOptions(manager="kube-controller-manager", subresource="finalize")
        self._objects.change(resource, key, make, options)

    def _empty_crd(self, resource: Resource, key: ObjectKey, stored: Stored) -> None:
        if CRD_FINALIZER not in seq(child(stored.document, "metadata").get("finalizers")):
            return
        spec = child(stored.document, "spec")
        table = (text(spec, "group"), text(spec, "names", "plural"))
        if not self._delete_all(table, None):
            self._drop_finalizer(resource, key, CRD_FINALIZER)
