"""Writes the objects that are assumed for Pods and Nodes, and deletes those that were dropped."""

from collections.abc import Callable
from typing import Generic, TypeVar

from api.codec import JSONValue, merge_diff, to_json
from api.meta import KubeObject, ObjectKey
from controllers.book import Book
from controllers.deletion import delete_stored
from controllers.generation import Generation
from controllers.ports import Kubernetes, Mirror
from registrar.claims.claim import Source
from registrar.errors import Retry
from registrar.kube.controller import Done, Outcome
from registrar.kube.errors import AlreadyExists, Conflict, NotFound

T = TypeVar("T", bound=KubeObject)


class GeneratedReconciler(Generic[T]):
    """One object, by key.

    ``prepared`` completes an object before it is created, and raises Retry while it
    cannot; ``wake_owner`` lets a Pod or Node be looked at again.
    """

    def __init__(
        self,
        book: Book,
        generation: Generation[T],
        *,
        prepared: Callable[[T], T],
        wake_owner: Callable[[Source], None],
        kube: Kubernetes,
        mirror: Mirror,
    ) -> None:
        self._book = book
        self._generation = generation
        self._making = generation.making
        self._objects = generation.objects
        self._prepared = prepared
        self._wake_owner = wake_owner
        self._kube = kube
        self._mirror = mirror

    async def reconcile(self, key: ObjectKey) -> Outcome:
        """Create, correct or delete the object. Raises Retry on somebody else's write."""
        stored = self._objects.get(key)
        wanted = self._generation.assumed.get(key)
        try:
            if wanted is not None:
                again = self._generation.vanished.again(key) if stored is None else None
                if again is not None:
                    return again
                await self._write(wanted, stored)
            elif key in self._generation.unwanted:
                await self._delete(key, stored)
        except (AlreadyExists, Conflict) as error:
            raise Retry("Conflict", f"{self._named(key)} was changed meanwhile") from error
        return Done()

    async def _write(self, wanted: T, stored: T | None) -> None:
        if stored is not None and self._making.made_for(stored) is None:
            return  # somebody else's object under our name: never touched
        if stored is not None and self._generation.is_of_another(stored, wanted):
            await self._remove(stored)
            stored = None
        if stored is None:
            prepared = self._prepared(wanted)
            created = await self._kube.create(
                self._making.kind, prepared, namespace=wanted.metadata.namespace
            )
            self._written(created, wanted)
            # The claim has a uid now, so its SpireEntry can name its owner.
            self._book.wake.claims(wanted.key)
            return
        patch = merge_diff(_spec(stored), _spec(wanted))
        if not patch:
            self._written(stored, wanted)
            return
        try:
            patched = await self._kube.merge_patch(self._making.kind, stored.key, {"spec": patch})
        except NotFound as error:
            raise Retry("Gone", f"{self._named(stored.key)} was deleted meanwhile") from error
        self._written(patched, wanted)
        self._book.wake.claims(wanted.key)

    def _written(self, obj: T, wanted: T) -> None:
        """What was assumed is stored now; the store tells it from here on."""
        self._objects.assume(obj)
        owner = self._making.made_for(obj)
        # Something newer may have been assumed while the request was under way.
        if owner is not None and self._generation.assumed.get(obj.key) is wanted:
            self._generation.no_longer_assumed(owner, obj.key)

    async def _delete(self, key: ObjectKey, stored: T | None) -> None:
        unwanted, source = self._generation.unwanted, self._making.source_of(key)
        released = unwanted[key]
        if released is not None and self._mirror.entry_of(released) is not None:
            others = (c for c in self._book.index.claims(released) if c.source != source)
            if next(others, None) is None:
                return  # the release pass wakes us when the entry is gone
        owner = None if stored is None else self._making.made_for(stored)
        if stored is not None and owner is not None:
            await self._remove(stored)
            # The owner may have asked for it again while the request was under way.
            if key not in unwanted:
                self._book.wake.claims(key)
                self._wake_owner(owner)
        # The name may be wanted again.
        if key not in self._generation.assumed:
            unwanted.pop(key, None)

    async def _remove(self, stored: T) -> None:
        await delete_stored(self._kube, self._making.kind, self._objects, stored)

    def _named(self, key: ObjectKey) -> str:
        return f"{self._making.kind.kind} {key}"


def _spec(obj: KubeObject) -> JSONValue:
    document = to_json(obj)
    return document.get("spec") if isinstance(document, dict) else None
