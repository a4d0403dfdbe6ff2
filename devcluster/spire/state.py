"""What the embedded server holds: entries, bundles, federation relationships.

The synchronous look at the server's store, and the way to change it behind
the clients' backs. Checks of what clients send live with the services.
"""

import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import TypeAlias

from api.proto import types_pb2
from devcluster.spire.numbered import Numbered
from devcluster.spire.validation import id_text

Key: TypeAlias = tuple[str, str, frozenset[tuple[str, str]]]


PRUNE_SECONDS = 300.0
"""How often a server looks for entries whose time is over."""


def key_of(entry: types_pb2.Entry) -> Key:
    """What a server refuses to hold twice: SPIFFE ID, parent ID, the set of selectors."""
    return (
        id_text(entry.spiffe_id),
        id_text(entry.parent_id),
        frozenset((selector.type, selector.value) for selector in entry.selectors),
    )


class EntryState:
    """The store. ``clock`` gives Unix seconds; entries that it has outlived go in a while."""

    def __init__(self, trust_domain: str, *, clock: Callable[[], float]) -> None:
        self.trust_domain = trust_domain
        self.clock = clock
        self.bundles: Numbered[types_pb2.Bundle] = Numbered()
        self.agents: Numbered[types_pb2.Agent] = Numbered()
        """By SPIFFE ID."""
        self.relationships: Numbered[types_pb2.FederationRelationship] = Numbered()
        self._entries: dict[str, types_pb2.Entry] = {}
        self._serials: dict[str, int] = {}
        self._by_serial: dict[int, str] = {}
        self._by_key: dict[Key, list[str]] = {}
        self._expiring: set[str] = set()
        self._prune_at: float | None = None
        self._next_serial = 1

    def entries(self) -> list[types_pb2.Entry]:
        """All entries in the order of their creation. The messages are the store's own."""
        self.prune()
        return list(self._entries.values())

    def get(self, entry_id: str) -> types_pb2.Entry | None:
        """One entry, or None."""
        self.prune()
        return self._entries.get(entry_id)

    def similar(self, entry: types_pb2.Entry) -> types_pb2.Entry | None:
        """The oldest entry with the same key, or None."""
        self.prune()
        ids = self._by_key.get(key_of(entry))
        return self._entries[min(ids, key=self._serials.__getitem__)] if ids else None

    def put(self, entry: types_pb2.Entry) -> types_pb2.Entry:
        """Store a copy as a new entry, or in place of the one with its ID.

        Unchecked. Without an ID it gets one; the revision number follows the
        one that was there, and the creation time stays.
        """
        stored = types_pb2.Entry()
        stored.CopyFrom(entry)
        stored.id = entry.id or str(uuid.uuid4())
        before = self._entries.get(stored.id)
        if before is not None:
            self._drop_key(before)
            stored.revision_number = before.revision_number + 1
            stored.created_at = before.created_at
        else:
            stored.revision_number = 0
            stored.created_at = int(self.clock())
            self._serials[stored.id] = self._next_serial
            self._by_serial[self._next_serial] = stored.id
            self._next_serial += 1
        self._entries[stored.id] = stored
        self._by_key.setdefault(key_of(stored), []).append(stored.id)
        if stored.expires_at:
            self._expiring.add(stored.id)
        else:
            self._expiring.discard(stored.id)
        return stored

    def dissociate(self, trust_domain: str) -> None:
        """Take a trust domain out of every entry that federates with it.

        The revision number stays, as on SPIRE's own server.
        """
        for entry in self._entries.values():
            if trust_domain in entry.federates_with:
                entry.federates_with.remove(trust_domain)

    def delete(self, entry_id: str) -> bool:
        """Remove an entry; False when there was none."""
        self.prune()
        return self._remove(entry_id)

    def clear(self) -> None:
        """Remove all entries; bundles and relationships stay."""
        for entry_id in list(self._entries):
            self._remove(entry_id)

    def page(self, after: int) -> Iterator[tuple[int, types_pb2.Entry]]:
        """Entries in order of creation from the one after that serial number, with their own."""
        self.prune()
        serials = list(self._by_serial)
        for serial in serials[bisect_right(serials, after) :]:
            yield serial, self._entries[self._by_serial[serial]]

    def is_admin(self, spiffe_id: str) -> bool:
        """Whether an ``admin`` entry gives that SPIFFE ID away."""
        return any(
            entry.admin and id_text(entry.spiffe_id) == spiffe_id for entry in self.entries()
        )

    def knows_bundle(self, trust_domain: str) -> bool:
        """Whether entries may federate with a trust domain."""
        return trust_domain == self.trust_domain or trust_domain in self.bundles

    def prune(self) -> None:
        """Forget the entries whose time is over, every few minutes as a server does."""
        if not self._expiring:
            self._prune_at = None
            return
        now = self.clock()
        if self._prune_at is None:
            self._prune_at = now + PRUNE_SECONDS
        if now < self._prune_at:
            return
        self._prune_at = now + PRUNE_SECONDS
        for entry_id in [i for i in self._expiring if self._entries[i].expires_at <= now]:
            self._remove(entry_id)

    def _remove(self, entry_id: str) -> bool:
        entry = self._entries.pop(entry_id, None)
        if entry is None:
            return False
        self._drop_key(entry)
        self._expiring.discard(entry_id)
        del self._by_serial[self._serials.pop(entry_id)]
        return True

    def _drop_key(self, entry: types_pb2.Entry) -> None:
        key = key_of(entry)
        ids = self._by_key[key]
        ids.remove(entry.id)
        if not ids:
            del self._by_key[key]
