"""SpireEntry objects: write down in Kubernetes what was asked for and what SPIRE said.

Works behind the SPIRE writes, one request per change, at bounded concurrency.
"""

import logging
from collections.abc import Callable, Sequence

from api.codec import merge_diff, to_json
from api.kinds import SPIRE_ENTRY
from api.meta import Condition, ObjectKey
from api.spiffeid.v1beta1.spireentry import SpireEntry
from controllers.deletion import delete_stored
from controllers.ports import Events, Kubernetes, Mirror, reference
from controllers.recreation import RecreationBackoff
from controllers.shared import SharedState
from registrar.claims.federation import pending_condition
from registrar.claims.record import is_same, key_of, record
from registrar.claims.release import withheld_condition
from registrar.errors import Retry
from registrar.identity.entry import EntryKey
from registrar.kube.controller import Done, Result
from registrar.kube.errors import AlreadyExists, Conflict, NotFound
from registrar.kube.store import Store
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)


class RecordReconciler:
    """Creates, patches and deletes SpireEntries.

    ``alias_key`` is the registrar's own entry, if it has one; ``recreation`` knows the
    names of those that others delete. Where the kind
    is not installed nothing is recorded; what is wrong stands in the statuses
    of those who ask.
    """

    def __init__(  # noqa: PLR0913 - collaborators, all by keyword
        self,
        shared: SharedState,
        *,
        objects: Store[SpireEntry],
        kube: Kubernetes,
        events: Events,
        mirror: Mirror,
        is_available: Callable[[], bool],
        alias_key: EntryKey | None,
        recreation: RecreationBackoff[str],
        timestamp: Callable[[], str],
    ) -> None:
        self._shared = shared
        self._objects = objects
        self._kube = kube
        self._events = events
        self._mirror = mirror
        self._is_available = is_available
        self._alias_key = alias_key
        self._recreation = recreation
        self._timestamp = timestamp
        # What an earlier version recorded, until our own record of the key is written.
        self._superseded: dict[EntryKey, str] = {}

    async def reconcile(self, name: str) -> Result:
        """Bring one SpireEntry in line. Raises Retry on a conflict with somebody else's write."""
        if not self._is_available():
            self._forget_released(name)
            return Done()
        stored = self._objects.get(ObjectKey("", name))
        if stored is not None and not self._shared.records.is_current(stored):
            return await self._tidy_up(stored)
        key = self._shared.holder(name) or self._claimed_key(stored)
        try:
            if key is not None and key in self._shared.index:
                again = self._recreation.again(name) if stored is None else None
                if again is not None:
                    return again
                await self._write(name, key, stored)
            elif stored is not None:
                # Who claims it may not have been looked at yet; after that all records are.
                if self._shared.has_seen_all:
                    await self._remove(stored)
            else:
                self._forget_released(name)
        except (AlreadyExists, Conflict) as error:
            raise Retry("Conflict", f"SpireEntry {name} was changed by somebody else") from error
        return Done()

    async def _tidy_up(self, stored: SpireEntry) -> Result:
        """Take away what an earlier version recorded, once our own record says the same.

        So does what somebody wrote by hand. Other registrars' records are left alone.
        """
        records, key = self._shared.records, key_of(stored)
        if records.is_anothers(stored) or not self._shared.has_seen_all:
            return Done()
        if key is None or key not in self._shared.index:
            await self._remove(stored)
            return Done()
        written = self._objects.get(ObjectKey("", self._shared.name_of(key)))
        if written is None or not records.is_current(written):
            self._superseded[key] = stored.metadata.name
            return Done()
        await delete_stored(self._kube, SPIRE_ENTRY, self._objects, stored)
        return Done()

    def _forget_released(self, name: str) -> None:
        """Forget a key that nobody claims, that is not recorded and that SPIRE does not hold."""
        self._shared.released.discard(name)
        key = self._shared.holder(name)
        if key is not None and key not in self._shared.index and self._mirror.entry_of(key) is None:
            self._shared.forget(key)

    def _claimed_key(self, stored: SpireEntry | None) -> EntryKey | None:
        """The key of a record that is the right one though nobody has asked for its name yet."""
        key = None if stored is None else key_of(stored)
        if stored is None or key is None or key not in self._shared.index:
            return None
        return key if self._shared.name_of(key) == stored.metadata.name else None

    async def _write(self, name: str, key: EntryKey, stored: SpireEntry | None) -> None:
        claims = self._shared.index.claims(key)
        if not any(claim.holder_uid or claim.is_own for claim in claims):
            # Its owner is not stored yet, and the write that creates it wakes us again; or it is
            # kept for what nobody knows, and is recorded already.
            return
        if not self._shared.outcomes.is_known(key):
            return  # what is recorded stays until SPIRE has answered, which wakes us again
        extra: Sequence[Condition] = ()
        if key == self._alias_key:
            extra = withheld_condition(
                self._shared.withheld, self._shared.withheld_count, self._timestamp()
            )
        outcome = self._shared.outcomes.get(key)
        wanted = record(
            name=name,
            instance=self._shared.records.label,
            claims=claims,
            outcome=outcome,
            old=stored,
            now=self._timestamp(),
            extra=(*extra, *pending_condition(outcome.pending, self._timestamp())),
            outlives_owners=self._shared.is_former_id(outcome.entry_id),
        )
        if stored is None:
            self._objects.assume(await self._kube.create(SPIRE_ENTRY, wanted))
            superseded = self._superseded.pop(key, None)
            if superseded is not None:
                self._shared.wake.record(superseded)
            return
        if is_same(wanted, stored):
            return
        patch = merge_diff(to_json(stored), to_json(wanted))
        metadata = patch.setdefault("metadata", {})
        if isinstance(metadata, dict):
            metadata["resourceVersion"] = stored.metadata.resource_version
        try:
            self._objects.assume(await self._kube.merge_patch(SPIRE_ENTRY, stored.key, patch))
        except NotFound as error:
            raise Retry("Gone", f"SpireEntry {name} was deleted meanwhile") from error

    def _say_left(self, stored: SpireEntry) -> None:
        """An entry that was taken over goes on after its object, which went while nobody looked.

        It may not be deleted on a record's word alone: whoever can write records could else
        have anybody's entry deleted.
        """
        entry_id, spiffe_id = stored.status.entry_id, stored.spec.spiffe_id
        log.warning(
            "an entry that was taken over from somebody else is claimed by nobody any more, and "
            "its ID is not ours, so it stays: delete it if nobody needs it",
            extra=kv(entry=entry_id, spiffe_id=spiffe_id, record=stored.metadata.name),
        )
        self._events.emit(
            reference(SPIRE_ENTRY, stored),
            type="Warning",
            reason="EntryLeft",
            message=f"no object claims this SpireEntry: removed; the entry {entry_id!r} of "
            f"{spiffe_id} is not of our prefix, so it stays: delete it if nobody needs it",
        )

    async def _remove(self, stored: SpireEntry) -> None:
        """Delete the record of an entry that nobody claims, once SPIRE holds it no more."""
        key = key_of(stored)
        is_held = key is not None and self._mirror.entry_of(key) is not None
        if key is not None and is_held and key not in self._shared.index:
            self._shared.wake.release(key)
            return
        name = stored.metadata.name
        # What goes after its own entry was claimed once, if not in this term.
        was_claimed = name in self._shared.released or self._shared.holder(name) is not None
        is_marked = stored.metadata.deletion_timestamp is not None
        entry_id = stored.status.entry_id
        if not was_claimed and entry_id in self._mirror.foreign_ids:
            self._say_left(stored)
        elif key is not None and not is_marked and not was_claimed:
            self._events.emit(
                reference(SPIRE_ENTRY, stored),
                type="Warning",
                reason="Unclaimed",
                message="no object claims this SpireEntry, so it grants nothing: removed; "
                "write a ClusterSpiffeId instead",
            )
        await delete_stored(self._kube, SPIRE_ENTRY, self._objects, stored)
        self._shared.released.discard(name)
        if key is None or self._shared.known_name_of(key) != name:
            return
        if key in self._shared.index:
            # Claimed again while the request was under way.
            self._shared.wake.record(name)
        else:
            self._shared.forget(key)
