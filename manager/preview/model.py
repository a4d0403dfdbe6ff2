"""What a preview says: what would become of each entry and relationship, and why."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from manager.caches.cache import Unread
from manager.preview.findings import Finding
from registrar.claims.claim import Claim, Claimant
from registrar.identity.entry import Attributes, EntryKey


class Action(Enum):
    """What would become of an entry."""

    CREATE = "create"
    UPDATE = "update"
    ADOPT = "adopt"
    """Somebody else made it under the key that is claimed: it becomes ours, and is put right."""
    DELETE = "delete"
    KEEP = "keep"
    WITHHELD = "withheld"
    """It would be deleted, but a person has to agree to so many deletions first."""
    HELD = "held"
    """Nobody claims it, but it may be for an object that cannot be read or is wrong."""
    BLOCKED = "blocked"
    """An entry that somebody else made is in the way, and may not be taken over."""
    REFUSED = "refused"
    """It is claimed, but whoever claims it may not have it."""
    FAILED = "failed"
    """The SPIRE server would refuse it, or what it needs is not there yet."""

    @property
    def is_change(self) -> bool:
        """Whether something on the SPIRE server becomes another one."""
        return self in _CHANGES

    @property
    def is_obstacle(self) -> bool:
        """Whether something is not as it was asked for."""
        return self in {Action.WITHHELD, Action.BLOCKED, Action.REFUSED, Action.FAILED}


_CHANGES = frozenset({Action.CREATE, Action.UPDATE, Action.ADOPT, Action.DELETE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What would become of one entry. ``before`` and ``after`` are None where it is not there.

    For one that is BLOCKED ``before`` is what stands in the way, ``after`` what is asked for, and
    ``fields`` what an adoption would change. ``claims`` has the one first whose attributes count;
    ``recorded_for`` are the objects that an entry was for which nobody claims any more.
    ``pending`` are trust domains that the entry is set without until their bundle is there.
    """

    action: Action
    key: EntryKey
    entry_id: str
    before: Attributes | None
    after: Attributes | None
    fields: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    recorded_for: tuple[Claimant, ...] = ()
    pending: tuple[str, ...] = ()
    why: str = ""
    expired_at: int = 0
    """When the server would have removed it by itself, if the update takes that away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationChange:
    """What would become of a federation relationship, or of a bundle given without one."""

    action: Action
    trust_domain: str
    what: str
    """``relationship`` or ``bundle``."""
    before: str = ""
    after: str = ""
    objects: tuple[Claimant, ...] = ()
    """The ClusterFederatedTrustDomains that name it, the one that counts first."""
    gives_bundle: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much of what."""

    entries: Mapping[Action, int]
    relationships: Mapping[Action, int]
    objects: Mapping[str, int]
    """How many objects of each kind were read."""
    own: int
    """How many entries on the SPIRE server are ours."""
    foreign: int
    """How many of them are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Everything that can be said of what a registrar would do."""

    mode: str
    prefix: str
    entries: Sequence[Change]
    relationships: Sequence[FederationChange]
    findings: Sequence[Finding]
    """What is wrong with single objects."""
    held_by: str
    """Why a registrar would wait before it did anything: another one holds the prefix; or empty."""
    unread: Sequence[Unread]
    """What could not be read: the rest is as a registrar would see it that cannot either."""
    left_out: int
    """How many documents of the manifests are of kinds that say nothing to a registrar."""
    withheld: str
    """Why deletions would be withheld; empty where they would not."""
    counts: Counts

    @property
    def changes(self) -> list[Change]:
        """The entries that would become others, or are not as they were asked for."""
        return [change for change in self.entries if change.action is not Action.KEEP]

    @property
    def has_changes(self) -> bool:
        """Whether anything on the SPIRE server would become another."""
        return any(action.is_change for action in self._actions)

    @property
    def has_deletions(self) -> bool:
        """Whether anything would be deleted, or would be if a person agreed."""
        return not self._actions.isdisjoint({Action.DELETE, Action.WITHHELD})

    @property
    def _actions(self) -> set[Action]:
        return {*self.counts.entries, *self.counts.relationships}


def counted(changes: Sequence[Change | FederationChange]) -> dict[Action, int]:
    """How many there are of each action, in the actions' order."""
    numbers = Counter(change.action for change in changes)
    return {action: numbers[action] for action in Action if numbers[action]}
