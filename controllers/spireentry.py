"""One claimed key at a time: make the SPIRE server hold what the winning claim says."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace

from controllers.ports import Mirror, SpireWriter
from controllers.shared import SharedState
from registrar.claims.claim import Claim, Origin, Problem
from registrar.claims.federation import resolve
from registrar.claims.outcome import LATE, Outcome, State
from registrar.claims.ownership import entry_id, is_a_registrars, is_ours
from registrar.claims.plan import ID_IN_USE, Create, Keep, Release, Update, plan, refusal
from registrar.errors import Retry, Terminal
from registrar.identity.entry import Attributes, Entry, EntryKey, differing
from registrar.identity.selectors import Selector
from registrar.kube.controller import Done, Result
from registrar.spire.errors import AlreadyExists, FederatedBundleMissing, NotFound, SpireError

_RECORD_PENDING_AFTER_SECONDS = 2.0
_ATTEMPTS = 4

SET = "EntrySet"
_SET_MESSAGE = "the SPIRE server holds the entry"
DIFFERS = "EntryDiffers"
_DIFFERS_MESSAGE = (
    "the SPIRE server holds the entry, but keeps {} otherwise than asked for, also after an "
    "update; it is sent again when the object or the server's entry changes"
)


@dataclass(frozen=True, slots=True)
class _Sent:
    """An update that was sent, and the revision of the entry that came of it."""

    attributes: Attributes
    entry_id: str
    revision_number: int


class EntryReconciler:
    """Creates and updates entries; what nobody claims is left to the release pass.

    ``on_set`` is told the claim each time that its entry is found set, ``on_vain_update``
    when an update left an entry other than it was asked for.
    """

    def __init__(
        self,
        shared: SharedState,
        *,
        writer: SpireWriter,
        mirror: Mirror,
        adoption_allowed: bool,
        look_for_bundles: Callable[[], Awaitable[None]],
        on_set: Callable[[Claim], None] = lambda _: None,
        on_vain_update: Callable[[], None] = lambda: None,
    ) -> None:
        self._shared = shared
        self._writer = writer
        self._mirror = mirror
        self._adoption_allowed = adoption_allowed
        self._look_for_bundles = look_for_bundles
        self._on_set = on_set
        self._on_vain_update = on_vain_update
        self._updated: dict[EntryKey, _Sent] = {}

    async def reconcile(self, key: EntryKey) -> Result:
        """Bring one entry in line. Raises Retry or Terminal when SPIRE refuses."""
        was_privileged = key.spiffe_id in self._mirror.privileged_ids
        late = asyncio.get_running_loop().call_later(_RECORD_PENDING_AFTER_SECONDS, self._late, key)
        try:
            await self._apply(key)
        except SpireError as error:
            self._failed(key, error.reason, error.message)
            kind = Retry if error.retryable else Terminal
            raise kind(error.reason, error.message) from error
        except Terminal as error:
            self._failed(key, error.reason, str(error))
            raise
        except Retry as error:
            if self._is_missing(key):
                self._wait(key, replace(LATE, reason=error.reason, message=str(error)))
            raise
        finally:
            late.cancel()
            if (key.spiffe_id in self._mirror.privileged_ids) != was_privileged:
                self._shared.wake_same_id(key.spiffe_id)
        return Done()

    def _is_privileged_elsewhere(self, key: EntryKey) -> bool:
        """Whether another entry makes the ID privileged; a Pod's own is put right, not believed."""
        for id_ in self._mirror.privileged_ids.get(key.spiffe_id, ()):
            entry = self._mirror.own.get(id_)
            if entry is None:
                if self._shared.is_former_id_of(key, id_):
                    continue  # its own, about to be taken over
                return True
            winner = self._shared.index.winner(entry.key)
            if winner is None:
                is_kept = self._shared.last_good.holds(entry.key)
            else:
                is_kept = winner.origin is not Origin.POD
            if is_kept:
                return True
        return False

    def _is_privilege_leaving(self, spiffe_id: str) -> bool:
        """Whether an entry of ours makes the ID privileged that nobody claims any more.

        The release pass deletes it at once. It makes no claim a refused one: who had the right
        to ask for a privilege could else deny the ID to others by asking and taking it back.
        """
        ids = self._mirror.privileged_ids.get(spiffe_id, ())
        own = (entry for id_ in ids if (entry := self._mirror.own.get(id_)) is not None)
        return any(
            entry.key not in self._shared.index and not self._shared.last_good.holds(entry.key)
            for entry in own
        )

    async def _used_elsewhere(self, claim: Claim | None) -> str:
        """The ID of an entry, not ours, that has the SPIFFE ID of a claim that may yield to it.

        An entry for workloads of the claim's own namespace is none. Raises SpireError.
        """
        if claim is None or not claim.may_yield:
            return ""
        own = Selector("k8s", f"ns:{claim.source.namespace}")
        for entry in await self._mirror.others(claim.key.spiffe_id):
            if not entry.attributes.is_privileged and own not in entry.key.selectors:
                return entry.id
        return ""

    def _check_timely(self, claim: Claim | None) -> None:
        """Whether a claim of a namespace may be set now. Raises Retry when it has to wait."""
        if claim is None or claim.origin is not Origin.POD:
            return
        if self._is_privilege_leaving(claim.key.spiffe_id):
            raise Retry(
                "PrivilegeLeaving",
                f"an admin or downstream entry of {claim.key.spiffe_id} is being deleted",
            )
        if claim.may_yield and not self._shared.has_seen_all:
            raise Retry("FirstPass", "waits until every object was looked at")

    async def _apply(self, key: EntryKey) -> None:
        """Plan and act until the plan is to keep; each step makes the next plan smaller."""
        for _ in range(_ATTEMPTS):
            used_elsewhere = await self._used_elsewhere(self._shared.index.winner(key))
            claim = self._shared.index.winner(key)
            if key in self._shared.leaving:
                # What the server holds is about to go; its end wakes the key.
                return
            pending = self._federation(key, claim)
            step = plan(
                None if claim is None else replace(claim, attributes=self._shared.asked(claim)),
                self._mirror.entry_of(key),
                refused=refusal(
                    claim,
                    self._shared.index,
                    privileged_elsewhere=self._is_privileged_elsewhere(key),
                    used_elsewhere=used_elsewhere,
                ),
                dropped_fields=self._writer.dropped_fields,
            )
            match step:
                case Release(problem=problem):
                    self._release(key, problem)
                    return
                case Keep(entry_id=id_):
                    self._updated.pop(key, None)
                    message = self._set_message(claim)
                    self._settled(key, Outcome(State.SET, id_, SET, message, pending))
                    if claim is not None:
                        self._on_set(claim)
                    return
                case Create(attributes=attributes):
                    self._check_timely(claim)
                    await self._write(self._create(Entry(self._id_for(key), key, attributes)))
                case Update(entry_id=id_, attributes=attributes, fields=fields):
                    if self._is_in_vain(key, attributes):
                        message = _DIFFERS_MESSAGE.format(", ".join(sorted(fields)))
                        self._settled(key, Outcome(State.SET, id_, DIFFERS, message, pending))
                        return
                    self._check_timely(claim)
                    if not self._shared.has_seen_all:
                        # Who is not looked at yet may be older: then nothing is to be changed.
                        self._shared.postponed.add(key)
                        return
                    await self._write(self._update(Entry(id_, key, attributes), fields))
                    self._note_update(key, attributes)
        raise Retry("Unsettled", f"the entry of {key.spiffe_id} changed at every attempt")

    def _release(self, key: EntryKey, problem: Problem | None) -> None:
        """Let an entry go that nobody claims, or nobody may."""
        self._updated.pop(key, None)
        seen = self._mirror.entry_of(key)
        is_edit = seen is not None and not seen.attributes.is_privileged
        if seen is not None and is_edit and problem is not None and problem.reason == ID_IN_USE:
            # Only the privilege is refused: what the workload had without it stays.
            state = State.FAILED
            self._settled(key, Outcome(state, seen.id, problem.reason, problem.message))
            return
        if problem is not None:
            state = State.REFUSED
            self._settled(key, Outcome(state, reason=problem.reason, message=problem.message))
        self._shared.wake.release(key)

    def _is_in_vain(self, key: EntryKey, attributes: Attributes) -> bool:
        """Whether just this was sent before, and the server's entry is the one that came of it.

        What a server keeps otherwise than it was sent would else be sent again for ever.
        """
        seen = self._mirror.entry_of(key)
        return seen is not None and self._updated.get(key) == _Sent(
            attributes, seen.id, seen.revision_number
        )

    def _note_update(self, key: EntryKey, attributes: Attributes) -> None:
        """Remember an update until the entry is found to be as it was asked for."""
        seen = self._mirror.entry_of(key)
        if seen is None:
            return
        self._updated[key] = _Sent(attributes, seen.id, seen.revision_number)
        if differing(attributes, seen.attributes) - self._writer.dropped_fields:
            self._on_vain_update()

    def _federation(self, key: EntryKey, claim: Claim | None) -> tuple[str, ...]:
        """Note which trust domains the key asks for; gives those that it has to wait for."""
        wanted = () if claim is None else claim.attributes.federates_with
        self._shared.federating.note(key, wanted)
        return resolve(wanted, self._shared.known_domains()).pending if wanted else ()

    async def _write(self, call: Coroutine[None, None, None]) -> None:
        """Make a write; where the server lacks a bundle, learn which so that the next goes without.

        Raises FederatedBundleMissing when it lacks one that it lists.
        """
        known = self._shared.known_domains()
        try:
            await call
        except FederatedBundleMissing:
            await self._look_for_bundles()
            if self._shared.known_domains() == known:
                raise

    def _set_message(self, claim: Claim | None) -> str:
        """What to say of an entry that is set; names what an old server left out."""
        left_out = self._writer.dropped_fields
        if claim is not None and left_out:
            default = Attributes()
            asked = differing(claim.attributes, default) & left_out
            if asked:
                names = ", ".join(sorted(asked))
                return f"{_SET_MESSAGE}, without {names}, which this server does not know"
        return _SET_MESSAGE

    def _id_for(self, key: EntryKey) -> str:
        return entry_id(self._shared.prefix, self._shared.name_of(key))

    async def _create(self, entry: Entry) -> None:
        """Create, or take over what the server holds under the same key already."""
        known = self._mirror.adoptable(entry.key)
        if known is not None and self._may_adopt(known.id):
            # It was adopted before, or will be: a creation would only be refused.
            self._mirror.adopt(known)
            return
        try:
            await self._writer.create(entry)
        except AlreadyExists as error:
            existing = error.existing
            if existing is None:
                raise
            if existing.key != entry.key:
                self._shared.rename(entry.key, taken_by=existing.key)
            elif self._may_adopt(existing.id):
                self._mirror.adopt(existing)
            else:
                raise Terminal(
                    "EntryExists",
                    f"the SPIRE server holds this identity already as entry {existing.id!r}, "
                    "which is not ours: delete that entry, or allow adoption_policy = adopt "
                    "(which never takes over an entry of another spire-registrar)",
                ) from error

    def _may_adopt(self, entry_id: str) -> bool:
        """Whether to take over an entry; never one of another registrar, which manages it.

        One under a prefix that an earlier version gave is ours, for it has the very key that
        is claimed here; unless another registrar, which had that prefix too, was faster.
        """
        if is_ours(self._shared.prefix, entry_id):
            return True
        if self._shared.is_former_id(entry_id):
            return not self._shared.is_recorded_by_another(entry_id)
        return self._adoption_allowed and not is_a_registrars(entry_id)

    async def _update(self, entry: Entry, fields: frozenset[str]) -> None:
        """Change in place; an entry that vanished meanwhile is created by the next plan."""
        try:
            await self._writer.update(entry, fields)
        except NotFound:
            # The mirror has learnt of it with the answer.
            return

    def _settled(self, key: EntryKey, outcome: Outcome) -> None:
        """Remember the outcome and let everyone see it who shows it."""
        shared = self._shared
        if shared.outcomes.set(key, outcome):
            shared.wake_sources(key)
        shared.note(key)
        self._record_if_claimed(key)
        if not outcome.is_set:
            return
        for claim in shared.index.claims(key):
            for dropped in shared.settle(claim.source):
                shared.wake.entry(dropped)

    def _failed(self, key: EntryKey, reason: str, message: str) -> None:
        """Remember a failure; the entry ID of an earlier success stays known."""
        if key in self._shared.index:
            known = self._shared.outcomes.get(key).entry_id
            self._settled(key, Outcome(State.FAILED, known, reason, message))

    def _late(self, key: EntryKey) -> None:
        """Show that the SPIRE server keeps us waiting; an earlier failure says more."""
        if self._shared.outcomes.get(key).state is State.PENDING or self._is_missing(key):
            self._wait(key, LATE)

    def _is_missing(self, key: EntryKey) -> bool:
        """Whether an entry that was set is not there any more: somebody deleted it."""
        return self._shared.outcomes.is_set(key) and self._mirror.entry_of(key) is None

    def _wait(self, key: EntryKey, outcome: Outcome) -> None:
        """Let everyone see what a claimed entry waits for."""
        if key in self._shared.index:
            known = self._shared.outcomes.get(key).entry_id
            self._settled(key, replace(outcome, entry_id=known))

    def _record_if_claimed(self, key: EntryKey) -> None:
        if key in self._shared.index:
            self._shared.wake.record(self._shared.name_of(key))
