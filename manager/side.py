"""The side that a registrar's objects come from: a cluster, or a folder without one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from api.kinds import NAMESPACE
from api.meta import ObjectKey
from controllers.ports import Events, Kubernetes
from manager.modes.mode import Mode, Webhook
from manager.spire import SpireSide
from registrar.claims.instance import Instance, Records, recorded_ids
from registrar.claims.ownership import (
    Ownership,
    Prefixes,
    default_prefixes,
    workload_prefixes,
)
from registrar.kube.session import API
from registrar.settings.model import Settings
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


def records_of(settings: Settings, mode: Mode) -> Records:
    """Tells whose a SpireEntry is, for a registrar with these settings."""
    instance = Instance(settings.mode, settings.class_name, settings.entry_id_prefix or "")
    return Records(instance.label, settings.class_name, mode.made)


def ownership_of(settings: Settings, mode: Mode, records: Records, prefixes: Prefixes) -> Ownership:
    """Which entries are ours; a configured prefix was the controller manager's before.

    The SpireEntries are known by now.
    """
    stored = mode.spire_entries.store.values()
    recorded = recorded_ids(stored, records, prefixes.former)
    owns = Ownership(prefixes.current, recorded=recorded, former=prefixes.former, form=mode.form)
    config = settings.controller_manager
    if config is None:
        return owns
    return replace(
        owns,
        with_uuids=settings.entry_id_prefix is not None,
        cleanup=config.entry_id_prefix_cleanup,
    )


async def prefixes_of(settings: Settings, kube: Kubernetes) -> Prefixes:
    """The prefix of our entries, by default with kube-system's uid, which stands for the cluster.

    Raises KubeError where that has to be read and cannot be.
    """
    configured = settings.entry_id_prefix
    if configured:
        return Prefixes(configured)
    if settings.workload_registrar is not None:
        return workload_prefixes(settings.cluster, settings.mode, settings.class_name)
    namespace = await kube.get(NAMESPACE, ObjectKey("", "kube-system"))
    uid = namespace.metadata.uid
    return default_prefixes(settings.cluster, uid, settings.mode, settings.class_name)


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

    @property
    def session(self) -> API | None:
        """To ask the API server further, once connected; None without a cluster."""
        ...

    @property
    def leaders(self) -> str:
        """Who leads, in words; empty where nobody is elected."""
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
