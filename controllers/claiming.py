"""The steps that all reconcilers share that claim: bring claims into the index, wake others.

The reconcilers of Pods, ClusterSpiffeIds and whatever else asks for entries call it for one
object at a time. It makes no remote call and decides nothing about what may be claimed.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from api.meta import ObjectMeta
from controllers.lastgood import ENTRY_ID_INDEX
from controllers.ports import Mirror
from controllers.shared import SharedState
from registrar.claims.attribution import Sign
from registrar.claims.claim import Claim, Claimant, Origin, Problem
from registrar.claims.outcome import PENDING
from registrar.identity.entry import EntryKey, differing

Recorded = Callable[[], Iterable[Claim]]
"""Tells what an object asked for before this term, as far as the SPIRE server holds it."""


class Claims:
    """Changes the claim index for one source at a time. No remote call."""

    def __init__(self, shared: SharedState, mirror: Mirror) -> None:
        self._shared = shared
        self._mirror = mirror

    def begin(self, source: Claimant, sign: Sign | None = None, *, uid: str = "") -> None:
        """The source is about to be looked at; ``sign`` is what its entries say of themselves.

        Until ``put`` or ``remove``, what the SPIRE server may hold for it stays.
        """
        self._shared.last_good.begin(source, sign, uid=uid)

    def put(self, source: Claimant, claims: Iterable[Claim], recorded: Recorded) -> set[EntryKey]:
        """The source is right and claims this; gives the keys that it touched."""
        shared = self._shared
        shared.problems.pop(source, None)
        # One value in memory instead of two equal ones, tens of thousands of times.
        known = shared.index.of_source(source)
        claimant = known[0].source if known else source
        claims = [self._one_in_memory(claim, claimant) for claim in claims]
        touched: set[EntryKey] = set()
        if not shared.index.has(source):
            # Seen for the first time in this term: what is recorded for it goes on until the
            # entry that it asks for now exists. What is not there does not begin by that.
            held = [claim for claim in recorded() if self._is_held(claim.key)]
            touched = shared.index.replace(source, held)
        new = {claim.key for claim in claims}
        had = (claim.key for claim in shared.index.of_source(source))
        shared.departed.left(source, (key for key in had if key not in new))
        for key in new:
            shared.departed.done(key)
        touched |= shared.index.replace(source, claims)
        shared.last_good.claimed(source, new, self._is_held)
        return touched

    def keep_last_good(
        self, source: Claimant, problem: Problem | None, recorded: Recorded
    ) -> set[EntryKey]:
        """Fail static: what worked goes on working while the object is wrong.

        ``problem`` is what its status shows, if it has one. After a restart the last good state
        is what SpireEntries record for this object and the SPIRE server holds; nothing new
        comes of it.
        """
        if problem is None:
            self._shared.problems.pop(source, None)
        else:
            self._shared.problems[source] = problem
        self._shared.last_good.kept(source)
        if self._shared.index.has(source):
            return set()
        return self._shared.index.replace(source, recorded())

    def keep_in_doubt(self, source: Claimant, recorded: Recorded) -> set[EntryKey]:
        """Fail static: nothing can be said of the source, so it stays in doubt with what it had."""
        if self._shared.index.has(source):
            return set()
        return self._shared.index.replace(source, recorded())

    def remove(self, source: Claimant) -> set[EntryKey]:
        """The source is gone, or not ours."""
        self._shared.problems.pop(source, None)
        self._shared.last_good.seen(source)
        touched = self._shared.index.remove(source)
        self._shared.departed.left(
            source, (key for key in touched if key not in self._shared.index)
        )
        return touched

    def announce(self, source: Claimant, touched: set[EntryKey]) -> None:
        """Wake the keys that changed and whoever else claims them."""
        shared = self._shared
        touched = touched | shared.settle(source)
        for key in touched:
            self._mark_pending(key)
            shared.wake.entry(key)
            for claim in shared.index.claims(key):
                if claim.source != source:
                    shared.wake_claimant(claim)

    def is_known(self, source: Claimant) -> bool:
        """Whether the SPIRE server has answered to all that the source claims now."""
        shared = self._shared
        return all(shared.outcomes.is_known(claim.key) for claim in shared.index.of_source(source))

    def recorded_for(
        self, source: Claimant, meta: ObjectMeta, *, api_version: str, origin: Origin
    ) -> list[Claim]:
        """What SpireEntries record for an object and the SPIRE server holds."""
        claims = []
        for key in self._shared.last_good.recorded_for(meta.uid):
            held = self._mirror.entry_of(key)
            if held is None:
                continue
            claims.append(
                Claim(
                    source=source,
                    key=key,
                    # Not what the record says: whoever can write records must gain nothing.
                    attributes=held.attributes,
                    origin=origin,
                    api_version=api_version,
                    uid=meta.uid,
                    created=meta.creation_timestamp or "",
                )
            )
        return claims

    def holders(self, key: EntryKey) -> set[str]:
        """The uids of those for whom the entry of a key is recorded; empty without a record."""
        entry, records = self._mirror.entry_of(key), self._shared.spire_entries
        names = () if entry is None else records.by_index(ENTRY_ID_INDEX, entry.id)
        found = (records.get(name) for name in names)
        return {h.uid for record in found if record for h in record.spec.holders if h.uid}

    def _one_in_memory(self, claim: Claim, source: Claimant) -> Claim:
        entry = self._mirror.entry_of(claim.key)
        return replace(claim, source=source, key=claim.key if entry is None else entry.key)

    def _is_held(self, key: EntryKey) -> bool:
        return self._mirror.entry_of(key) is not None

    def _mark_pending(self, key: EntryKey) -> None:
        """Call no entry set whose attributes have just changed."""
        winner, entry = self._shared.index.winner(key), self._mirror.entry_of(key)
        if winner is None or not self._shared.outcomes.is_set(key):
            return
        if entry is None or differing(self._shared.asked(winner), entry.attributes):
            known = self._shared.outcomes.get(key).entry_id
            self._shared.outcomes.set(key, replace(PENDING, entry_id=known))
