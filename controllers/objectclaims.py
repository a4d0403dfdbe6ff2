"""Objects that ask for one entry each, to claims: the step that their kinds share."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from api.kinds import Kind
from api.meta import KubeObject, ObjectKey, ObjectMeta
from controllers.claiming import Claims
from controllers.ports import Mirror
from controllers.shared import SharedState
from registrar.claims.claim import Claim, Claimant, Origin, Problem
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

    ``is_record``: we made the object for a Pod or Node, which claims in its place.
    """

    kind: Kind[T]
    source_of: Callable[[ObjectKey], Claimant]
    is_ours: Callable[[T], bool]
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
        self._claims.begin(source)
        obj, broken = self._objects.get(key), self._objects.broken.get(key)
        if broken is not None:
            log.warning("an object does not decode", extra=kv(object=str(key), error=broken.error))
        meta = broken.meta if broken is not None else None if obj is None else obj.metadata
        if meta is None or self._claiming.is_record(meta):
            touched = self._claims.remove(source)
        elif broken is not None:
            problem = Problem("Undecodable", f"{broken.error}: correct the object")
            touched = self._keep_last_good(source, problem, broken.meta)
        elif obj is None or not self._claiming.is_ours(obj):
            touched = self._claims.remove(source)
        else:
            touched = self._claim(source, obj)
        self._claims.announce(source, touched)
        # An entry that is under way tells its sources itself when it is settled.
        if self._claims.is_known(source):
            self._shared.wake.status(source)
        return Done()

    def _claim(self, source: Claimant, obj: T) -> set[EntryKey]:
        try:
            claim = self._claiming.claim_of(obj)
        except InvalidField as error:
            return self._keep_last_good(source, Problem("InvalidSpec", str(error)), obj.metadata)
        return self._claims.put(source, [claim], lambda: self._recorded(source, obj.metadata))

    def _keep_last_good(
        self, source: Claimant, problem: Problem, meta: ObjectMeta
    ) -> set[EntryKey]:
        return self._claims.keep_last_good(source, problem, lambda: self._recorded(source, meta))

    def _recorded(self, source: Claimant, meta: ObjectMeta) -> list[Claim]:
        return self._claims.recorded_for(
            source,
            meta,
            api_version=self._claiming.kind.api_version,
            origin=self._claiming.origin_of(meta),
        )
