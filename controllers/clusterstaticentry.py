"""ClusterStaticEntry: what each claims, and its status."""

import logging
from collections.abc import Callable

from api.codec import merge_diff, to_json
from api.kinds import CLUSTER_STATIC_ENTRY
from api.meta import ObjectKey, ObjectMeta, find_condition
from api.spire.v1alpha1.clusterstaticentry import ClusterStaticEntry, ClusterStaticEntryStatus
from controllers.book import Book
from controllers.pace import Pace
from controllers.ports import Events, Kubernetes, Mirror, reference
from controllers.sources import Claims
from registrar.claims.claim import Claim, Origin, Problem, Source
from registrar.claims.clusterstaticentry import READY, claim_of, source_of, status_of
from registrar.claims.federation import FEDERATION_PENDING, began_waiting
from registrar.claims.outcome import LATE
from registrar.errors import InvalidField
from registrar.identity.entry import EntryKey
from registrar.kube.controller import Again, Done, Outcome
from registrar.kube.store import Store
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)


class StaticEntryReconciler:
    """Keeps the claim index in line with the ClusterStaticEntries. No remote call."""

    def __init__(
        self,
        book: Book,
        *,
        objects: Store[ClusterStaticEntry],
        is_handled: Callable[[str], bool],
        mirror: Mirror,
    ) -> None:
        self._book = book
        self._objects = objects
        self._is_handled = is_handled
        self._claims = Claims(book, mirror)

    async def reconcile(self, name: str) -> Outcome:
        """Bring the claim of one object up to date."""
        source = source_of(name)
        obj = self._objects.get(ObjectKey("", name))
        broken = self._objects.broken.get(ObjectKey("", name))
        if broken is not None:
            log.warning("an object does not decode", extra=kv(object=name, error=broken.error))
            problem = Problem("Undecodable", f"{broken.error}: correct the object")
            touched = self._keep_last_good(source, problem, broken.meta)
        elif obj is None or not self._is_handled(obj.spec.class_name):
            touched = self._claims.remove(source)
        else:
            touched = self._claim(source, obj)
        self._claims.announce(source, touched)
        # An entry that is under way tells its sources itself when it is settled.
        if self._claims.is_known(source):
            self._book.wake.status(source)
        return Done()

    def _claim(self, source: Source, obj: ClusterStaticEntry) -> set[EntryKey]:
        try:
            claim = claim_of(obj, trust_domain=self._book.trust_domain)
        except InvalidField as error:
            return self._keep_last_good(source, Problem("InvalidSpec", str(error)), obj.metadata)
        return self._claims.put(source, [claim], lambda: self._recorded(source, obj.metadata))

    def _keep_last_good(self, source: Source, problem: Problem, meta: ObjectMeta) -> set[EntryKey]:
        return self._claims.keep_last_good(source, problem, lambda: self._recorded(source, meta))

    def _recorded(self, source: Source, meta: ObjectMeta) -> list[Claim]:
        return self._claims.recorded_for(
            source, meta, api_version=CLUSTER_STATIC_ENTRY.api_version, origin=Origin.WRITTEN
        )


class StaticEntryStatusReconciler:
    """Writes the status of ClusterStaticEntries, once a second per object at most."""

    def __init__(
        self,
        book: Book,
        *,
        objects: Store[ClusterStaticEntry],
        is_handled: Callable[[str], bool],
        kube: Kubernetes,
        events: Events,
        clock: Callable[[], float],
        timestamp: Callable[[], str],
    ) -> None:
        self._book = book
        self._objects = objects
        self._is_handled = is_handled
        self._kube = kube
        self._events = events
        self._pace = Pace(clock)
        self._timestamp = timestamp

    async def reconcile(self, name: str) -> Outcome:
        """Write the status if it differs from the stored one."""
        obj = self._objects.get(ObjectKey("", name))
        if obj is None or not self._is_handled(obj.spec.class_name):
            self._pace.forget(name)
            return Done()
        wanted = self._wanted(obj)
        if wanted is None or wanted == obj.status:
            return Done()
        if self._pace.is_in_vain(name, wanted, obj.status):
            return Done()
        wait = self._pace.wait_seconds(name)
        if wait:
            return Again(wait, "statuses are written once a second")
        patch = merge_diff(to_json(obj.status), to_json(wanted))
        stored = await self._kube.merge_patch(
            CLUSTER_STATIC_ENTRY, obj.key, {"status": patch}, subresource="status"
        )
        self._pace.note(name)
        self._pace.answered(name, wanted, stored.status)
        self._objects.assume(stored)
        self._report(obj, wanted)
        return Done()

    def _wanted(self, obj: ClusterStaticEntry) -> ClusterStaticEntryStatus | None:
        """The status as it should be, or None while the SPIRE server has not been asked."""
        book, source = self._book, source_of(obj.metadata.name)
        claims = book.index.of_source(source)
        problem = book.problems.get(source)
        outcome, masked_by = None, None
        if claims:
            key = claims[0].key
            outcome = book.outcomes.get(key)
            winner = book.index.winner(key)
            if winner is not None and winner.source != source:
                masked_by = winner.subject
            if problem is None and not book.outcomes.is_known(key):
                return None
        elif problem is None:
            return None
        return status_of(
            obj, outcome=outcome, problem=problem, masked_by=masked_by, now=self._timestamp()
        )

    def _report(self, obj: ClusterStaticEntry, status: ClusterStaticEntryStatus) -> None:
        """Say in an Event what changed."""
        self._report_waiting(obj, status)
        before = find_condition(obj.status.conditions, READY)
        after = find_condition(status.conditions, READY)
        if after is None or after.reason == LATE.reason:
            return
        if before is not None and (before.status, before.reason, before.message) == (
            after.status,
            after.reason,
            after.message,
        ):
            return
        self._events.emit(
            reference(CLUSTER_STATIC_ENTRY, obj),
            type="Normal" if after.status == "True" else "Warning",
            reason=after.reason,
            message=after.message,
        )

    def _report_waiting(self, obj: ClusterStaticEntry, status: ClusterStaticEntryStatus) -> None:
        """Say in an Event which trust domains the entry is still without."""
        message = began_waiting(obj.status.conditions, status.conditions)
        if message:
            self._events.emit(
                reference(CLUSTER_STATIC_ENTRY, obj),
                type="Warning",
                reason=FEDERATION_PENDING,
                message=message,
            )
