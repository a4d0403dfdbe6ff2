"""Before and after: what a rehearsal left on the servers that only seemed to take writes."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from api.kinds import CLUSTER_FEDERATED_TRUST_DOMAIN, NAMESPACE
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from controllers.lastgood import ENTRY_ID_INDEX
from controllers.shared import SharedState
from manager.preview.model import Action, Change, FederationChange
from manager.preview.seeming import SeemingBundles, SeemingFederation
from registrar.claims.claim import REGISTRAR, Claimant
from registrar.claims.federatedtrustdomain import (
    TRUST_DOMAIN_INDEX,
    oldest_first,
)
from registrar.claims.outcome import State
from registrar.claims.ownership import is_join_token
from registrar.identity.entry import Entry, EntryKey, differing
from registrar.identity.relationship import Relationship
from registrar.kube.store import Store
from registrar.spire.mirror import EntryMirror


@dataclass(frozen=True, slots=True)
class Before:
    """What the SPIRE server held: ours by ID, and those of others by key."""

    own: Mapping[str, Entry]
    foreign: Mapping[EntryKey, Entry]
    foreign_count: int


class Comparison:
    """Tells what became of each entry. ``withheld`` are the deletions that wait for a person."""

    def __init__(
        self,
        before: Before,
        mirror: EntryMirror,
        shared: SharedState,
        *,
        withheld: Iterable[Entry],
    ) -> None:
        self._before = before
        self._mirror = mirror
        self._shared = shared
        self._withheld = {entry.id for entry in withheld}
        self._adopted = {entry.id: entry for entry in before.foreign.values()}

    def changes(self) -> list[Change]:
        """What became of each entry, in the order of the SPIFFE IDs."""
        found = [*self._of_entries(), *self._unserved()]
        return sorted(found, key=lambda change: (_of_key(change.key), change.entry_id))

    def _of_entries(self) -> Iterator[Change]:
        """Of each entry that is there, before or after."""
        after = self._mirror.own
        for entry in self._before.own.values():
            if entry.id not in after:
                yield self.gone(entry)
        for entry in after.values():
            before = self._before.own.get(entry.id)
            if before is not None:
                yield self.stayed(before, entry)
            elif entry.id in self._adopted:
                yield self.changed(Action.ADOPT, self._adopted[entry.id], entry)
            else:
                yield self.changed(Action.CREATE, None, entry)

    def _unserved(self) -> Iterator[Change]:
        """Of each key that is claimed and has no entry."""
        for key in self._shared.index.keys():  # noqa: SIM118 - no mapping
            if self._mirror.entry_of(key) is None:
                yield self.unserved(key)

    def unserved(self, key: EntryKey) -> Change:
        """Of a key that is claimed and has no entry."""
        claims = tuple(self._shared.index.claims(key))
        outcome = self._shared.outcomes.get(key)
        asked = self._shared.asked(claims[0])
        holder = self._before.foreign.get(key)
        action = Action.REFUSED if outcome.state is State.REFUSED else Action.FAILED
        if holder is not None and action is not Action.REFUSED:
            action = Action.BLOCKED
        seen = holder.attributes if holder is not None and action is Action.BLOCKED else None
        fields = () if seen is None else tuple(sorted(differing(asked, seen)))
        return Change(
            action=action,
            key=key,
            entry_id=holder.id if holder is not None and seen is not None else "",
            before=seen,
            after=asked,
            fields=fields,
            claims=claims,
            why=outcome.message or "it waits for what is not there yet",
        )

    def gone(self, entry: Entry) -> Change:
        """Of an entry that is deleted."""
        others = self._mirror.entries_of(entry.key)
        recorded_for = self.recorded_for(entry.id)
        outcome = self._shared.outcomes.get(entry.key)
        if outcome.state is State.REFUSED:
            why = outcome.message
        elif others:
            why = f"entry {others[0].id!r} has the same key and stays"
        else:
            why = "nobody claims it any more"
            if not recorded_for:
                # The garbage collector takes a record together with the objects it was for.
                why = f"{why}, and no SpireEntry tells for whom it was"
        return Change(
            action=Action.DELETE,
            key=entry.key,
            entry_id=entry.id,
            before=entry.attributes,
            after=None,
            claims=tuple(self._shared.index.claims(entry.key)),
            recorded_for=recorded_for,
            why=why,
        )

    def stayed(self, before: Entry, after: Entry) -> Change:
        """Of an entry that is there before and after."""
        if after.id in self._withheld:
            return self._kept(after, Action.WITHHELD, self._shared.withheld)
        if after.key not in self._shared.index:
            why = self._shared.last_good.doubt_of(after.key)
            if why is not None:
                return self._kept(after, Action.HELD, f"it may be for {why}")
            if is_join_token(after.key):
                return self._kept(after, Action.KEEP, "it is SPIRE's own, of a join token")
            return self._kept(after, Action.KEEP, "")
        # What was changed on the way and changed back is as it was.
        if before != replace(after, revision_number=before.revision_number):
            return self.changed(Action.UPDATE, before, after)
        outcome = self._shared.outcomes.get(after.key)
        is_refused = outcome.state in {State.REFUSED, State.FAILED}
        return self._kept(after, Action.REFUSED if is_refused else Action.KEEP, outcome.message)

    def _kept(self, entry: Entry, action: Action, why: str) -> Change:
        return Change(
            action=action,
            key=entry.key,
            entry_id=entry.id,
            before=entry.attributes,
            after=None if action is Action.WITHHELD else entry.attributes,
            claims=tuple(self._shared.index.claims(entry.key)),
            recorded_for=self.recorded_for(entry.id),
            pending=self._shared.outcomes.get(entry.key).pending,
            why=why,
        )

    def changed(self, action: Action, before: Entry | None, after: Entry) -> Change:
        """Of an entry that is another afterwards."""
        fields: set[str] = set()
        ends = 0
        if before is not None:
            fields = set(differing(after.attributes, before.attributes))
            if before.expires_at and not after.expires_at:
                fields.add("expires_at")
                ends = before.expires_at
        return Change(
            action=action,
            key=after.key,
            entry_id=after.id,
            before=None if before is None else before.attributes,
            after=after.attributes,
            fields=tuple(sorted(fields)),
            claims=tuple(self._shared.index.claims(after.key)),
            pending=self._shared.outcomes.get(after.key).pending,
            expired_at=ends,
        )

    def recorded_for(self, entry_id: str) -> tuple[Claimant, ...]:
        """The objects that our records name as those that an entry is for."""
        found: dict[Claimant, None] = {}
        records = self._shared.spire_entries
        for key in records.by_index(ENTRY_ID_INDEX, entry_id):
            record = records.get(key)
            if record is None or not self._shared.records.is_own(record):
                continue
            for holder in record.spec.holders:
                if holder.kind != REGISTRAR:
                    found[Claimant(holder.kind, holder.namespace, holder.name)] = None
            for owner in record.metadata.owner_references:
                if owner.kind != NAMESPACE.kind:
                    found[Claimant(owner.kind, "", owner.name)] = None
        return tuple(found)


def _of_key(key: EntryKey) -> tuple[str, str, tuple[str, ...]]:
    return (key.spiffe_id, key.parent_id, tuple(map(str, key.selectors)))


def relationship_changes(
    federation: SeemingFederation,
    bundles: SeemingBundles,
    objects: Store[ClusterFederatedTrustDomain] | None,
    *,
    is_handled: Callable[[str], bool],
) -> list[FederationChange]:
    """What became of each relationship, and of each bundle that has none.

    ``is_handled`` tells of a class whether its objects are this registrar's.
    """
    before, after = federation.before, federation.after
    found = []
    for name in sorted({*before, *after, *bundles.written}):
        was, will = before.get(name), after.get(name)
        given = bundles.written.get(name)
        asking = _asking(objects, name, is_handled)
        if was is not None or will is not None:
            gives = given is not None and will is not None
            action = _action(was, will, is_given=gives)
            found.append(
                FederationChange(
                    action=action,
                    trust_domain=name,
                    what="relationship",
                    before=_shown(was),
                    after=_shown(will),
                    objects=asking,
                    gives_bundle=gives,
                )
            )
        if name in bundles.written and will is None:
            found.append(
                FederationChange(
                    action=Action.DELETE if given is None else Action.UPDATE,
                    trust_domain=name,
                    what="bundle",
                    objects=asking,
                    gives_bundle=given is not None,
                )
            )
    return found


def _action(was: Relationship | None, will: Relationship | None, *, is_given: bool) -> Action:
    if was is None:
        return Action.CREATE
    if will is None:
        return Action.DELETE
    return Action.UPDATE if is_given or not was.points_like(will) else Action.KEEP


def _shown(relationship: Relationship | None) -> str:
    if relationship is None:
        return ""
    parts = (relationship.url, relationship.profile, relationship.endpoint_spiffe_id)
    return " ".join(part for part in parts if part)


def _asking(
    objects: Store[ClusterFederatedTrustDomain] | None,
    name: str,
    is_handled: Callable[[str], bool],
) -> tuple[Claimant, ...]:
    if objects is None:
        return ()
    found = (objects.get(key) for key in objects.by_index(TRUST_DOMAIN_INDEX, name))
    kind = CLUSTER_FEDERATED_TRUST_DOMAIN.kind
    return tuple(
        Claimant(kind, "", obj.metadata.name)
        for obj in oldest_first(
            [obj for obj in found if obj is not None and is_handled(obj.spec.class_name)]
        )
    )
