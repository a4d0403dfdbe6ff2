"""What an object asks for and what became of it; and entries and SPIFFE IDs by themselves."""

from collections.abc import Iterable
from dataclasses import replace

from api.kinds import POD, SPIRE_ENTRY
from api.meta import ObjectKey
from manager.explain.asking import (
    considered_of,
    judged,
    judged_pod,
    undecided,
    unread,
    unread_kind,
)
from manager.explain.entries import Entries
from manager.explain.known import Known
from manager.explain.model import Considered, Explanation, Identity
from manager.explain.reading import Reading
from manager.explain.subjects import ENTRY, SPIFFE_ID, Subject
from manager.explain.verdict import because, closest, why_not_served
from registrar.claims.claim import Claimant
from registrar.claims.record import key_of
from registrar.identity.entry import EntryKey

MOST_IDENTITIES = 20
MOST_PODS = 500
_MOST_EXAMPLES = 5


class ObjectExplainer:
    """Explains what asks for entries and is no Pod; ``now`` is Unix time."""

    def __init__(self, known: Known, reading: Reading, *, now: float) -> None:
        self._known = known
        self._reading = reading
        self._now = now
        self._pods_left = 0

    async def explain(self, subject: Subject) -> Explanation:
        """The explanation of an object, an entry or a SPIFFE ID."""
        if subject.kind == ENTRY:
            self._reading.note(await self._known.look(entry_id=subject.name))
        if subject.kind == SPIFFE_ID:
            self._reading.note(await self._known.look(spiffe_id=subject.name))
        entries = Entries(self._known)
        if subject.kind == ENTRY:
            keys = self._keys_of_entry(subject.name)
        elif subject.kind == SPIRE_ENTRY.kind:
            keys = self._keys_of_record(subject.name)
        elif subject.kind == SPIFFE_ID:
            keys = await entries.keys_of(subject.name)
        else:
            return await self._of_object(subject, entries)
        return await self._of_keys(subject, keys, entries)

    def _keys_of_entry(self, entry_id: str) -> list[EntryKey]:
        entry = self._known.with_id(entry_id)
        return list(self._known.keys_planned_as(entry_id)) if entry is None else [entry.key]

    def _keys_of_record(self, name: str) -> list[EntryKey]:
        record = self._known.mode.spire_entries.store.get(ObjectKey("", name))
        key = None if record is None else key_of(record)
        return [] if key is None else [key]

    async def _of_keys(
        self, subject: Subject, keys: list[EntryKey], entries: Entries
    ) -> Explanation:
        """What is known of those entries."""
        identities = await self._identities(keys, entries)
        served = [one for one in identities if one.is_served]
        what = f"{subject.kind}/{subject.name}"
        has = _all_or_none(bool(served), identities)
        doubt = self._doubt(subject, is_found=bool(identities))
        if not identities and doubt:
            has, verdict = None, f"nobody can tell whether there is {what}: {doubt}"
        elif not identities:
            verdict = (
                f"there is no {what}: no object asks for it, and the SPIRE server holds none such"
            )
        elif has is None:
            ids = " and ".join(dict.fromkeys(one.key.spiffe_id for one in identities))
            verdict = f"nobody can tell whether {what} gives {ids}: {doubt}"
        elif served:
            by = {str(one.by) for one in served if one.by is not None}
            asked = f"asked for by {' and '.join(sorted(by))}" if by else "which nobody asks for"
            ids = " and ".join(dict.fromkeys(one.key.spiffe_id for one in served))
            verdict = f"{what} gives {ids}, {asked}"
        else:
            verdict = f"{what} gives nothing, because {why_not_served(identities[0])}"
        return await self._explanation(subject, verdict, identities, (), is_served=has)

    def _doubt(self, subject: Subject, *, is_found: bool) -> str:
        """What cannot be read and may decide what is said; empty for nothing.

        ``is_found``: only whether somebody serves it is the question.
        """
        if is_found or self._reading.no_agents:
            return self._reading.no_agents
        if subject.kind == SPIRE_ENTRY.kind:
            return unread_kind(self._known, subject.kind)
        if subject.kind == ENTRY:
            return ""  # the server's entries are all known
        kind = subject.kind if subject.kind[0].isupper() else ""
        return next(iter(undecided(self._known, kind)), "")

    async def _of_object(self, subject: Subject, entries: Entries) -> Explanation:
        """What an object asks for."""
        named = subject.claimant
        found = await judged(self._known.sources, named)
        keys = {claim.key for one in found for claim in one.claims} or self._claimed_by(named)
        identities = await self._identities(sorted(keys, key=str), entries)
        considered = list(considered_of(found))
        if not identities and found and not considered:
            considered = await self._nearest_pods(named)
        doubt = self._doubt(subject, is_found=bool(identities))
        verdict, is_served = _verdict_of_object(named, found, identities, considered, doubt)
        return await self._explanation(
            subject, verdict, identities, considered, is_served=is_served
        )

    def _claimed_by(self, named: Claimant) -> set[EntryKey]:
        """What is claimed in the name of an object, such as one that was made for a Pod."""
        index = self._known.shared.index
        return {
            key
            for key in index.keys()  # noqa: SIM118 - no mapping
            if any(named in {claim.subject, claim.source} for claim in index.claims(key))
        }

    async def _nearest_pods(self, named: Claimant) -> list[Considered]:
        """Why an object selects no Pod: the Pods that come nearest, of the first MOST_PODS.

        To ask about each takes too long in a great cluster.
        """
        found: list[Considered] = []
        for source in self._known.sources:
            if source.kind != POD.kind or source.explain is None:
                continue
            keys = list(source.keys())
            self._pods_left = max(0, len(keys) - MOST_PODS)
            for key in keys[:MOST_PODS]:
                if not isinstance(key, ObjectKey):
                    continue
                under = [o for o in await judged_pod([source], key) if o.by in {named, _pod(key)}]
                found += [replace(one, by=_pod(key)) for one in considered_of(under)]
        return sorted(found, key=closest)

    async def _identities(self, keys: Iterable[EntryKey], entries: Entries) -> list[Identity]:
        agents = await self._reading.agents()
        serves = await entries.agents(agents)
        identities = []
        for key in keys:
            identity = entries.identity(key)
            if key.parent_id.endswith("/spire/server"):
                identities.append(identity)
                continue
            if serves is None:
                identity = replace(identity, in_doubt=True)
            else:
                serving = serves.somewhere(key.parent_id, now=self._now)
                identity = replace(identity, serving=serving)
            identities.append(identity)
        return sorted(identities, key=lambda one: one.is_served)

    async def _explanation(
        self,
        subject: Subject,
        verdict: str,
        identities: list[Identity],
        considered: Iterable[Considered],
        *,
        is_served: bool | None,
    ) -> Explanation:
        named = [subject.claimant] if subject.kind[0].isupper() else []
        named += [one.by for one in identities[:MOST_IDENTITIES] if one.by is not None]
        shown = list(considered)
        more = len(identities) - MOST_IDENTITIES
        facts = {"not shown": f"{more} identities more"} if more > 0 else {}
        if self._pods_left:
            looked = f"{MOST_PODS} of {MOST_PODS + self._pods_left}; others may come nearer"
            facts["Pods looked at"] = looked
        return Explanation(
            subject=f"{subject.kind} {subject.shown}",
            verdict=verdict,
            has_identity=is_served,
            facts=facts,
            identities=identities[:MOST_IDENTITIES],
            considered=shown[:_MOST_EXAMPLES],
            left_out=max(0, len(shown) - _MOST_EXAMPLES),
            events=await self._reading.events(named),
            unknown=[*self._reading.unknown, *unread(self._known)],
        )


def _pod(key: ObjectKey) -> Claimant:
    return Claimant(POD.kind, key.namespace, key.name)


def _verdict_of_object(
    named: Claimant,
    found: object,
    identities: list[Identity],
    considered: list[Considered],
    doubt: str,
) -> tuple[str, bool | None]:
    """The sentence, and whether all that the object asks for is given; None for nobody can tell."""
    if not identities:
        if doubt:
            known = ""
            if considered:
                known = f"; as far as is known nothing, because {because(considered[0])}"
            return f"nobody can tell what {named} gives: {doubt}{known}", None
        if considered:
            return f"{named} gives nothing, because {because(considered[0])}", False
        if not found:
            return f"there is no {named} that asks for an identity: is the name right?", False
        return f"{named} gives nothing, because it selects no Pod that is there", False
    missing = [one for one in identities if not one.may_be_served]
    number = len(identities)
    if not missing and any(one.in_doubt for one in identities):
        return f"nobody can tell whether {named} gives {_ids(identities)}: {doubt}", None
    if not missing:
        wrong = f", but {because(considered[0])}" if considered else ""
        return f"{named} gives {_ids(identities)}{wrong}", not wrong
    return (
        f"{named} asks for {number} identit{'y' if number == 1 else 'ies'}, of which "
        f"{number - len(missing)} can be given, because {why_not_served(missing[0])}"
    ), False


def _all_or_none(is_served: bool, identities: Iterable[Identity]) -> bool | None:  # noqa: FBT001 - the answer so far
    """Whether one is served; None where that cannot be told of one that may be."""
    if not is_served and any(one.may_be_served for one in identities):
        return None
    return is_served


def _ids(identities: list[Identity]) -> str:
    ids = list(dict.fromkeys(one.key.spiffe_id for one in identities))
    more = f" and {len(ids) - 1} more" if len(ids) > 1 else ""
    return f"{ids[0]}{more}"
