"""What the SPIRE server holds of what is claimed, and what the registrar was told when it asked."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from api.meta import ObjectKey, find_condition
from manager.explain.known import Known
from manager.explain.model import Difference, EntryState, Identity, Masked
from manager.explain.turns import in_turns
from manager.preview.model import Action, Change
from registrar.claims.claim import Claim, Claimant
from registrar.claims.index import ClaimIndex
from registrar.claims.record import READY
from registrar.claims.serving import Agents, NodeAgent
from registrar.identity.entry import Attributes, Entry, EntryKey

_STATES = {
    Action.CREATE: "missing",
    Action.UPDATE: "differs",
    Action.ADOPT: "foreign",
    Action.KEEP: "set",
    Action.BLOCKED: "foreign",
    Action.REFUSED: "refused",
    Action.FAILED: "failed",
    Action.WITHHELD: "withheld",
    Action.HELD: "held",
    Action.DELETE: "unclaimed",
}


class Entries:
    """The entries that there are, and what the registrar does with them, or would do."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._remedy = known.remedy

    async def keys_of(self, spiffe_id: str) -> list[EntryKey]:
        """The keys with that SPIFFE ID that are claimed, or that the server holds."""
        keys = set(self._known.shared.index.keys_of(spiffe_id))
        async for entry in in_turns(self._known.entries()):
            if entry.key.spiffe_id == spiffe_id:
                keys.add(entry.key)
        return sorted(keys, key=str)

    async def agents(self, agents: Iterable[NodeAgent] | None) -> Agents | None:
        """Whom those agents serve by the entries that there are; None for no agents."""
        if agents is None:
            return None
        found = Agents(agents, ())
        async for entry in in_turns(self._known.entries()):
            found.add(entry)
        return found

    def identity(self, key: EntryKey) -> Identity:
        """The identity with that key, whoever asks for it."""
        claims = self._known.shared.index.claims(key)
        if not claims:
            return self._unclaimed(key)
        winner = claims[0]
        outcome = self._known.shared.outcomes.get(key)
        return Identity(
            key=key,
            attributes=winner.attributes,
            by=winner.subject,
            entry=self._state(key, winner),
            masked=_others(claims, self._known.shared.index),
            pending=outcome.pending,
        )

    def _unclaimed(self, key: EntryKey) -> Identity:
        held = self._known.held(key)
        attributes = Attributes() if held is None else held.attributes
        return Identity(key=key, attributes=attributes, by=None, entry=self._of_nobody(key, held))

    def _of_nobody(self, key: EntryKey, held: Entry | None) -> EntryState:
        if held is None:
            return EntryState(state="missing", why="nobody asks for it and the server has none")
        state = EntryState(state="foreign", id=held.id, created_at=held.created_at)
        change = self._known.change_of(key)
        if change is None or not self._known.is_ours(held.id):
            why = "nobody asks this registrar for it, and it is not this registrar's"
            return replace(state, why=why)
        return replace(
            state,
            state=_STATES[change.action] if change.action is not Action.KEEP else "unclaimed",
            why=change.why or "nobody asks this registrar for it",
            remedy=self._remedy_of_unclaimed(change),
        )

    def _state(self, key: EntryKey, claim: Claim) -> EntryState:
        held, change = self._known.held(key), self._known.change_of(key)
        told = self._told(key)
        if change is None:
            return EntryState(state="missing", why=told, remedy="" if told else self._remedy)
        state = EntryState(
            state=_STATES[change.action],
            id="" if held is None else held.id,
            created_at=0 if held is None else held.created_at,
            why=change.why,
        )
        if held is None:
            if change.action is not Action.CREATE:
                return state
            return replace(state, why=told, remedy="" if told else self._remedy)
        wanted = self._known.shared.asked(claim)
        state = replace(state, differences=list(_differences(change, wanted, held.attributes)))
        match change.action:
            case Action.UPDATE:
                return replace(state, why=told, remedy="" if told else self._remedy)
            case Action.ADOPT:
                return replace(state, why="it is to be taken over", remedy=self._remedy)
            case Action.KEEP:
                return replace(state, why="")
        return state

    def _remedy_of_unclaimed(self, change: Change) -> str:
        if change.action is Action.WITHHELD:
            return (
                "a person has to agree to so many deletions: see the condition DeletionsWithheld, "
                "or that Event on the registrar's Namespace"
            )
        return self._remedy if change.action is Action.DELETE else ""

    def _told(self, key: EntryKey) -> str:
        """What the SPIRE server told the running registrar, where that was recorded."""
        records = self._known.mode.spire_entries.store
        name = self._known.shared.known_name_of(key)
        record = records.get(ObjectKey("", name)) if name else None
        ready = None if record is None else find_condition(record.status.conditions, READY)
        if ready is None or ready.status == "True":
            return ""
        return f"the registrar recorded {ready.reason}: {ready.message}"


def _others(claims: Sequence[Claim], index: ClaimIndex) -> list[Masked]:
    """The objects whose claims do not count, each once, and why not."""
    found: dict[Claimant, Masked] = {}
    winner = claims[0]
    for claim in claims[1:]:
        if claim.subject == winner.subject or claim.subject in found:
            continue
        found[claim.subject] = Masked(claim.subject, index.why_behind(claim, winner))
    return list(found.values())


def _differences(change: Change, wanted: Attributes, found: Attributes) -> Iterator[Difference]:
    for name in change.fields:
        if name == "expires_at":
            yield Difference(name, "never", str(change.expired_at))
        else:
            yield Difference(name, _shown(getattr(wanted, name)), _shown(getattr(found, name)))


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) or "none"
