"""The steps that the reconcilers of all sources share: bring claims into the index, wake others.

A source is whatever asks for entries: a ClusterSpiffeId, a ClusterStaticEntry,
a Pod under templates.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from api.meta import ObjectKey, ObjectMeta
from controllers.book import ENTRY_ID_INDEX, Book
from controllers.ports import Mirror, Services
from registrar.claims.claim import Claim, Origin, Problem, Source
from registrar.claims.dnsnames import ServiceAddress
from registrar.claims.outcome import PENDING
from registrar.claims.record import key_of
from registrar.errors import Waiting
from registrar.identity.entry import EntryKey, differing

OWNER_INDEX = "owner"
"""Index of the SpireEntry store: uids of ownerReferences and holders."""

Recorded = Callable[[], Iterable[Claim]]
"""Tells what an object asked for before this term, as far as the SPIRE server holds it."""


class Claims:
    """Changes the claim index for one source at a time. No remote call."""

    def __init__(self, book: Book, mirror: Mirror) -> None:
        self._book = book
        self._mirror = mirror

    def put(self, source: Source, claims: Iterable[Claim], recorded: Recorded) -> set[EntryKey]:
        """The source is right and claims this; gives the keys that it touched."""
        book = self._book
        book.problems.pop(source, None)
        # One key in memory instead of two equal ones, tens of thousands of times.
        claims = [self._with_shared_key(claim) for claim in claims]
        touched: set[EntryKey] = set()
        if not book.index.has(source):
            # Seen for the first time in this term: what is recorded for it goes on until the
            # entry that it asks for now exists.
            touched = book.index.replace(source, recorded())
        return touched | book.index.replace(source, claims)

    def keep_last_good(self, source: Source, problem: Problem, recorded: Recorded) -> set[EntryKey]:
        """Fail static: what worked goes on working while the object is wrong.

        After a restart the last good state is what SpireEntries record for
        this object and the SPIRE server holds; nothing new comes of it.
        """
        self._book.problems[source] = problem
        if self._book.index.has(source):
            return set()
        return self._book.index.replace(source, recorded())

    def remove(self, source: Source) -> set[EntryKey]:
        """The source is gone, or not ours."""
        self._book.problems.pop(source, None)
        return self._book.index.remove(source)

    def announce(self, source: Source, touched: set[EntryKey]) -> None:
        """Wake the keys that changed and whoever else claims them."""
        book = self._book
        touched = touched | book.index.settle(source, book.outcomes.is_set)
        for key in touched:
            self._mark_pending(key)
            book.wake.entry(key)
            for claim in book.index.claims(key):
                if claim.source != source:
                    book.wake_claimant(claim)

    def is_known(self, source: Source) -> bool:
        """Whether the SPIRE server has answered to all that the source claims now."""
        book = self._book
        return all(book.outcomes.is_known(claim.key) for claim in book.index.of_source(source))

    def recorded_for(
        self, source: Source, meta: ObjectMeta, *, api_version: str, origin: Origin
    ) -> list[Claim]:
        """What SpireEntries record for an object and the SPIRE server holds."""
        book, claims = self._book, []
        for entry_key in book.spire_entries.by_index(OWNER_INDEX, meta.uid):
            entry = book.spire_entries.get(entry_key)
            key = None if entry is None else key_of(entry)
            if entry is None or key is None or not book.records.is_own(entry):
                continue
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
        entry, records = self._mirror.entry_of(key), self._book.spire_entries
        names = () if entry is None else records.by_index(ENTRY_ID_INDEX, entry.id)
        found = (records.get(name) for name in names)
        return {h.uid for record in found if record for h in record.spec.holders if h.uid}

    def _with_shared_key(self, claim: Claim) -> Claim:
        entry = self._mirror.entry_of(claim.key)
        return claim if entry is None else replace(claim, key=entry.key)

    def _mark_pending(self, key: EntryKey) -> None:
        """Call no entry set whose attributes have just changed."""
        winner, entry = self._book.index.winner(key), self._mirror.entry_of(key)
        if winner is None or not self._book.outcomes.is_set(key):
            return
        if entry is None or differing(self._book.asked(winner), entry.attributes):
            known = self._book.outcomes.get(key).entry_id
            self._book.outcomes.set(key, replace(PENDING, entry_id=known))


def addresses_of(services: Services | None, pod: ObjectKey) -> tuple[ServiceAddress, ...] | None:
    """A Pod's addresses in services, if anybody asks for them; None when they cannot be read.

    Raises Waiting while services are being read.
    """
    if services is None:
        return ()
    if not services.need():
        raise Waiting("ServicesUnknown", "services are being read")
    return None if services.problem() else services.addresses(pod)
