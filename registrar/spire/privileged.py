"""Which SPIFFE IDs are privileged: those of entries with ``admin`` or ``downstream``."""

from collections.abc import Mapping


class PrivilegedIDs:
    """SPIFFE IDs with the IDs of the entries that make them privileged."""

    def __init__(self) -> None:
        self._by_spiffe_id: dict[str, frozenset[str]] = {}
        self._spiffe_id_of: dict[str, str] = {}

    @property
    def by_spiffe_id(self) -> Mapping[str, frozenset[str]]:
        """All of them."""
        return self._by_spiffe_id

    def set(self, entry_id: str, spiffe_id: str) -> None:
        """An entry makes a SPIFFE ID privileged, and no other any more."""
        self.drop(entry_id)
        self._spiffe_id_of[entry_id] = spiffe_id
        before = self._by_spiffe_id.get(spiffe_id, frozenset())
        self._by_spiffe_id[spiffe_id] = before | {entry_id}

    def drop(self, entry_id: str) -> None:
        """An entry makes no SPIFFE ID privileged."""
        spiffe_id = self._spiffe_id_of.pop(entry_id, None)
        if spiffe_id is None:
            return
        left = self._by_spiffe_id[spiffe_id] - {entry_id}
        if left:
            self._by_spiffe_id[spiffe_id] = left
        else:
            del self._by_spiffe_id[spiffe_id]
