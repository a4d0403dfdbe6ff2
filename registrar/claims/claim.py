"""What a claim is: one object asking for one entry.

Every source of identity becomes claims; everything after this point (who wins,
what is recorded, what is written to SPIRE) knows claims only.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from registrar.identity.entry import Attributes, EntryKey


class Origin(Enum):
    """Who chose the SPIFFE ID; decides which IDs are allowed."""

    REGISTRAR = "registrar"
    """The registrar itself, for the alias of the cluster's agents."""

    WRITTEN = "written"
    """A person with write access to a cluster-scoped kind."""

    POD = "pod"
    """A Pod's label, annotation or service account, or a SpiffeID: whoever may write in a
    namespace."""


REGISTRAR = "Registrar"
"""Kind of the source that the registrar itself is."""


class Claimant(NamedTuple):
    """The object behind a claim, by kind and name; namespace empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """``Kind namespace/name``."""
        return f"{self.kind} {self.namespace + '/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True, slots=True)
class Claim:
    """One object asks for one entry.

    ``source`` is the object whose change brings another claim; ``template``,
    if any, the object that made it ask: the ClusterSPIFFEID behind a Pod's
    claim. With ``is_made`` it is the object that we make for a Pod or Node, which
    records the claim as a SpireEntry does, and alone stands in there for the source.
    ``api_version``, ``uid`` and ``created`` are those of ``subject``,
    ``source_uid`` that of a source with a template. ``uid`` is empty while an object
    that we make is not stored yet; ``created`` is its creationTimestamp
    (RFC 3339, so it sorts as text), empty while unknown, which counts as youngest.
    ``namespace_uid`` is that of a namespaced subject's Namespace, where that is known.
    """

    source: Claimant
    key: EntryKey
    attributes: Attributes
    origin: Origin
    api_version: str = ""
    uid: str = ""
    created: str = ""
    template: Claimant | None = None
    source_uid: str = ""
    namespace_uid: str = ""
    is_made: bool = False

    @property
    def subject(self) -> Claimant:
        """The object that owns the record and whose status tells of the claim."""
        return self.template or self.source

    @property
    def holder(self) -> Claimant:
        """The object that people know as the one that asks."""
        return self.subject if self.is_made else self.source

    @property
    def holder_uid(self) -> str:
        """Its uid."""
        return self.uid if self.is_made else self.source_uid or self.uid

    @property
    def is_own(self) -> bool:
        """Whether the registrar itself asks, for the alias of the cluster's agents."""
        return self.source.kind == REGISTRAR

    @property
    def may_yield(self) -> bool:
        """Whether somebody who may write in one namespace asks for a privilege."""
        return self.origin is Origin.POD and self.attributes.is_privileged

    @property
    def seniority(self) -> tuple[str, str, Claimant]:
        """Sorts claims from the oldest to the youngest."""
        return (self.created or "~", self.uid, self.holder)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a source, in words for its condition and Event.

    ``reason`` is a CamelCase word; ``message`` names field, value and remedy.
    """

    reason: str
    message: str
