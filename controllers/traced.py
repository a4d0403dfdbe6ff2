"""One source's spans: which of its reconciles are traced, and what they are caused by.

An object of a kind that makes claims begins a trace: its change, then what it claims. A key that is
woken within a span of another source goes on with that trace. So one trace leads from a Pod over
its claim and the write of its entry to the record.
"""

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from api.meta import ObjectKey
from registrar.claims.claim import Claimant
from registrar.identity.entry import EntryKey
from registrar.kube.controller import WAITED_SECONDS, Result
from registrar.telemetry.tracing import SPAN, Tracer

K = TypeVar("K", bound=Hashable)

_MOST_HANDED = 50_000
_STANDARD = frozenset({"Pod", "Node"})
"""Kinds whose names OpenTelemetry's conventions have an attribute for."""


class Traced(Generic[K]):
    """Stands between a source's reconcile and its queue."""

    def __init__(
        self,
        *,
        name: str,
        kind: str,
        reconcile: Callable[[K], Awaitable[Result]],
        tracer: Tracer,
    ) -> None:
        self._name = name
        self._kind = kind
        self._reconcile = reconcile
        self._tracer = tracer
        self._handed: dict[K, object] = {}

    def waking(self, add: Callable[[K], None]) -> Callable[[K], None]:
        """``add``, for keys that may go on with the trace of whoever wakes them."""

        def hand(key: K) -> None:
            span = SPAN.get()
            # A kind's objects begin a trace each, so that one object's is not that of all Pods.
            if span is not None and not self._kind:
                # Of several that wake one key at the same time, the first has it.
                self._handed.setdefault(key, span)
                if len(self._handed) > _MOST_HANDED:
                    del self._handed[next(iter(self._handed))]
            add(key)

        return hand

    async def reconcile(self, key: K) -> Result:
        """The source's own reconcile, within a span if there is a trace to belong to."""
        waited = WAITED_SECONDS.get()
        attributes = _attributes(self._kind, key)
        reconcile = f"reconcile {self._name}"
        if self._kind:
            with (
                self._tracer.span(f"{self._kind} event", attributes=attributes, began_ago=waited),
                self._tracer.span(reconcile, attributes=attributes, parent=SPAN.get()),
            ):
                return await self._reconcile(key)
        parent = self._handed.pop(key, None)
        if parent is None:
            return await self._reconcile(key)
        try:
            with self._tracer.span(
                reconcile, attributes=attributes, parent=parent, began_ago=waited
            ):
                return await self._reconcile(key)
        except BaseException:
            # Timed out too, it is tried again, and that belongs to the trace too.
            self._handed.setdefault(key, parent)
            raise


def _attributes(kind: str, key: Hashable) -> dict[str, str]:
    """What a span says of its key, by OpenTelemetry's names where there are any."""
    match key:
        case EntryKey():
            return {"spiffe.id": key.spiffe_id, "spire.entry.parent_id": key.parent_id}
        case ObjectKey():
            found = {"k8s.namespace.name": key.namespace} if key.namespace else {}
            return found | _named(kind, key.name)
        case Claimant():
            return {"k8s.namespace.name": key.namespace} | _named(key.kind, key.name)
    return _named(kind, str(key))


def _named(kind: str, name: str) -> dict[str, str]:
    if kind in _STANDARD:
        return {f"k8s.{kind.lower()}.name": name}
    return {"k8s.object.name": name} | ({"k8s.object.kind": kind} if kind else {})
