"""The claim index: who asks for which entry, right now.

It lives in memory and is rebuilt from the sources at start, so it is never the
only copy of anything. A source whose claims change keeps its old ones as
*retiring* until all its new entries are set on the SPIRE server (create before
delete); only then they are dropped.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from registrar.claims.claim import Claim, Claimant, Origin
from registrar.identity.entry import EntryKey

T = TypeVar("T")


class ClaimIndex:
    """Claims by source and by entry key. Every change returns the keys that it touched."""

    def __init__(self) -> None:
        # Nearly all of these hold one claim, for which a tuple is a fifth of a dictionary.
        self._current: dict[Claimant, tuple[Claim, ...]] = {}
        self._retiring: dict[Claimant, tuple[Claim, ...]] = {}
        self._by_key: dict[EntryKey, tuple[Claim, ...]] = {}
        # Most SPIFFE IDs are of one key; those of a service account may be of thousands.
        self._by_spiffe_id: dict[str, tuple[EntryKey, ...] | set[EntryKey]] = {}
        self._privileged: dict[str, set[tuple[Claimant, EntryKey]]] = {}
        self._yielding: dict[str, set[tuple[Claimant, EntryKey]]] = {}
        # By namespace, of the SPIFFE IDs of claims that may yield only: these are few.
        self._plain: dict[str, dict[str, dict[tuple[Claimant, EntryKey], Claim]]] = {}

    def replace(self, source: Claimant, claims: Iterable[Claim]) -> set[EntryKey]:
        """Replace what ``source`` claims; keys that it gives up begin to retire."""
        old = {claim.key: claim for claim in self._current.get(source, ())}
        new = {claim.key: _sharing(claim, old.get(claim.key)) for claim in claims}
        retiring = {claim.key: claim for claim in self._retiring.get(source, ())}
        touched = {key for key, claim in new.items() if old.get(key) != claim}
        for key in old.keys() - new.keys():
            retiring[key] = old[key]
            touched.add(key)
        for key in new.keys() & retiring.keys():
            del retiring[key]
            touched.add(key)
        self._store(self._current, source, new)
        self._store(self._retiring, source, retiring)
        return self._linked(source, touched)

    def remove(self, source: Claimant) -> set[EntryKey]:
        """Forget a source that is known to be gone, retiring claims included."""
        gone = (*self._current.pop(source, ()), *self._retiring.pop(source, ()))
        return self._linked(source, {claim.key for claim in gone})

    def settle(self, source: Claimant, is_set: Callable[[EntryKey], bool]) -> set[EntryKey]:
        """Drop the retiring claims of ``source`` if all its current entries are set."""
        if source not in self._retiring:
            return set()
        if not all(is_set(claim.key) for claim in self._current.get(source, ())):
            return set()
        return self._linked(source, {claim.key for claim in self._retiring.pop(source)})

    def claims(self, key: EntryKey) -> list[Claim]:
        """All claims on an entry, the one that decides its attributes first.

        That is the oldest; one that may not be served comes after those, or it would deny the
        entry to who may have it, and a retiring claim after all that are current.
        """

        def rank(claim: Claim) -> tuple[bool, bool, tuple[str, str, Claimant]]:
            return self.is_retiring(claim), self.is_refused(claim), claim.seniority

        return sorted(self._by_key.get(key, ()), key=rank)

    def why_behind(self, claim: Claim, winner: Claim) -> str:
        """Why a claim on an entry does not count where another one does, in words."""
        if self.is_retiring(claim) and not self.is_retiring(winner):
            return "about to give it up"
        if self.is_refused(claim) and not self.is_refused(winner):
            return "refused, for it may not have that SPIFFE ID"
        return "younger"

    def winner(self, key: EntryKey) -> Claim | None:
        """The claim whose attributes count, or None when nobody claims the entry."""
        held = self._by_key.get(key)
        if not held:
            return None
        if len(held) == 1:
            return held[0]
        return self.claims(key)[0]

    def of_source(self, source: Claimant) -> list[Claim]:
        """The current claims of one source."""
        return list(self._current.get(source, ()))

    def has(self, source: Claimant) -> bool:
        """Whether the source claims anything, now or still."""
        return source in self._current or source in self._retiring

    def is_retiring(self, claim: Claim) -> bool:
        """Whether the claim stands only until its successor is set."""
        return _of_key(self._current.get(claim.source, ()), claim.key) is None

    def keys(self) -> Iterator[EntryKey]:
        """Every key that somebody claims."""
        return iter(list(self._by_key))

    def __contains__(self, key: object) -> bool:
        """Whether somebody claims the key."""
        return key in self._by_key

    def __len__(self) -> int:
        """How many keys are claimed."""
        return len(self._by_key)

    def keys_of(self, spiffe_id: str) -> frozenset[EntryKey]:
        """The claimed keys with this SPIFFE ID."""
        return frozenset(self._by_spiffe_id.get(spiffe_id, ()))

    def is_privileged(self, spiffe_id: str) -> bool:
        """Whether a claim other than a Pod's makes this SPIFFE ID admin or downstream."""
        return spiffe_id in self._privileged

    def yields_to(self, claim: Claim) -> Claim | None:
        """The claim of another namespace that a privileged one of a namespace may not outdo.

        SPIRE would give the privilege to all workloads with the SPIFFE ID, so who may write in
        one namespace may not ask for it where another namespace, or somebody with rights on the
        whole cluster, has the same SPIFFE ID without. Age does not count: a workload that is
        restarted would else become the younger one.
        """
        if not claim.may_yield:
            return None
        for namespace, others in self._plain.get(claim.key.spiffe_id, {}).items():
            if namespace != claim.source.namespace:
                return next(iter(others.values()))
        return None

    def is_refused(self, claim: Claim) -> bool:
        """Whether another claim keeps who may write in a namespace from having this SPIFFE ID."""
        if claim.origin is not Origin.POD:
            return False
        return self.is_privileged(claim.key.spiffe_id) or self.yields_to(claim) is not None

    def yielding(self) -> list[EntryKey]:
        """The keys of privileged claims that yield to others of the same SPIFFE ID."""
        return [key for claims in self._yielding.values() for _, key in claims]

    @staticmethod
    def _store(
        table: dict[Claimant, tuple[Claim, ...]], source: Claimant, claims: dict[EntryKey, Claim]
    ) -> None:
        if claims:
            table[source] = tuple(claims.values())
        else:
            table.pop(source, None)

    def _linked(self, source: Claimant, keys: set[EntryKey]) -> set[EntryKey]:
        """Link those keys; gives them and those of the same SPIFFE ID that they may concern.

        That are all when the ID became privileged, or is no more, and those that may yield when
        what they yield to came or went. One of them concerns the others not: who writes many
        could else make all be looked at with each.
        """
        touched = set(keys)
        for key in keys:
            spiffe_id = key.spiffe_id
            was_privileged, before = self.is_privileged(spiffe_id), self._namespaces_of(spiffe_id)
            self._link(source, key)
            if self.is_privileged(spiffe_id) != was_privileged:
                touched |= self.keys_of(spiffe_id)
            if self._namespaces_of(spiffe_id) != before:
                touched |= {other for _, other in self._yielding.get(spiffe_id, ())}
        return touched

    def _namespaces_of(self, spiffe_id: str) -> tuple[str, ...]:
        """In which namespaces the ID is claimed without a privilege, if a claim may yield to it."""
        return tuple(sorted(self._plain.get(spiffe_id, ())))

    def _link(self, source: Claimant, key: EntryKey) -> None:
        """Bring the lookups in line with what the source claims or retires."""
        claim = _of_key(self._current.get(source, ()), key)
        claim = claim or _of_key(self._retiring.get(source, ()), key)
        held = tuple(c for c in self._by_key.get(key, ()) if c.source != source)
        if claim is not None:
            held = (*held, claim)
        if held:
            self._by_key[key] = held
        else:
            self._by_key.pop(key, None)
        may_yield = claim is not None and claim.may_yield
        is_privileged = claim is not None and claim.attributes.is_privileged and not may_yield
        _mark(self._privileged, key.spiffe_id, (source, key), present=is_privileged)
        _mark(self._yielding, key.spiffe_id, (source, key), present=may_yield)
        self._link_spiffe_id(key, present=bool(held))
        self._link_plain(source, key, claim)

    def _link_spiffe_id(self, key: EntryKey, *, present: bool) -> None:
        """Bring in line whether the key is one of its SPIFFE ID's."""
        spiffe_id = key.spiffe_id
        keys = self._by_spiffe_id.get(spiffe_id, ())
        if isinstance(keys, set):
            if present:
                keys.add(key)
                return
            keys.discard(key)
            if not keys:
                del self._by_spiffe_id[spiffe_id]
        elif present:
            self._by_spiffe_id[spiffe_id] = {*keys, key} if keys and key not in keys else (key,)
        elif key in keys:
            del self._by_spiffe_id[spiffe_id]

    def _link_plain(self, source: Claimant, key: EntryKey, claim: Claim | None) -> None:
        """Bring in line what claims of the SPIFFE ID that may yield yield to."""
        if key.spiffe_id not in self._yielding:
            self._plain.pop(key.spiffe_id, None)
            return
        if key.spiffe_id not in self._plain:
            self._plain[key.spiffe_id] = {}
            for other in self._by_spiffe_id.get(key.spiffe_id, ()):
                for found in self._by_key.get(other, ()):
                    self._note_plain(found.source, other, found)
        self._note_plain(source, key, claim)

    def _note_plain(self, source: Claimant, key: EntryKey, claim: Claim | None) -> None:
        plain = self._plain[key.spiffe_id]
        claims = plain.setdefault(source.namespace, {})
        if claim is not None and not claim.attributes.is_privileged:
            claims[source, key] = claim
        else:
            claims.pop((source, key), None)
        if not claims:
            del plain[source.namespace]


def _sharing(claim: Claim, before: Claim | None) -> Claim:
    """The claim with what is equal in an earlier one of the same key: nothing is held twice."""
    if before is None or claim == before:
        return before or claim
    return replace(claim, key=before.key)


def _of_key(claims: tuple[Claim, ...], key: EntryKey) -> Claim | None:
    return next((claim for claim in claims if claim.key == key), None)


def _mark(table: dict[str, set[T]], name: str, value: T, *, present: bool) -> None:
    """Put a value into the set of that name, or out of it; an empty set goes."""
    if present:
        table.setdefault(name, set()).add(value)
        return
    values = table.get(name)
    if values is not None:
        values.discard(value)
        if not values:
            del table[name]
