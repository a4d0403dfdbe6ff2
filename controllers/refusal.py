"""What the objects of a registrar say while another one holds its prefix: that nothing is done.

Only where the other does not handle the same objects: it would write them too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from api.codec import to_json
from api.kinds import Kind
from api.meta import Condition, KubeObject, find_condition, set_condition
from controllers.ports import Kubernetes
from registrar.claims.ownership import PREFIX_HELD
from registrar.claims.record import READY
from registrar.kube.errors import KubeError
from registrar.kube.store import Store

T = TypeVar("T", bound=KubeObject)


class Refusable(Protocol):
    """The objects of one kind."""

    async def refuse(self, kube: Kubernetes, *, why: str, now: str) -> None:
        """Let each of them say why nothing is done for it; no failure is an error."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects(Generic[T]):
    """What refusing needs to know of a kind. ``subresource`` is empty where it has none."""

    kind: Kind[T]
    stored: Store[T]
    is_ours: Callable[[T], bool]
    conditions: Callable[[T], tuple[Condition, ...]]
    subresource: str = "status"

    async def refuse(self, kube: Kubernetes, *, why: str, now: str) -> None:
        """Write the Ready condition of those that say something else."""
        for obj in list(self.stored.values()):
            if not self.is_ours(obj):
                continue
            wanted = Condition(
                type=READY,
                status="False",
                reason=PREFIX_HELD,
                message=why,
                observed_generation=obj.metadata.generation,
                last_transition_time=now,
            )
            before = self.conditions(obj)
            ready = find_condition(before, READY)
            if ready is not None and (ready.reason, ready.message) == (PREFIX_HELD, why):
                continue
            conditions = to_json(set_condition(before, wanted))
            try:
                stored = await kube.merge_patch(
                    self.kind,
                    obj.key,
                    {"status": {"conditions": conditions}},
                    subresource=self.subresource,
                )
            except KubeError:
                return  # the next look tries again
            self.stored.assume(stored)
