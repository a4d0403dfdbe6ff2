"""The registration entry: its key, its attributes, and how two of them differ.

The key (SPIFFE ID, parent ID and the *set* of selectors) is what a SPIRE
server refuses to hold twice. Everything else is an attribute and can be
changed in place.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields

from registrar.identity.selectors import Selector, canonical


@dataclass(frozen=True, slots=True)
class EntryKey:
    """What makes an entry unique on a SPIRE server. Build it with ``of``."""

    spiffe_id: str
    parent_id: str
    selectors: tuple[Selector, ...]

    @classmethod
    def of(cls, spiffe_id: str, parent_id: str, selectors: Iterable[Selector]) -> "EntryKey":
        """The key with its selectors in canonical order."""
        return cls(spiffe_id, parent_id, canonical(selectors))


@dataclass(frozen=True, slots=True)
class Attributes:
    """Everything of an entry that may change while it stays the same entry.

    TTLs are seconds, 0 for the server's default. ``dns_names`` keep their
    order (the first becomes the common name); ``federates_with`` is sorted.
    """

    x509_svid_ttl: int = 0
    jwt_svid_ttl: int = 0
    federates_with: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    admin: bool = False
    downstream: bool = False
    store_svid: bool = False
    hint: str = ""

    @property
    def is_privileged(self) -> bool:
        """Whether the server trusts its workload: as an administrator, or with its authority."""
        return self.admin or self.downstream


ATTRIBUTE_NAMES: tuple[str, ...] = tuple(f.name for f in fields(Attributes))
"""Names of the attributes; they are the field names of the SPIRE API as well."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A registration entry as the SPIRE server holds it, or should.

    ``revision_number`` counts the server's updates; it and the times (Unix
    seconds, 0 for unknown or never) are the server's to set.
    """

    id: str
    key: EntryKey
    attributes: Attributes = field(default_factory=Attributes)
    revision_number: int = 0
    created_at: int = 0
    expires_at: int = 0


def differing(wanted: Attributes, seen: Attributes) -> frozenset[str]:
    """Names of the attributes in which two differ; lists of trust domains compare as sets."""
    names = {name for name in ATTRIBUTE_NAMES if getattr(wanted, name) != getattr(seen, name)}
    if set(wanted.federates_with) == set(seen.federates_with):
        names.discard("federates_with")
    return frozenset(names)
