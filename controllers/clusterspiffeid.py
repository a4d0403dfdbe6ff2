"""ClusterSpiffeId: what each claims, and its status."""

import logging
from collections.abc import Callable

import msgspec

from api.codec import to_json
from api.kinds import CLUSTER_SPIFFE_ID
from api.meta import ObjectKey, ObjectMeta, find_condition
from api.spiffeid.v1beta1.clusterspiffeid import (
    POD_UID_LABEL,
    ClusterSpiffeId,
    ClusterSpiffeIdStatus,
)
from controllers.book import Book
from controllers.pace import Pace
from controllers.ports import Events, Kubernetes, Mirror, reference
from controllers.sources import Claims
from registrar.claims.claim import Claim, Origin, Problem, Source
from registrar.claims.clusterspiffeid import claim_of, source_of
from registrar.claims.federation import FEDERATION_PENDING, began_waiting
from registrar.claims.outcome import LATE, PENDING
from registrar.claims.status import READY, masking, status_of
from registrar.errors import InvalidField
from registrar.identity.entry import EntryKey
from registrar.kube.controller import Again, Done, Outcome
from registrar.kube.store import Store
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)


class ClaimReconciler:
    """Keeps the claim index in line with the ClusterSpiffeIds. No remote call."""

    def __init__(
        self,
        book: Book,
        *,
        objects: Store[ClusterSpiffeId],
        mirror: Mirror,
    ) -> None:
        self._book = book
        self._objects = objects
        self._claims = Claims(book, mirror)

    async def reconcile(self, name: str) -> Outcome:
        """Bring the claims of one ClusterSpiffeId up to date."""
        book, source = self._book, source_of(name)
        obj = self._effective(name)
        broken = self._objects.broken.get(ObjectKey("", name))
        if broken is not None:
            log.warning("an object does not decode", extra=kv(object=name, error=broken.error))
            problem = Problem("Undecodable", f"{broken.error}: correct the object")
            touched = self._keep_last_good(source, problem, broken.meta)
        elif obj is None or obj.spec.class_name != book.instance:
            touched = self._claims.remove(source)
        else:
            touched = self._claim(source, obj)
        self._claims.announce(source, touched)
        # An entry that is under way tells its sources itself when it is settled.
        if self._claims.is_known(source):
            book.wake.status(source)
        return Done()

    def _effective(self, name: str) -> ClusterSpiffeId | None:
        """The object as it is about to be: what the pod controller assumes, else what is stored."""
        stored = self._objects.get(ObjectKey("", name))
        if name in self._book.unwanted:
            return None
        assumed = self._book.assumed.get(name)
        if assumed is None:
            return stored
        if stored is None:
            return assumed
        return msgspec.structs.replace(stored, spec=assumed.spec)

    def _claim(self, source: Source, obj: ClusterSpiffeId) -> set[EntryKey]:
        book = self._book
        try:
            claim = claim_of(obj, trust_domain=book.trust_domain, cluster=book.cluster)
        except InvalidField as error:
            return self._keep_last_good(source, Problem("InvalidSpec", str(error)), obj.metadata)
        return self._claims.put(source, [claim], lambda: self._recorded(source, obj.metadata))

    def _keep_last_good(self, source: Source, problem: Problem, meta: ObjectMeta) -> set[EntryKey]:
        return self._claims.keep_last_good(source, problem, lambda: self._recorded(source, meta))

    def _recorded(self, source: Source, meta: ObjectMeta) -> list[Claim]:
        return self._claims.recorded_for(
            source,
            meta,
            api_version=CLUSTER_SPIFFE_ID.api_version,
            origin=Origin.POD if POD_UID_LABEL in meta.labels else Origin.WRITTEN,
        )


class StatusReconciler:
    """Writes the status of ClusterSpiffeIds, once a second per object at most."""

    def __init__(
        self,
        book: Book,
        *,
        objects: Store[ClusterSpiffeId],
        kube: Kubernetes,
        events: Events,
        clock: Callable[[], float],
        timestamp: Callable[[], str],
    ) -> None:
        self._book = book
        self._objects = objects
        self._kube = kube
        self._events = events
        self._pace = Pace(clock)
        self._timestamp = timestamp

    async def reconcile(self, name: str) -> Outcome:
        """Write the status if it differs from the stored one."""
        obj = self._objects.get(ObjectKey("", name))
        if obj is None or obj.spec.class_name != self._book.instance:
            self._pace.forget(name)
            return Done()
        if name in self._book.unwanted:
            return Done()
        wanted = self._wanted(obj)
        if wanted is None or wanted == obj.status:
            return Done()
        wait = self._pace.wait_seconds(name)
        if wait:
            return Again(wait, "statuses are written once a second")
        patch = to_json(wanted)
        if not isinstance(patch, dict):
            raise TypeError("a status is an object")
        for missing in ("spireEntry", "entryId"):
            patch.setdefault(missing, None)
        stored = await self._kube.merge_patch(
            CLUSTER_SPIFFE_ID, obj.key, {"status": patch}, subresource="status"
        )
        self._pace.note(name)
        self._objects.assume(stored)
        self._report(obj, wanted)
        return Done()

    def _wanted(self, obj: ClusterSpiffeId) -> ClusterSpiffeIdStatus | None:
        """The status as it should be, or None while the SPIRE server has not been asked."""
        book, source = self._book, source_of(obj.metadata.name)
        claims = book.index.of_source(source)
        problem = book.problems.get(source)
        outcome, masked, name = PENDING, None, ""
        if claims:
            claim = claims[0]
            outcome = book.outcomes.get(claim.key)
            name = book.name_of(claim.key)
            winner = book.index.winner(claim.key)
            masked = masking(claim, winner) if winner is not None else None
            if problem is None and not book.outcomes.is_known(claim.key):
                return None
        elif problem is None:
            return None
        return status_of(
            obj,
            name=name,
            outcome=outcome,
            problem=problem,
            masked=masked,
            now=self._timestamp(),
        )

    def _report(self, obj: ClusterSpiffeId, status: ClusterSpiffeIdStatus) -> None:
        """Say in an Event what changed: a failure always, a success for what people wrote."""
        self._report_waiting(obj, status)
        before = find_condition(obj.status.conditions, READY)
        after = find_condition(status.conditions, READY)
        if after is None or (
            before is not None
            and (before.status, before.reason, before.message, obj.status.entry_id)
            == (after.status, after.reason, after.message, status.entry_id)
        ):
            return
        is_ready = after.status == "True"
        if after.reason == LATE.reason or (is_ready and POD_UID_LABEL in obj.metadata.labels):
            return
        self._events.emit(
            reference(CLUSTER_SPIFFE_ID, obj),
            type="Normal" if is_ready else "Warning",
            reason=after.reason,
            message=after.message,
        )

    def _report_waiting(self, obj: ClusterSpiffeId, status: ClusterSpiffeIdStatus) -> None:
        """Say in an Event which trust domains the entry is still without."""
        message = began_waiting(obj.status.conditions, status.conditions)
        if message:
            self._events.emit(
                reference(CLUSTER_SPIFFE_ID, obj),
                type="Warning",
                reason=FEDERATION_PENDING,
                message=message,
            )
