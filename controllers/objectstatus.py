"""Statuses of objects: written once a second per object at most, and said in Events."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from api.codec import merge_diff, to_json
from api.kinds import Kind
from api.meta import Condition, KubeObject, ObjectKey, find_condition
from controllers.ports import Events, Kubernetes, reference
from controllers.prunedstatus import PrunedStatuses
from controllers.statusrate import StatusRateLimiter
from registrar.claims.federation import FEDERATION_PENDING, began_waiting
from registrar.claims.outcome import LATE
from registrar.kube.controller import Again, Done, Result
from registrar.kube.errors import Undecodable
from registrar.kube.store import Store

READY = "Ready"


class Status(Protocol):
    """A status with conditions."""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions."""
        ...


T = TypeVar("T", bound=KubeObject)
S = TypeVar("S", bound=Status)


def _ready_words(status: Status) -> object:
    """Status, reason and message of the Ready condition."""
    ready = find_condition(status.conditions, READY)
    return None if ready is None else (ready.status, ready.reason, ready.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stating(Generic[T, S]):
    """What the step needs to know of a kind.

    ``wanted`` gives None while there is nothing to say; ``is_quiet`` tells of
    which objects a success is no news; ``words`` what of a status makes news;
    ``told`` what an Event says, which stays as it is when the condition's numbers change.
    """

    kind: Kind[T]
    is_ours: Callable[[T], bool]
    status_of: Callable[[T], S]
    wanted: Callable[[T], S | None]
    is_quiet: Callable[[T], bool] = lambda _: False
    words: Callable[[S], object] = _ready_words
    told: Callable[[Condition], str] = lambda ready: ready.message


class ObjectStatusReconciler(Generic[T, S]):
    """Writes the statuses of one kind."""

    def __init__(
        self,
        stating: Stating[T, S],
        *,
        objects: Store[T],
        kube: Kubernetes,
        events: Events,
        clock: Callable[[], float],
    ) -> None:
        self._stating = stating
        self._objects = objects
        self._kube = kube
        self._events = events
        self._rate = StatusRateLimiter(clock)
        self._pruned = PrunedStatuses()

    async def reconcile(self, key: ObjectKey) -> Result:
        """Write the status if it differs from the stored one."""
        stating, name = self._stating, str(key)
        obj = self._objects.get(key)
        if obj is None or not stating.is_ours(obj):
            self._rate.forget(name)
            self._pruned.forget(name)
            return Done()
        before, wanted = stating.status_of(obj), stating.wanted(obj)
        if wanted is None or wanted == before or self._pruned.is_in_vain(name, wanted, before):
            return Done()
        wait = self._rate.wait_seconds(name)
        if wait:
            return Again(wait, "statuses are written once a second")
        patch = merge_diff(to_json(before), to_json(wanted))
        try:
            stored = await self._kube.merge_patch(
                stating.kind, key, {"status": patch}, subresource="status"
            )
        except Undecodable:
            # The status stands there now; the rest of the object is what does not decode.
            self._pruned.unread(name, wanted, before)
        else:
            self._pruned.answered(name, wanted, stating.status_of(stored))
            self._objects.assume(stored)
        self._rate.written(name)
        self._report(obj, before, wanted)
        return Done()

    def _report(self, obj: T, before: S, after: S) -> None:
        """Say in Events what changed: which trust domains it waits for, whether it is ready."""
        waiting = began_waiting(before.conditions, after.conditions)
        if waiting:
            self._emit(obj, FEDERATION_PENDING, waiting, is_good=False)
        ready = find_condition(after.conditions, READY)
        if ready is None or ready.reason == LATE.reason:
            return
        is_ready = ready.status == "True"
        is_news = self._stating.words(before) != self._stating.words(after)
        if is_news and not (is_ready and self._stating.is_quiet(obj)):
            self._emit(obj, ready.reason, self._stating.told(ready), is_good=is_ready)

    def _emit(self, obj: T, reason: str, message: str, *, is_good: bool) -> None:
        self._events.emit(
            reference(self._stating.kind, obj),
            type="Normal" if is_good else "Warning",
            reason=reason,
            message=message,
        )
