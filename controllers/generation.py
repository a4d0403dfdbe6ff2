"""Objects that are made for Pods and Nodes: what is wanted, before it is written.

The SPIRE write does not wait for the API write: what is wanted is assumed at
once, claims are made of that, and ``controllers.generated`` writes it down.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from api.kinds import Kind
from api.meta import KubeObject, ObjectKey
from controllers.book import Book
from controllers.vanished import Vanished
from registrar.claims.claim import Source
from registrar.identity.entry import EntryKey
from registrar.kube.store import Store

MADE_FOR_INDEX = "made-for"
"""Index of the objects' store: the Pod or Node that each was made for, as text."""

T = TypeVar("T", bound=KubeObject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Making(Generic[T]):
    """What the steps need to know of a kind.

    ``made_for`` gives the Pod or Node, None when somebody else wrote the object, and
    ``made_for_uid`` its uid; ``with_spec_of`` the first object with the second one's spec.
    """

    kind: Kind[T]
    source_of: Callable[[ObjectKey], Source]
    made_for: Callable[[T], Source | None]
    made_for_uid: Callable[[T], str]
    spec_of: Callable[[T], object]
    with_spec_of: Callable[[T, T], T]

    def index(self, obj: T) -> Iterable[str]:
        """The values of MADE_FOR_INDEX."""
        made_for = self.made_for(obj)
        return () if made_for is None else (str(made_for),)


class Generation(Generic[T]):
    """What is wanted and unwanted in one term of leadership. ``clock`` is monotonic seconds."""

    def __init__(
        self, book: Book, making: Making[T], objects: Store[T], *, clock: Callable[[], float]
    ) -> None:
        self._book = book
        self.making = making
        self.objects = objects
        self.assumed: dict[ObjectKey, T] = {}
        """Wanted, and not written yet."""
        self.unwanted: dict[ObjectKey, EntryKey | None] = {}
        """About to be deleted, with the key that must be released first."""
        self.vanished: Vanished[ObjectKey] = Vanished(clock)
        """Written by us and deleted by others."""
        self._assumed_for: dict[Source, ObjectKey] = {}

    def effective(self, key: ObjectKey) -> T | None:
        """The object as it is about to be: what is assumed, else what is stored."""
        stored = self.objects.get(key)
        if key in self.unwanted:
            return None
        assumed = self.assumed.get(key)
        if assumed is None:
            return stored
        if stored is None or self.is_of_another(stored, assumed):
            return assumed
        return self.making.with_spec_of(stored, assumed)

    def is_of_another(self, stored: T, wanted: T) -> bool:
        """Whether it was made for an earlier Pod or Node of the same name."""
        return self.making.made_for_uid(stored) != self.making.made_for_uid(wanted)

    def is_somebody_elses(self, key: ObjectKey, owner: Source) -> bool:
        """Whether the name is taken by an object that was not made for the owner."""
        stored = self.objects.get(key)
        return stored is not None and self.making.made_for(stored) != owner

    def existing(self, owner: Source) -> set[ObjectKey]:
        """What was made for the owner, or an earlier one of its name: stored or assumed."""
        keys = set(self.objects.by_index(MADE_FOR_INDEX, str(owner)))
        assumed = self._assumed_for.get(owner)
        return keys | {assumed} if assumed else keys

    def want(self, owner: Source, obj: T) -> bool:
        """The owner should have this object; tells whether it was neither stored nor assumed."""
        wake, key, making = self._book.wake, obj.key, self.making
        was_unwanted = key in self.unwanted
        self.unwanted.pop(key, None)
        stored = self.objects.get(key)
        if (
            stored is not None
            and making.spec_of(stored) == making.spec_of(obj)
            and not self.is_of_another(stored, obj)
        ):
            was_assumed = key in self.assumed
            self.no_longer_assumed(owner, key)
            if was_unwanted or was_assumed:
                wake.claims(key)
            return False
        if self.assumed.get(key) == obj and not was_unwanted:
            return False
        is_new = stored is None and key not in self.assumed
        self.assumed[key] = obj
        self._assumed_for[owner] = key
        wake.claims(key)
        wake.generated(key)
        return is_new

    def drop(self, owner: Source, key: ObjectKey) -> None:
        """The owner should not have it: stop claiming; it goes once its entry is released."""
        book = self._book
        book.departed.pass_on(owner, self.making.source_of(key))
        if key in self.unwanted:
            book.wake.generated(key)
            return
        claims = book.index.of_source(self.making.source_of(key))
        released = claims[0].key if claims else None
        self.unwanted[key] = released
        if released is not None:
            book.waiting[released] = key
        self.no_longer_assumed(owner, key)
        book.wake.claims(key)
        book.wake.generated(key)

    def drop_all_but(self, owner: Source, kept: ObjectKey | None) -> None:
        """The owner should have this object alone, or none."""
        for made in self.existing(owner):
            if made != kept:
                self.drop(owner, made)
        self._book.departed.forget(owner)

    def deleted(self, obj: T) -> None:
        """Somebody else deleted it: its name may be waited for, and it may be wanted still."""
        if self.making.made_for(obj) is not None:
            self.vanished.note(obj.key)
        self._book.wake.generated(obj.key)

    def no_longer_assumed(self, owner: Source, key: ObjectKey) -> None:
        """It is written, or no longer wanted."""
        self.assumed.pop(key, None)
        if self._assumed_for.get(owner) == key:
            del self._assumed_for[owner]
