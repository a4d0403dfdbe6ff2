"""The side that a registrar's objects come from: a cluster, or a folder without one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from controllers.ports import Events, Kubernetes
from manager.modes.mode import Mode, Webhook
from manager.spire import SpireSide
from registrar.claims.instance import Records
from registrar.claims.ownership import Ownership, Prefixes
from registrar.telemetry.health import Checks


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the work begins with. ``kube`` is None without a cluster: nothing is written there."""

    prefixes: Prefixes
    records: Records
    """Tells whose a SpireEntry is."""
    owns: Ownership
    """Tells which entries on the SPIRE server are ours."""
    kube: Kubernetes | None
    events: Events


Work = Callable[[Beginning], Awaitable[None]]


class Side(Protocol):
    """One side, for one run."""

    @property
    def mode(self) -> Mode:
        """What it reads, and its sources."""
        ...

    @property
    def webhooks(self) -> Webhook | None:
        """The server that the API server calls, once it runs."""
        ...

    def add_checks(self, checks: Checks) -> None:
        """Add what must be right for the process to be ready."""
        ...

    def may_write(self) -> bool:
        """Whether this process may write at this moment."""
        ...

    def is_standby(self) -> bool:
        """Whether another process works, so that there is nothing to do yet."""
        ...

    def prefix_state(self) -> str:
        """How the prefix is had, one of the metric's states; empty for none of them."""
        ...

    async def run(self, spire: SpireSide, work: Work) -> None:
        """Work once the objects are known and this process may write; until cancelled.

        Raises, maybe in a group, InvalidField for what only a start can find wrong, and
        LeadershipLost.
        """
        ...
