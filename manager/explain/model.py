"""What an explanation says. Values only: whatever shows them decides how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from registrar.claims.claim import Claimant
from registrar.claims.podselectors import Fit
from registrar.claims.serving import Serving
from registrar.claims.templaterules import INPUT_UNKNOWN, RENDER_FAILED
from registrar.claims.unmet import Unmet
from registrar.identity.entry import Attributes, EntryKey

MASKED = "Masked"
"""Reason of an object whose entry an older one has."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of an entry that is not as it was asked for."""

    field: str
    wanted: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryState:
    """The entry on the SPIRE server. ``id`` is empty where there is none.

    ``state`` is a word: set, missing, differs, foreign, refused, failed, unclaimed, withheld, held.
    ``created_at`` is Unix time. ``why`` says more where it is not set, ``remedy`` what to do.
    """

    state: str
    id: str = ""
    created_at: int = 0
    differences: Sequence[Difference] = ()
    why: str = ""
    remedy: str = ""

    @property
    def is_there(self) -> bool:
        """Whether the server holds an entry with the key, whoever made it."""
        return bool(self.id)


@dataclass(frozen=True, slots=True)
class Masked:
    """An object that asks for an entry that another has, and why it does not count, in words."""

    by: Claimant
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One identity that somebody asks for, or that the SPIRE server holds.

    ``by`` is the object that asks for it, None where nobody does; ``masked`` are the others that
    ask for the same entry. ``pending`` are trust domains that it federates with as soon as
    their bundle is there. ``fit`` and ``serving`` are None where no Pod is spoken of, or where
    that cannot be known; ``in_doubt``: what cannot be read would decide whether a workload gets it.
    """

    key: EntryKey
    attributes: Attributes
    by: Claimant | None
    entry: EntryState
    masked: Sequence[Masked] = ()
    pending: Sequence[str] = ()
    fit: Fit | None = None
    serving: Serving | None = None
    in_doubt: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_served(self) -> bool:
        """Whether a workload is known to get it."""
        return self.may_be_served and not self.in_doubt

    @property
    def may_be_served(self) -> bool:
        """Whether nothing that is known keeps a workload from it."""
        fits = self.fit is None or self.fit.is_whole
        return self.entry.is_there and fits and (self.serving is None or not self.serving.unmet)


_REMEDIES = {
    RENDER_FAILED: "correct the template, or give the Pod what it speaks of",
    INPUT_UNKNOWN: "see that the registrar may read what is named, and that it is there: it is "
    "tried again when that comes",
    MASKED: "let one of the two ask for something else, or delete it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """An object that gives nothing here: the first condition that fails, or what is wrong."""

    by: Claimant
    unmet: Unmet | None = None
    reason: str = ""
    message: str = ""

    @property
    def why(self) -> str:
        """What fails, in words."""
        return self.message if self.unmet is None else self.unmet.message

    @property
    def remedy(self) -> str:
        """What to do; most messages that say what is wrong say that themselves."""
        return _REMEDIES.get(self.reason, "") if self.unmet is None else self.unmet.remedy

    @property
    def word(self) -> str:
        """The reason, a CamelCase word."""
        return self.reason if self.unmet is None else self.unmet.reason


@dataclass(frozen=True, slots=True)
class Happened:
    """An Event on one of the objects; ``at`` is the last time, RFC 3339."""

    on: str
    at: str
    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer to one question. ``verdict`` is the one sentence; ``has_identity`` the exit code.

    ``has_identity`` is None where what cannot be read would decide the verdict.

    ``subject`` is what was asked about, ``facts`` what is known of it by name. ``unknown`` is what
    could not be read, with the remedy, so that something may be missing here.
    """

    subject: str
    verdict: str
    has_identity: bool | None
    facts: Mapping[str, str] = field(default_factory=dict)
    identities: Sequence[Identity] = ()
    considered: Sequence[Considered] = ()
    left_out: int = 0
    """How many objects more there are that give nothing here."""
    events: Sequence[Happened] = ()
    unknown: Sequence[str] = ()
