"""What one term of leadership knows: claims, outcomes, names, problems. No rules, no I/O.

The reconcilers of a term share this one state. It is built afresh at every start,
out of the stores and the SPIRE server.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace

from api.meta import ObjectKey
from api.spiffeid.v1beta1.spireentry import SpireEntry
from controllers.lastgood import ENTRY_ID_INDEX, LastGood
from controllers.wakeups import Wakeups
from registrar.claims.claim import Claim, Claimant, Problem
from registrar.claims.departed import Departed
from registrar.claims.federation import Federating, resolve
from registrar.claims.index import ClaimIndex
from registrar.claims.instance import Records
from registrar.claims.marks import Marks
from registrar.claims.naming import Naming
from registrar.claims.outcome import Outcomes, State
from registrar.claims.ownership import entry_id, is_ours
from registrar.claims.record import key_of
from registrar.identity.entry import Attributes, Entry, EntryKey
from registrar.kube.slots import Backlog
from registrar.kube.store import Store


def _none() -> None:
    """Stand in where the SPIRE server was not asked for its bundles."""


@dataclass(slots=True)
class SharedState:
    """The knowledge of one term."""

    trust_domain: str
    cluster: str
    class_name: str
    prefix: str
    """What the IDs of our entries begin with."""
    records: Records
    """Whose a SpireEntry is."""
    naming: Naming
    spire_entries: Store[SpireEntry]
    own_entry: Callable[[str], Entry | None]
    """The entry with that ID among ours on the SPIRE server."""
    former_prefixes: tuple[str, ...] = ()
    """What earlier versions had them begin with; other registrars may have had the same."""
    last_good: LastGood = field(default_factory=LastGood)
    """What the SPIRE server held at the start, and which objects are in doubt."""
    index: ClaimIndex = field(default_factory=ClaimIndex)
    departed: Departed = field(default_factory=Departed)
    """Pods and Nodes that were seen to go, and the keys that they left."""
    outcomes: Outcomes = field(default_factory=Outcomes)
    problems: dict[Claimant, Problem] = field(default_factory=dict)
    known_domains: Callable[[], Collection[str] | None] = _none
    """The trust domains whose bundle the SPIRE server holds; None while that is not known."""
    federating: Federating = field(default_factory=Federating)
    failing: Marks = field(default_factory=Marks)
    """Keys whose entry is not as it was asked for, by who asks."""
    unfederated: Marks = field(default_factory=Marks)
    """Keys whose entry waits for the bundle of a trust domain, by who asks."""
    wake: Wakeups = field(default_factory=Wakeups)
    backlog: Backlog = field(default_factory=Backlog)
    """How many entries wait for the SPIRE server; what is written in Kubernetes waits behind."""
    released: set[str] = field(default_factory=set)
    """SpireEntries whose entry was deleted in this term and that are to follow it."""
    leaving: set[EntryKey] = field(default_factory=set)
    """Keys whose entry is being deleted: whoever claims one now finds it neither set nor there."""
    has_seen_all: bool = False
    """Whether every source was looked at, so that what is claimed is known."""
    postponed: set[EntryKey] = field(default_factory=set)
    """Keys whose entry is to be changed once it is known who of all asks for it first."""
    withheld: str = ""
    """Why deletions are withheld, for the condition on the registrar's own SpireEntry."""
    withheld_count: int = 0
    _names: dict[EntryKey, str] = field(default_factory=dict)
    _holders: dict[str, EntryKey] = field(default_factory=dict)

    def name_of(self, key: EntryKey) -> str:
        """The name of the key's SpireEntry; chosen once, kept until ``forget``."""
        name = self._names.get(key)
        if name is None:
            name = self.naming.choose(key, self._holder_of)
            self._names[key] = name
            self._holders[name] = key
        return name

    def known_name_of(self, key: EntryKey) -> str:
        """The name of the key's SpireEntry if one was chosen, else the empty text."""
        return self._names.get(key, "")

    def holder(self, name: str) -> EntryKey | None:
        """The key that the name was chosen for in this term."""
        return self._holders.get(name)

    def rename(self, key: EntryKey, *, taken_by: EntryKey) -> None:
        """Give up the key's name: the SPIRE server holds another key under its entry ID.

        While the server was asked the key may have been released and forgotten, name and all.
        """
        name = self._names.pop(key, None)
        if name is not None:
            self._holders[name] = taken_by

    def forget(self, key: EntryKey) -> None:
        """Drop what is known of a key that is released and no longer recorded."""
        name = self._names.pop(key, None)
        if name is not None:
            self._holders.pop(name, None)
        self.outcomes.forget(key)
        self.federating.note(key, ())
        self.note(key)

    def asked(self, claim: Claim) -> Attributes:
        """The attributes to set now: without trust domains that the server does not know yet."""
        wanted = claim.attributes.federates_with
        if not wanted:
            return claim.attributes
        return replace(
            claim.attributes, federates_with=resolve(wanted, self.known_domains()).domains
        )

    def settle(self, source: Claimant) -> set[EntryKey]:
        """Let go what a source asked for before, if all that it asks for now is set."""
        self.last_good.settle(source, self._is_set)
        return self.index.settle(source, self._is_set)

    def _is_set(self, key: EntryKey) -> bool:
        return key not in self.leaving and self.outcomes.is_set(key)

    def note(self, key: EntryKey) -> None:
        """Let the marks on a key follow its outcome and its claims."""
        outcome = self.outcomes.get(key)
        is_failing = outcome.state in {State.FAILED, State.REFUSED, State.LATE}
        for marks, is_marked in ((self.failing, is_failing), (self.unfederated, outcome.pending)):
            if is_marked or marks.has(key):
                claims = self.index.claims(key) if is_marked else ()
                for subject in marks.mark(key, (claim.subject for claim in claims)):
                    self.wake.status(subject)

    def wake_claimant(self, claim: Claim) -> None:
        """Let who asks for an entry see that another asks for it too, or no more."""
        if claim.template is not None and not claim.is_made:
            # Only its Pod can tell whether it is masked.
            self.wake.pod(ObjectKey(claim.source.namespace, claim.source.name))
        else:
            self.wake.status(claim.subject)

    def wake_sources(self, key: EntryKey) -> None:
        """Let every object that claims the key look at its status."""
        for claim in self.index.claims(key):
            self.wake.status(claim.subject)

    def wake_same_id(self, spiffe_id: str) -> None:
        """Look at every key of a SPIFFE ID: whether a Pod may have it has changed."""
        for key in self.index.keys_of(spiffe_id):
            self.wake.entry(key)

    def record_of(self, entry_id: str) -> SpireEntry | None:
        """A record of ours that names the entry."""
        return next(filter(self.records.is_own, self._records_of(entry_id)), None)

    def is_recorded_by_another(self, entry_id: str) -> bool:
        """Whether a record of another registrar names the entry."""
        return any(map(self.records.is_anothers, self._records_of(entry_id)))

    def is_former_id(self, entry_id: str) -> bool:
        """Whether an earlier version gave that ID, of this registrar or another."""
        return any(is_ours(prefix, entry_id) for prefix in self.former_prefixes)

    def is_former_id_of(self, key: EntryKey, entry_id: str) -> bool:
        """Whether an earlier version gave that ID to this very key."""
        name = Naming(self.class_name).candidate(key)
        is_same = entry_id.rpartition(".")[2] == name.rpartition(".")[2]
        return is_same and self.is_former_id(entry_id)

    def _records_of(self, entry_id: str) -> Iterator[SpireEntry]:
        for key in self.spire_entries.by_index(ENTRY_ID_INDEX, entry_id):
            record = self.spire_entries.get(key)
            if record is not None:
                yield record

    def _holder_of(self, name: str) -> EntryKey | None:
        """Which key holds a name: here, in a SpireEntry, or on the SPIRE server."""
        held = self._holders.get(name)
        if held is not None:
            return held
        stored = self.spire_entries.get(ObjectKey("", name))
        if stored is not None:
            key = key_of(stored)
            if key is not None:
                return key
        entry = self.own_entry(entry_id(self.prefix, name))
        return None if entry is None else entry.key
