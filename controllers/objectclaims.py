"""Objects that ask for one entry each, to claims: the step that their kinds share."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from api.kinds import Kind
from api.meta import KubeObject, ObjectKey, ObjectMeta
from controllers.claiming import Claims
from controllers.ports import Mirror
from controllers.shared import SharedState
from registrar.claims.claim import Claim, Claimant, Origin, Problem
from registrar.claims.judged import Judged
from registrar.claims.unmet import Unmet
from registrar.errors import InvalidField
from registrar.identity.entry import EntryKey
from registrar.kube.controller import Done, Result
from registrar.kube.store import Store
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

T = TypeVar("T", bound=KubeObject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claiming(Generic[T]):
    """What the step needs to know of a kind. ``claim_of`` raises InvalidField.

    ``unmet`` says why an object is not ours, None for one that is. ``is_record``: we made the
    object for a Pod or Node, which claims in its place.
    """

    kind: Kind[T]
    source_of: Callable[[ObjectKey], Claimant]
    unmet: Callable[[T], Unmet | None]
    claim_of: Callable[[T], Claim]
    origin_of: Callable[[ObjectMeta], Origin]
    is_record: Callable[[ObjectMeta], bool] = lambda _: False


class ObjectClaimReconciler(Generic[T]):
    """Keeps the claim index in line with the objects of a kind. No remote call."""

    def __init__(
        self,
        shared: SharedState,
        claiming: Claiming[T],
        *,
        objects: Store[T],
        mirror: Mirror,
    ) -> None:
        self._shared = shared
        self._claiming = claiming
        self._objects = objects
        self._claims = Claims(shared, mirror)

    async def reconcile(self, key: ObjectKey) -> Result:
        """Bring the claims of one object up to date."""
        source = self._claiming.source_of(key)
        meta = self._meta(key)
        self._claims.begin(source, uid=meta.uid if meta else "")
        broken = self._objects.broken.get(key)
        if broken is not None:
            log.warning("an object does not decode", extra=kv(object=str(key), error=broken.error))
        judged = self._judge(key)
        if meta is None or judged is None or judged.unmet is not None:
            touched = self._claims.remove(source)
        elif judged.problem is not None:
            touched = self._forget_another(source, meta) | self._claims.keep_last_good(
                source, judged.problem, lambda: self._recorded(source, meta)
            )
        else:
            touched = self._claims.put(source, judged.claims, lambda: self._recorded(source, meta))
        self._claims.announce(source, touched)
        # An entry that is under way tells its sources itself when it is settled.
        if self._claims.is_known(source):
            self._shared.wake.status(source)
        return Done()

    async def explain(self, key: ObjectKey) -> list[Judged]:
        """What one object claims and why, as of the last reconcile of it; empty for no such."""
        judged = self._judge(key)
        if judged is None:
            return []
        if judged.problem is None:
            return [judged]
        return [replace(judged, claims=tuple(self._shared.index.of_source(judged.by)))]

    def _judge(self, key: ObjectKey) -> Judged | None:
        """What the rules say of the object; None for none, and for one that is only a record."""
        claiming, meta = self._claiming, self._meta(key)
        obj, broken = self._objects.get(key), self._objects.broken.get(key)
        if meta is None or claiming.is_record(meta):
            return None
        source = claiming.source_of(key)
        if broken is not None:
            problem = Problem("Undecodable", f"{broken.error}: correct the object")
            return Judged(by=source, problem=problem)
        if obj is None:
            return None
        unmet = claiming.unmet(obj)
        if unmet is not None:
            return Judged(by=source, unmet=unmet)
        try:
            return Judged(by=source, claims=(claiming.claim_of(obj),))
        except InvalidField as error:
            return Judged(by=source, problem=Problem("InvalidSpec", str(error)))

    def _meta(self, key: ObjectKey) -> ObjectMeta | None:
        """The metadata of the object, also of one that does not decode."""
        obj, broken = self._objects.get(key), self._objects.broken.get(key)
        return broken.meta if broken is not None else None if obj is None else obj.metadata

    def _forget_another(self, source: Claimant, meta: ObjectMeta) -> set[EntryKey]:
        """Let go what one asked for that had the object's name before, and is gone unseen."""
        had = self._shared.index.of_source(source)
        is_another = any(claim.holder_uid not in ("", meta.uid) for claim in had)
        return self._claims.remove(source) if meta.uid and is_another else set()

    def _recorded(self, source: Claimant, meta: ObjectMeta) -> list[Claim]:
        return self._claims.recorded_for(
            source,
            meta,
            api_version=self._claiming.kind.api_version,
            origin=self._claiming.origin_of(meta),
        )
