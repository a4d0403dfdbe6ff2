"""What the modes that make objects for Pods and Nodes know: the owners, and what was made.

The Pod reconciler gathers from here, and ``controllers.made`` writes what is missing. After
a restart, what was made tells what an owner had that is wrong or cannot be read.
"""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from api.core import Pod
from api.kinds import NODE, Kind
from api.meta import KubeObject, ObjectKey, ObjectMeta
from api.spiffeid.v1beta1.spireentry import SpireEntry
from controllers.claiming import Claims
from controllers.podservices import addresses_of
from controllers.ports import Mirror, Services
from controllers.shared import SharedState
from registrar.claims.attribution import Sign
from registrar.claims.claim import Claim, Claimant, Origin
from registrar.claims.madepods import NOT_STORED, MadeView, Stored, as_made
from registrar.errors import InvalidField
from registrar.identity.entry import EntryKey
from registrar.kube.store import Store

MADE_FOR_INDEX = "made-for"
"""Index of the objects' store: the Pod or Node that each was made for, as text."""

P = TypeVar("P", bound=KubeObject)
T = TypeVar("T", bound=KubeObject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Making(Generic[T]):
    """What the steps need to know of a kind.

    ``made_for`` gives the Pod or Node, None when somebody else wrote the object, and
    ``made_for_uid`` its uid; ``source_of`` what the object is to people who look at it;
    ``spec_of`` what of it we decide.
    """

    kind: Kind[T]
    source_of: Callable[[ObjectKey], Claimant]
    made_for: Callable[[ObjectMeta], Claimant | None]
    made_for_uid: Callable[[ObjectMeta], str]
    spec_of: Callable[[T], object]

    def index(self, obj: T) -> Iterable[str]:
        """The values of MADE_FOR_INDEX."""
        made_for = self.made_for(obj.metadata)
        return () if made_for is None else (str(made_for),)


class MadeObjects(Generic[T]):
    """The stored objects of a kind that were made for Pods and Nodes.

    ``key_for`` gives the key of what is made for an owner with that uid; ``claim_of`` raises
    InvalidField.
    """

    def __init__(
        self,
        shared: SharedState,
        making: Making[T],
        objects: Store[T],
        *,
        key_for: Callable[[Claimant, str], ObjectKey],
        claim_of: Callable[[T], Claim],
        mirror: Mirror,
    ) -> None:
        self._shared = shared
        self._mirror = mirror
        self.making = making
        self.objects = objects
        self._key_for = key_for
        self._claim_of = claim_of
        self._claims = Claims(shared, mirror)

    def made_for(self, obj: T) -> Claimant | None:
        """The Pod or Node that an object was made for, None when somebody else wrote it."""
        return self.making.made_for(obj.metadata)

    def of(self, owner: Claimant) -> list[T]:
        """What was made for an owner, or an earlier one of its name."""
        found = map(self.objects.get, self.objects.by_index(MADE_FOR_INDEX, str(owner)))
        return [obj for obj in found if obj is not None]

    def stored(self, owner: Claimant, uid: str) -> Stored:
        """What the API server gave the object that was made for that very owner."""
        meta = self._meta(owner, uid)
        if meta is None:
            return NOT_STORED
        return Stored(meta.uid, meta.creation_timestamp or "", meta.name)

    def is_taken(self, owner: Claimant, uid: str) -> bool:
        """Whether somebody wrote an object that has the name of the owner's."""
        obj = self.objects.get(self._key_for(owner, uid))
        return obj is not None and self.making.made_for(obj.metadata) != owner

    def keys_of(self, obj: T) -> set[EntryKey]:
        """The keys of the entries that a stored object records, as far as is known."""
        keys = set(self._shared.last_good.recorded_for(obj.metadata.uid))
        with contextlib.suppress(InvalidField):  # the SpireEntries tell of one that is wrong
            keys.add(self._claim_of(obj).key)
        return keys

    # What an owner had that claims nothing yet in this term.

    def claims(self, source: Claimant, uid: str) -> list[Claim]:
        """What was made for that very owner records, and entries of its own without a record."""
        recorded, key = self._recorded(source, uid), self._key_for(source, uid)
        known, found = {claim.key for claim in recorded}, list[Claim]()
        for entry in self._shared.last_good.signed(uid):
            record = self._shared.record_of(entry.id)
            if entry.key not in known and (record is None or self._names(record, key)):
                found.append(
                    Claim(
                        source=source,
                        key=entry.key,
                        attributes=entry.attributes,
                        origin=_origin(source),
                        template=self.making.source_of(key),
                        source_uid=uid,
                        is_made=True,
                    )
                )
        if found:
            # Somebody may have edited the object since: it gives nothing beyond what is there.
            recorded = [claim for claim in recorded if self._mirror.entry_of(claim.key)]
        return recorded + found

    def last_good(self, source: Claimant, uid: str) -> list[Claim]:
        """The same: they are that very owner's."""
        return self.claims(source, uid)

    def keep(self, source: Claimant, sign: Sign | None) -> set[EntryKey]:
        """Nothing can be said of the owner, whose uid is the sign: it has what it had."""
        uid = sign if isinstance(sign, str) else ""
        return self._claims.keep_in_doubt(source, lambda: self.claims(source, uid))

    def may_have(self, claim: Claim, uid: str) -> bool:  # noqa: ARG002 - the protocol's
        """Yes: what is claimed for an owner says for which one."""
        return True

    def known(self, source: Claimant) -> None:
        """Nothing to forget."""

    def _meta(self, owner: Claimant, uid: str) -> ObjectMeta | None:
        """The metadata of the object that was made for that very owner."""
        key = self._key_for(owner, uid)
        obj, broken = self.objects.get(key), self.objects.broken.get(key)
        meta = obj.metadata if obj is not None else None if broken is None else broken.meta
        if meta is None or self.making.made_for(meta) != owner:
            return None
        return meta if self.making.made_for_uid(meta) == uid else None

    def _recorded(self, owner: Claimant, uid: str) -> list[Claim]:
        meta = self._meta(owner, uid)
        if meta is None:
            return []
        obj = self.objects.get(meta.key)
        if obj is not None:
            with contextlib.suppress(InvalidField):  # the SpireEntries tell of one that is wrong
                return [as_made(self._claim_of(obj), owner, uid)]
        recorded = self._claims.recorded_for(
            self.making.source_of(meta.key),
            meta,
            api_version=self.making.kind.api_version,
            origin=_origin(owner),
        )
        return [as_made(claim, owner, uid) for claim in recorded]

    def _names(self, record: SpireEntry, key: ObjectKey) -> bool:
        """Whether a SpireEntry was written for the object of that key."""
        kind = self.making.kind.kind
        owners = {(o.kind, "", o.name) for o in record.metadata.owner_references}
        holders = {(h.kind, h.namespace, h.name) for h in record.spec.holders}
        return (kind, key.namespace, key.name) in owners | holders


def _origin(owner: Claimant) -> Origin:
    """Who chose the SPIFFE ID: of a Node's we did."""
    return Origin.WRITTEN if owner.kind == NODE.kind else Origin.POD


class MadeGather(Generic[P, T]):
    """A Pod or Node, and what was made for it.

    ``namespace_uid`` gives that of the Namespace in which the object of an owner lies.
    """

    def __init__(
        self,
        made: MadeObjects[T],
        owners: Store[P],
        *,
        source_of: Callable[[ObjectKey], Claimant],
        namespace_uid: Callable[[P], str] = lambda _: "",
        services: Services | None = None,
    ) -> None:
        self._made = made
        self._owners = owners
        self._source_of = source_of
        self._namespace_uid = namespace_uid
        self._services = services

    def pod(self, key: ObjectKey) -> P | None:
        """The Pod or Node; of one that does not decode any more the last good version."""
        return self._owners.get(key)

    def is_unknown(self, key: ObjectKey) -> bool:
        """Whether it exists and never decoded."""
        return key in self._owners.broken

    def sign(self, key: ObjectKey, pod: P | None) -> Sign | None:
        """Its uid, which its entries select; None for one that is not there."""
        broken = self._owners.broken.get(key)
        if pod is not None:
            return pod.metadata.uid
        return None if broken is None else broken.meta.uid

    def view(self, pod: P, last_good: Callable[[], Sequence[Claim]]) -> MadeView[P]:
        """What the rules need. Raises Waiting while services are being read."""
        source, uid = self._source_of(pod.key), pod.metadata.uid
        services = self._services
        addresses = addresses_of(services, pod.key) if isinstance(pod, Pod) else ()
        unreadable = services.problem() if services and addresses is None else ""
        return MadeView(
            owner=pod,
            stored=self._made.stored(source, uid),
            is_taken=self._made.is_taken(source, uid),
            services=frozenset(a.service for a in addresses or () if a.is_ready),
            unreadable=unreadable,
            namespace_uid=self._namespace_uid(pod),
            last_good=last_good() if unreadable else (),
        )

    def is_current(self, pod: P, view: MadeView[P]) -> bool:  # noqa: ARG002 - the protocol's
        """Nobody else had a turn."""
        return True

    def gone(self, key: ObjectKey) -> None:
        """Nothing to forget."""
