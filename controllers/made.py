"""The objects that are made for Pods and Nodes: written, corrected and deleted in the API server.

The Pod reconciler claims; this works behind it and behind the SPIRE writes, as the recording
of SpireEntries does. It never touches what somebody else wrote, and deletes an object only
when the SPIRE server holds its entry no more, so that a restart finds what is still to go.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from api.codec import JSONValue, merge_diff, to_json
from api.meta import KubeObject, ObjectKey
from controllers.deletion import delete_stored
from controllers.madeobjects import MadeObjects
from controllers.ports import Kubernetes, Mirror
from controllers.recreation import RecreationBackoff
from controllers.shared import SharedState
from registrar.claims.claim import Claimant
from registrar.claims.madepods import MadeWanted
from registrar.errors import Retry
from registrar.identity.entry import EntryKey
from registrar.kube.controller import Done, Result
from registrar.kube.errors import AlreadyExists, Conflict, NotFound

P_contra = TypeVar("P_contra", bound=KubeObject, contravariant=True)
T = TypeVar("T", bound=KubeObject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Generic[T]):
    """What an owner should have now: ``made``, and what was made for the one with ``kept_uid``."""

    made: T | None = None
    kept_uid: str = ""

    def leaves(self, obj: T, made_for_uid: str) -> bool:
        """Whether a stored object is to go."""
        if self.made is not None and obj.key == self.made.key:
            return False
        return not self.kept_uid or made_for_uid != self.kept_uid


def asked(uid: str, wanted: MadeWanted[T]) -> Asked[T]:
    """What an owner with that uid should have by the rules: its last good while it is wrong."""
    is_kept = wanted.problem is not None and wanted.made is None
    return Asked(made=wanted.made, kept_uid=uid if is_kept else "")


class Told(Protocol[P_contra]):
    """Tells people what came of a Pod or Node."""

    def tell(self, pod: P_contra, wanted: MadeWanted[T]) -> None:
        """It was looked at."""
        ...

    def gone(self, key: ObjectKey) -> None:
        """There is none."""
        ...


class MadeReport(Generic[P_contra, T]):
    """Lets the objects follow what was claimed, once it was; ``told`` tells people the rest."""

    def __init__(
        self,
        shared: SharedState,
        made: MadeObjects[T],
        *,
        source_of: Callable[[ObjectKey], Claimant],
        told: Told[P_contra],
    ) -> None:
        self._shared = shared
        self._made = made
        self._source_of = source_of
        self._told = told

    def tell(self, pod: P_contra, wanted: MadeWanted[T]) -> None:
        """A Pod or Node was looked at."""
        self._told.tell(pod, wanted)
        owner, making = self._source_of(pod.key), self._made.making
        if self._is_work(owner, asked(pod.metadata.uid, wanted)):
            self._shared.wake.made(owner)
        elif wanted.is_shown and wanted.made is not None:
            self._shared.wake.status(making.source_of(wanted.made.key))

    def gone(self, key: ObjectKey) -> None:
        """There is no such Pod or Node."""
        self._told.gone(key)
        owner = self._source_of(key)
        if self._made.of(owner):
            self._shared.wake.made(owner)

    def _is_work(self, owner: Claimant, now: Asked[T]) -> bool:
        making, objects = self._made.making, self._made.objects
        uids = [(obj, making.made_for_uid(obj.metadata)) for obj in self._made.of(owner)]
        if any(now.leaves(obj, uid) for obj, uid in uids):
            return True
        if now.made is None or now.made.key in objects.broken:
            return False
        stored = objects.get(now.made.key)
        if stored is None:
            return True
        if making.made_for(stored.metadata) != owner:
            return False
        is_same = making.made_for_uid(stored.metadata) == making.made_for_uid(now.made.metadata)
        return not is_same or making.spec_of(stored) != making.spec_of(now.made)


class MadeReconciler(Generic[T]):
    """What is made for one Pod or Node.

    ``ask`` tells what it should have, None while nothing can be said of it; ``prepared``
    completes an object before it is created. Both raise Retry. ``wake_owner`` lets a Pod or
    Node be looked at again.
    """

    def __init__(  # noqa: PLR0913 - collaborators, all by keyword
        self,
        shared: SharedState,
        made: MadeObjects[T],
        *,
        ask: Callable[[Claimant], Awaitable[Asked[T] | None]],
        prepared: Callable[[T], T],
        wake_owner: Callable[[Claimant], None],
        kube: Kubernetes,
        mirror: Mirror,
        clock: Callable[[], float],
    ) -> None:
        self._shared = shared
        self._made = made
        self._making = made.making
        self._objects = made.objects
        self._ask = ask
        self._prepared = prepared
        self._wake_owner = wake_owner
        self._kube = kube
        self._mirror = mirror
        self._recreation: RecreationBackoff[ObjectKey] = RecreationBackoff(clock)
        # Whose objects wait until the SPIRE server holds the entry of a key no more.
        self._waiting: dict[EntryKey, set[Claimant]] = {}

    async def reconcile(self, owner: Claimant) -> Result:
        """Create, correct or delete. Raises Retry on somebody else's write."""
        now = await self._ask(owner)
        if now is None:
            return Done()
        try:
            for obj in self._made.of(owner):
                uid = self._making.made_for_uid(obj.metadata)
                if now.leaves(obj, uid) and not self._waits(owner, obj):
                    await self._remove(obj)
            return Done() if now.made is None else await self._write(owner, now.made)
        except (AlreadyExists, Conflict) as error:
            raise Retry("Conflict", f"an object of {owner} was changed meanwhile") from error

    def released(self, key: EntryKey) -> None:
        """The SPIRE server holds the entry of a key no more: what waits for that may go."""
        for owner in self._waiting.pop(key, ()):
            self._shared.wake.made(owner)

    def deleted(self, obj: T) -> None:
        """Somebody else deleted an object; who it was made for is looked at for that."""
        if self._making.made_for(obj.metadata) is not None:
            self._recreation.note(obj.key)

    def _waits(self, owner: Claimant, obj: T) -> bool:
        """Whether an object must stay until its entry is gone; its release wakes us then."""
        waits, recorder = False, self._making.source_of(obj.key)
        for key in self._made.keys_of(obj):
            claims = self._shared.index.claims(key)
            is_still = any(claim.template == recorder for claim in claims)
            is_held = not claims and self._mirror.entry_of(key) is not None
            if is_still or is_held:
                self._waiting.setdefault(key, set()).add(owner)
                waits = True
        return waits

    async def _write(self, owner: Claimant, wanted: T) -> Result:
        key = wanted.key
        stored = self._objects.get(key)
        if stored is None and key in self._objects.broken:
            return Done()  # it exists, and whoever reads the log knows why it is not corrected
        if stored is not None and self._making.made_for(stored.metadata) != owner:
            return Done()  # somebody else's object under our name: never touched
        if stored is not None and self._is_of_another(stored, wanted):
            await self._remove(stored)
            stored = None
        if stored is None:
            again = self._recreation.again(key)
            if again is not None:
                return again
            prepared = self._prepared(wanted)
            created = await self._kube.create(
                self._making.kind, prepared, namespace=wanted.metadata.namespace
            )
            self._objects.assume(created)
            # The claim gets a uid now, so its SpireEntry can name its owner.
            self._wake_owner(owner)
            return Done()
        patch = merge_diff(_spec(stored), _spec(wanted))
        if patch:
            try:
                patched = await self._kube.merge_patch(self._making.kind, key, {"spec": patch})
            except NotFound as error:
                kind = self._making.kind.kind
                raise Retry("Gone", f"{kind} {key} was deleted meanwhile") from error
            self._objects.assume(patched)
            self._wake_owner(owner)
        return Done()

    def _is_of_another(self, stored: T, wanted: T) -> bool:
        """Whether it was made for an earlier Pod or Node of the same name."""
        uid_of = self._making.made_for_uid
        return uid_of(stored.metadata) != uid_of(wanted.metadata)

    async def _remove(self, stored: T) -> None:
        await delete_stored(self._kube, self._making.kind, self._objects, stored)


def _spec(obj: KubeObject) -> JSONValue:
    document = to_json(obj)
    return document.get("spec") if isinstance(document, dict) else None
