"""The registrar process: probes and metrics from the start, and one term, when it may write.

A process leads once. Who loses the Lease ends, and is started again from nothing.
"""

import asyncio
import logging
from dataclasses import dataclass

from manager.cluster import ClusterSide
from manager.folder import FolderSide
from manager.modes.mode import Mode, Webhook
from manager.names import HEALTH_KEY, metrics_key
from manager.side import Beginning, Side
from manager.spire import SpireSide
from manager.term import NO_ENTRIES, Term
from registrar.claims.ownership import check_prefix
from registrar.ending import Ending
from registrar.kube.session import API
from registrar.settings.model import Settings
from registrar.spire.connection import Connection
from registrar.telemetry.health import Checks, Heartbeat, serve
from registrar.telemetry.logging import kv
from registrar.telemetry.metrics import Metrics
from registrar.telemetry.tracing import Tracer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Working:
    """What a process that leads knows, and whom it asks."""

    settings: Settings
    mode: Mode
    term: Term
    session: API | None
    """None without a cluster."""
    connection: Connection


class Process:
    """One registrar. ``run`` works until cancelled, and closes the ``tracer``, if there is one.

    Raises InvalidField for what is wrong with the settings.
    """

    def __init__(self, settings: Settings, tracer: Tracer | None = None) -> None:
        self._tracer = tracer
        if settings.entry_id_prefix is not None:
            check_prefix(settings.entry_id_prefix)
        self._settings = settings
        self._metrics = Metrics()
        self._ending = Ending()
        self._side = _side_of(settings, self._metrics, self._ending)
        self._term: Term | None = None
        self._spire: SpireSide | None = None
        self._checks = Checks()
        self._metrics.on_refresh(self._measure)
        self.port = 0
        """The port of metrics and probes, once ``run`` listens."""

    def is_leading(self) -> bool:
        """Whether this process may write now: it leads its replicas, and the prefix is its own."""
        return self._side.may_write()

    @property
    def webhooks(self) -> Webhook | None:
        """The server that the API server calls, once there is one."""
        return self._side.webhooks

    @property
    def first_pass_is_over(self) -> bool:
        """Whether this process leads and has looked at every object."""
        return self._term is not None and self._term.ready.is_set()

    @property
    def settings(self) -> Settings:
        """Those that it works by."""
        return self._settings

    @property
    def metrics(self) -> Metrics:
        """Its metrics."""
        return self._metrics

    @property
    def is_standby(self) -> bool:
        """Whether another process works, so that this one knows nothing of entries."""
        return self._term is None and self._side.is_standby()

    @property
    def leaders(self) -> str:
        """Who leads, in words; empty where nobody is elected."""
        return self._side.leaders

    def working(self) -> "Working | None":
        """What it knows, to be asked; None until it has looked at every object."""
        term, spire = self._term, self._spire
        if term is None or spire is None or spire.connection is None or not term.ready.is_set():
            return None
        return Working(self._settings, self._side.mode, term, self._side.session, spire.connection)

    def why_not_ready(self) -> str | None:
        """None when ready, else what the process waits for, in words."""
        return next((why for why in self._checks.run().values() if why is not None), None)

    async def run(self) -> None:
        """Work until cancelled; then finish what is under way and give the Leases back.

        Raises, in a group, InvalidField for what only a start can find wrong, and LeadershipLost.
        """
        # In a task of its own, so that it is known that the end was asked for before anything ends.
        working = asyncio.ensure_future(self._run())  # noqa: TID251 - a group would cancel it first
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            self._ending.begin()
            working.cancel()
            await working
            raise
        finally:
            if self._tracer is not None:
                await self._tracer.close()

    async def _run(self) -> None:
        settings, metrics, checks = self._settings, self._metrics, self._checks
        heartbeat = Heartbeat(metrics)
        for warning in settings.warnings:
            log.warning(warning)
        spire = SpireSide(
            settings,
            metrics=metrics,
            is_leading=self.is_leading,
            ending=self._ending,
            tracer=self._tracer,
        )
        self._spire = spire
        self._side.add_checks(checks)
        checks.add("spire", spire.problem)
        checks.add("first-pass", self._why_not_passed)
        async with (
            serve(
                settings.metrics_addr,
                metrics=metrics,
                checks=checks,
                heartbeat=heartbeat,
                field=metrics_key(settings),
            ) as health,
            # The controller manager has an address of its own for probes.
            serve(
                settings.health_addr or "0",
                metrics=metrics,
                checks=checks,
                heartbeat=heartbeat,
                field=HEALTH_KEY,
            ) as probes,
            spire.connected(),
            asyncio.TaskGroup() as tasks,
        ):
            self.port = health.port or probes.port
            tasks.create_task(heartbeat.run())
            tasks.create_task(spire.watch())

            async def work(beginning: Beginning) -> None:
                await self._work(beginning, spire)

            await self._side.run(spire, work)

    async def _work(self, beginning: Beginning, spire: SpireSide) -> None:
        """Wait for the SPIRE server too, then run the controllers until cancelled."""
        async with spire.term(beginning.owns) as side:
            self._term = Term(
                self._side.mode,
                beginning,
                settings=self._settings,
                spire=side,
                metrics=self._metrics,
                tracer=self._tracer,
            )
            prefix = beginning.prefixes.current
            log.info("leading", extra=kv(prefix=prefix, own_entries=len(side.mirror.own)))
            await self._term.run()

    def _why_not_passed(self) -> str | None:
        """None once every object was looked at; a standby has nothing to look at."""
        if self._term is None and self._side.is_standby():
            return None
        if self._term is None:
            return "waiting for the objects and the SPIRE server"
        return None if self._term.ready.is_set() else "looking at every object once"

    def entry_counts(self) -> dict[str, int]:
        """Entries by state; one that does not lead answers for none."""
        return NO_ENTRIES if self._term is None else self._term.entry_counts()

    def _measure(self) -> None:
        """Bring the gauges up to date before a scrape."""
        counts = self.entry_counts()
        for state, number in counts.items():
            self._metrics.spire.entries(state, number)
        self._metrics.spire.deletions_withheld(counts["withheld"])
        self._metrics.prefix_state(self._side.prefix_state())
        ends = None if self.webhooks is None else self.webhooks.certificate_ends
        self._metrics.webhook_certificate_ends(ends)


def _side_of(settings: Settings, metrics: Metrics, ending: Ending) -> Side:
    manager = settings.controller_manager
    if manager is None or manager.static_manifests is None:
        return ClusterSide(settings, metrics, ending)
    return FolderSide(settings, manager, manager.static_manifests)
