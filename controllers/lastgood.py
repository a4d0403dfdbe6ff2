"""Last good: what the SPIRE server held at the start of a term, until its owner is known.

Whoever is about to let an entry go that nobody claims asks here first. An entry
goes only when every object that it may be for was looked at without an error,
or is known not to be there: an object that is unavailable, forbidden, broken or
failing is not absent. SpireEntries tell which objects those are; without them
every object that is in doubt counts.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from api.kinds import NAMESPACE
from api.spiffeid.v1beta1.spireentry import SpireEntry
from registrar.claims.attribution import Sign, scope_of, scopes_of
from registrar.claims.claim import REGISTRAR, Claimant
from registrar.claims.ownership import is_join_token
from registrar.claims.record import key_of
from registrar.identity.entry import Entry, EntryKey
from registrar.kube.store import Store
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

OWNER_INDEX = "owner"
"""Index of the SpireEntry store: uids of ownerReferences and holders."""

ENTRY_ID_INDEX = "entry-id"
"""Index of the SpireEntry store: ``status.entryId``."""


def _owner_uids(obj: SpireEntry) -> Iterator[str]:
    yield from (owner.uid for owner in obj.metadata.owner_references)
    yield from (holder.uid for holder in obj.spec.holders if holder.uid)


def _entry_ids(obj: SpireEntry) -> Iterable[str]:
    return (obj.status.entry_id,) if obj.status.entry_id else ()


RECORD_INDEXES = {OWNER_INDEX: _owner_uids, ENTRY_ID_INDEX: _entry_ids}
"""The indexes of the SpireEntry store."""

SignOf: TypeAlias = Callable[[EntryKey], Sign | None]


def no_sign(_: EntryKey) -> None:
    """In most modes an entry does not say whose it is."""


def _nothing() -> None:
    """Stand in until the wiring connects the release pass."""


class _Looking(NamedTuple):
    """An object in doubt: what its entries say of themselves, and its uid as far as it is known."""

    sign: Sign | None
    uid: str

    def may_be(self, recorded_uid: str) -> bool:
        """Whether a record may mean this object, and not one that had its name before."""
        return not self.uid or not recorded_uid or self.uid == recorded_uid


class LastGood:
    """The entries of the start that nobody has claimed yet, and the objects that are in doubt.

    ``is_own`` tells which records are ours; ``sign_of`` reads in an entry's key whose it is,
    where the mode's keys tell; ``own_namespace`` is where a SpiffeID may select anything.
    """

    def __init__(
        self,
        entries: Iterable[Entry] = (),
        *,
        records: Store[SpireEntry] | None = None,
        is_own: Callable[[SpireEntry], bool] = lambda _: True,
        sign_of: SignOf = no_sign,
        own_namespace: str = "",
    ) -> None:
        self._records = Store(RECORD_INDEXES) if records is None else records
        self._is_own = is_own
        self._sign_of = sign_of
        self._own_namespace = own_namespace
        self._left: dict[EntryKey, Entry] = {}
        self._by_sign: dict[Sign, set[EntryKey]] = {}
        self._unseen: dict[Claimant, _Looking] = {}
        self._unseen_signs: dict[Sign, int] = {}
        self._unseen_scopes: dict[str, dict[Claimant, None]] = {}
        self._settling: dict[Claimant, tuple[EntryKey, ...]] = {}
        self._unavailable: dict[str, str] = {}
        self._said = ""
        self.on_change: Callable[[], None] = _nothing
        """Called when entries that were held may be let go."""
        for entry in entries:
            self.inherit(entry)

    def inherit(self, entry: Entry) -> None:
        """The SPIRE server holds this entry of ours, and nobody has claimed it yet."""
        if is_join_token(entry.key):
            return
        self._left.setdefault(entry.key, entry)
        sign = self._sign_of(entry.key)
        if sign is not None:
            self._by_sign.setdefault(sign, set()).add(entry.key)

    # What an object had.

    def recorded_for(self, uid: str) -> list[EntryKey]:
        """The keys that SpireEntries record for an object."""
        found = (self._records.get(name) for name in self._records.by_index(OWNER_INDEX, uid))
        ours = (obj for obj in found if obj is not None and self._is_own(obj))
        return [key for obj in ours if (key := key_of(obj)) is not None]

    def signed(self, sign: Sign) -> list[Entry]:
        """The entries that say of themselves whose they are, and that nobody has claimed yet."""
        return [self._left[key] for key in self._by_sign.get(sign, ())]

    def signs(self) -> Iterator[Sign]:
        """Whose entries nobody has claimed yet, as far as these tell."""
        return iter(list(self._by_sign))

    # Which objects are in doubt.

    def begin(self, source: Claimant, sign: Sign | None = None, *, uid: str = "") -> None:
        """An object is about to be looked at: in doubt until that ends without an error.

        With its ``uid`` it is not taken for one that had its name before.
        """
        if not self._left:
            return
        self._settling.pop(source, None)
        if source in self._unseen:
            self._forget(source)
        self._doubt(source, _Looking(sign, uid))

    def seen(self, source: Claimant) -> None:
        """An object was looked at without an error, or is known to be gone."""
        if source in self._unseen:
            self._forget(source)
            self._changed()

    def kept(self, source: Claimant) -> None:
        """An object is wrong. Where the entries tell, those that it had are known, as if seen."""
        looking = self._unseen.get(source)
        if looking is not None and looking.sign is not None:
            self.seen(source)

    def claimed(
        self, source: Claimant, keys: Iterable[EntryKey], is_held: Callable[[EntryKey], bool]
    ) -> None:
        """An object was looked at and claims these keys.

        One that asks for what the SPIRE server does not hold yet may have had another entry,
        which must stay until the new one is set; where the entry itself tells, the index does
        that.
        """
        keys = tuple(keys)
        for key in keys:
            self._drop(key)
        looking = self._unseen.get(source, _Looking(None, ""))
        if looking.sign is None and not all(map(is_held, keys)) and self._left:
            if source not in self._unseen:
                self._doubt(source, looking)
            self._settling[source] = keys
            return
        self.seen(source)

    def settle(self, source: Claimant, is_set: Callable[[EntryKey], bool]) -> None:
        """An entry was set: whether all are now that the object asked for."""
        waiting = self._settling.get(source)
        if waiting is not None and all(map(is_set, waiting)):
            self.seen(source)

    def unavailable(self, kind: str, why: str) -> None:
        """The objects of a kind cannot be read, so none of them is known to be absent."""
        self._unavailable[kind] = why

    def available(self, kind: str) -> None:
        """The objects of a kind were all read and looked at."""
        if self._unavailable.pop(kind, None) is not None:
            self._changed()

    # What is held.

    def holds(self, key: EntryKey) -> bool:
        """Whether an entry that nobody claims may be for an object that is in doubt."""
        return key in self._left and self._doubt_of(key) is not None

    def doubt_of(self, key: EntryKey) -> str | None:
        """What keeps an entry that nobody claims, in words; None for nothing."""
        return self._doubt_of(key) if key in self._left else None

    def released(self) -> Iterator[EntryKey]:
        """The keys that nothing holds (any more) and nobody has claimed."""
        for key in list(self._left):
            if self._doubt_of(key) is None:
                self._drop(key)
                yield key

    def report(self) -> None:
        """Say in the log, once for each reason, what is held and for which object."""
        doubts = [doubt for key in self._left if (doubt := self._doubt_of(key)) is not None]
        why = doubts[0] if doubts else ""
        if why and why != self._said:
            log.warning(
                "entries that nobody claims are kept, for they may be for what cannot be read",
                extra=kv(entries=len(doubts), first=why),
            )
        self._said = why

    def _doubt_of(self, key: EntryKey) -> str | None:
        """What keeps an entry, in words; None for nothing."""
        if not self._unseen and not self._unavailable:
            return None
        sign = self._sign_of(key)
        if sign is not None and sign in self._unseen_signs:
            return str(sign)
        owners = self._owners(key)
        for owner, uid in owners:
            if owner.kind in self._unavailable:
                return f"{owner}: {self._unavailable[owner.kind]}"
            looking = self._unseen.get(owner)
            # One that is right takes over from who had its name, as while a registrar runs.
            if looking is not None and (owner in self._settling or looking.may_be(uid)):
                return str(owner)
        if owners:
            return None
        for kind, why in self._unavailable.items():
            return f"{kind}: {why}"
        for scope in scopes_of(key):
            for source in self._unseen_scopes.get(scope, ()):
                return str(source)
        return None

    def _owners(self, key: EntryKey) -> list[tuple[Claimant, str]]:
        """The objects for which the entry is recorded, with their uids; none without a record."""
        owners = []
        for name in self._records.by_index(ENTRY_ID_INDEX, self._left[key].id):
            record = self._records.get(name)
            if record is None or not self._is_own(record) or key_of(record) != key:
                continue
            owners += [
                (Claimant(owner.kind, "", owner.name), owner.uid)
                for owner in record.metadata.owner_references
                if owner.kind != NAMESPACE.kind
            ]
            owners += [
                (Claimant(holder.kind, holder.namespace, holder.name), holder.uid)
                for holder in record.spec.holders
                if holder.kind != REGISTRAR
            ]
        return owners

    def _doubt(self, source: Claimant, looking: _Looking) -> None:
        self._unseen[source] = looking
        sign = looking.sign
        if sign is not None:
            self._unseen_signs[sign] = self._unseen_signs.get(sign, 0) + 1
            return
        scope = scope_of(source, own_namespace=self._own_namespace)
        if scope is not None:
            self._unseen_scopes.setdefault(scope, {})[source] = None

    def _forget(self, source: Claimant) -> None:
        self._settling.pop(source, None)
        sign = self._unseen.pop(source).sign
        if sign is not None:
            left = self._unseen_signs.pop(sign) - 1
            if left:
                self._unseen_signs[sign] = left
            return
        scope = scope_of(source, own_namespace=self._own_namespace)
        if scope is not None:
            sources = self._unseen_scopes[scope]
            sources.pop(source, None)
            if not sources:
                del self._unseen_scopes[scope]

    def _drop(self, key: EntryKey) -> None:
        if self._left.pop(key, None) is None:
            return
        sign = self._sign_of(key)
        if sign is not None:
            keys = self._by_sign[sign]
            keys.discard(key)
            if not keys:
                del self._by_sign[sign]

    def _changed(self) -> None:
        if self._left:
            self.on_change()
