"""The registrar process: caches, probes, leadership, and a term whenever it leads."""

import asyncio
import logging
import socket
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial

from api.kinds import NAMESPACE, SPIRE_ENTRY
from api.meta import ObjectKey
from controllers.refusal import Objects
from manager.context import timestamp
from manager.modes.choice import mode_of, own_namespace, own_namespace_or_none
from manager.modes.mode import Webhook
from manager.names import HEALTH_KEY, USER_AGENT, lease_namespace_key, metrics_key
from manager.prefixowner import PrefixOwner, all_work, described
from manager.spire import SpireSide
from manager.term import NO_ENTRIES, Term
from registrar.backoff import Backoff
from registrar.claims.instance import Instance, Records, recorded_ids
from registrar.claims.ownership import (
    Ownership,
    Prefixes,
    check_prefix,
    default_prefixes,
    workload_prefixes,
)
from registrar.kube.client import KubeClient
from registrar.kube.errors import KubeError
from registrar.kube.leader import LeaderElector
from registrar.kube.recorder import EventRecorder
from registrar.kube.session import Session, connect
from registrar.settings.model import LeaderElection, Settings
from registrar.telemetry.health import Checks, Heartbeat, serve
from registrar.telemetry.logging import kv
from registrar.telemetry.metrics import Metrics
from registrar.telemetry.rounds import attempt

log = logging.getLogger(__name__)

_REFUSAL_SECONDS = 10.0


class Process:
    """One registrar. ``run`` works until cancelled."""

    def __init__(self, settings: Settings) -> None:
        if settings.entry_id_prefix is not None:
            check_prefix(settings.entry_id_prefix)
        self._settings = settings
        self._metrics = Metrics()
        self._namespace = own_namespace_or_none()
        self._mode = mode_of(settings, namespace=self._namespace)
        self._identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        self._elector: LeaderElector | None = None
        self._lease: ObjectKey | None = None
        self._owner: PrefixOwner | None = None
        self._term: Term | None = None
        self._checks = Checks()
        self._metrics.on_refresh(self._count_entries)
        self.port = 0
        """The port of metrics and probes, once ``run`` listens."""
        self.webhooks: Webhook | None = None

    def is_leading(self) -> bool:
        """Whether this process may write now: it leads its replicas, and the prefix is its own."""
        leads = self._elector is None or self._elector.is_leader()
        return leads and self._owner is not None and self._owner.may_write()

    @property
    def first_pass_is_over(self) -> bool:
        """Whether this process leads and has looked at every source."""
        return self._term is not None and self._term.ready.is_set()

    def why_not_ready(self) -> str | None:
        """None when ready, else what the process waits for, in words."""
        return next((why for why in self._checks.run().values() if why is not None), None)

    async def run(self) -> None:
        """Work until cancelled. Raises InvalidField for what only a start can find wrong."""
        settings, metrics = self._settings, self._metrics
        heartbeat, checks = Heartbeat(metrics), self._checks
        for warning in settings.warnings:
            log.warning(warning)
        spire = SpireSide(settings, metrics=metrics, is_leading=self.is_leading)
        checks.add("caches", self._mode.caches.why_not_synced)
        checks.add("spire", spire.problem)
        checks.add("prefix", lambda: None if self._owner is None else self._owner.problem())
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
            self._connect(USER_AGENT) as session,
            self._connect(f"{USER_AGENT}-lease") as own,
            spire.connected(),
            asyncio.TaskGroup() as tasks,
        ):
            self.port = health.port or probes.port
            tasks.create_task(heartbeat.run())
            self._mode.caches.start(session, tasks, metrics)
            tasks.create_task(spire.watch())
            self.webhooks = self._mode.webhook(session, spire.connected_minter())
            if self.webhooks is not None:
                checks.add("webhook", self.webhooks.problem)
                tasks.create_task(self.webhooks.run())
            kube = KubeClient(session, gate=self.is_leading)
            recorder = self._recorder(kube, tasks)
            while_refused = self._recorder(KubeClient(own), tasks)
            tasks.create_task(self._show_refusal(KubeClient(own)))

            async def work(owner: PrefixOwner, prefixes: Prefixes) -> None:
                if owner.is_late:
                    self._mode.caches.restart(session, tasks, metrics)
                owner.is_late = True
                await self._work(prefixes, kube, recorder, spire)

            lead = partial(self._lead, KubeClient(own), while_refused, work)
            if settings.leader_election is None:
                await lead()
            else:
                self._elector = await self._make_elector(settings.leader_election, own)
                await self._elector.run(lead)

    def _connect(self, user_agent: str) -> AbstractAsyncContextManager[Session]:
        settings = self._settings
        return connect(
            settings.kubeconfig,
            context=settings.context,
            user_agent=user_agent,
            observer=self._metrics,
        )

    def _recorder(self, client: KubeClient, tasks: asyncio.TaskGroup) -> EventRecorder:
        """A recorder of Events that works."""
        recorder = EventRecorder(client, USER_AGENT, socket.gethostname(), observer=self._metrics)
        tasks.create_task(recorder.run())
        return recorder

    async def _lead(
        self,
        client: KubeClient,
        events: EventRecorder,
        work: Callable[[PrefixOwner, Prefixes], Awaitable[None]],
    ) -> None:
        """Lead while the prefix is ours too: see PrefixOwner."""
        settings, election = self._settings, self._settings.leader_election
        configured = settings.entry_id_prefix
        prefixes = Prefixes(configured) if configured else await self._default_prefixes(client)
        owner = PrefixOwner(
            client,
            prefix=prefixes.current,
            me=described(settings, lease=self._lease, namespace=self._namespace),
            identity="" if all_work(settings) else self._identity,
            election=election,
            leads=lambda: self._elector is not None and self._elector.is_leader(),
            events=events,
        )
        # What a standby has cached may be old.
        owner.is_late = self._elector is not None
        self._owner = owner
        try:
            await owner.run(lambda: work(owner, prefixes))
        finally:
            self._owner = None

    async def _show_refusal(self, kube: KubeClient) -> None:
        """While another holds the prefix, let our objects say so; until cancelled."""
        while True:
            await asyncio.sleep(min(self._settings.drift_interval_seconds, _REFUSAL_SECONDS))
            why = "" if self._owner is None else self._owner.refusal()
            if not why:
                continue
            records = Objects(
                kind=SPIRE_ENTRY,
                stored=self._mode.spire_entries.store,
                is_ours=self._records().is_current,
                conditions=lambda obj: obj.status.conditions,
                subresource="",
            )
            for objects in (*self._mode.refusable, records):
                refuse = partial(objects.refuse, kube, why=why, now=timestamp())
                await attempt("conditions while another holds the prefix", refuse)

    def _records(self) -> Records:
        """Tells whose a SpireEntry is."""
        settings = self._settings
        instance = Instance(settings.mode, settings.class_name, settings.entry_id_prefix or "")
        return Records(instance.label, settings.class_name, self._mode.made)

    async def _work(
        self, prefixes: Prefixes, kube: KubeClient, recorder: EventRecorder, spire: SpireSide
    ) -> None:
        """One term: wait for both sides, then run the controllers until cancelled."""
        await self._mode.caches.synced()
        records = self._records()
        async with spire.term(self._ownership(prefixes, records)) as side:
            self._term = Term(
                self._mode,
                settings=self._settings,
                kube=kube,
                events=recorder,
                spire=side,
                metrics=self._metrics,
                prefixes=prefixes,
                records=records,
            )
            log.info("leading", extra=kv(prefix=prefixes.current, own_entries=len(side.mirror.own)))
            try:
                await self._term.run()
            finally:
                self._term = None

    def _ownership(self, prefixes: Prefixes, records: Records) -> Ownership:
        """Which entries are ours; a configured prefix was the controller manager's before."""
        stored = self._mode.spire_entries.store.values()
        recorded = recorded_ids(stored, records, prefixes.former)
        owns = Ownership(
            prefixes.current, recorded=recorded, former=prefixes.former, form=self._mode.form
        )
        config = self._settings.controller_manager
        if config is None:
            return owns
        return replace(
            owns,
            with_uuids=self._settings.entry_id_prefix is not None,
            cleanup=config.entry_id_prefix_cleanup,
        )

    async def _default_prefixes(self, kube: KubeClient) -> Prefixes:
        """The default prefix; the uid of kube-system stands for the cluster."""
        settings = self._settings
        if settings.workload_registrar is not None:
            return workload_prefixes(settings.cluster, settings.mode, settings.class_name)
        backoff = Backoff(0.2, 10.0)
        while True:
            try:
                namespace = await kube.get(NAMESPACE, ObjectKey("", "kube-system"))
            except KubeError as error:
                log.warning("cannot read namespace kube-system", extra=kv(error=error))
                await asyncio.sleep(backoff.next_seconds())
            else:
                uid = namespace.metadata.uid
                return default_prefixes(settings.cluster, uid, settings.mode, settings.class_name)

    async def _make_elector(self, election: LeaderElection, session: Session) -> LeaderElector:
        """The elector, on a connection of its own."""
        namespace = election.namespace
        if namespace is None:
            namespace = await asyncio.to_thread(own_namespace, lease_namespace_key(self._settings))
        self._lease = ObjectKey(namespace, election.name)
        return LeaderElector(
            KubeClient(session),
            namespace=namespace,
            name=election.name,
            identity=self._identity,
            lease_seconds=election.lease_seconds,
            renew_deadline_seconds=election.renew_deadline_seconds,
            retry_seconds=election.retry_seconds,
            observer=self._metrics.leader(election.name),
        )

    def _why_not_passed(self) -> str | None:
        """None once every source was looked at; a standby has nothing to look at."""
        if self._elector is not None and not self._elector.is_leader():
            return None
        if self._owner is not None and self._owner.is_waiting():
            return None
        if self._term is None:
            return "waiting for the caches and the SPIRE server"
        return None if self._term.ready.is_set() else "looking at every object once"

    def entry_counts(self) -> dict[str, int]:
        """Entries by state; one that does not lead (any more) answers for none."""
        return NO_ENTRIES if self._term is None else self._term.entry_counts()

    def _count_entries(self) -> None:
        """Bring the gauges up to date before a scrape."""
        counts = self.entry_counts()
        for state, number in counts.items():
            self._metrics.spire.entries(state, number)
        self._metrics.spire.deletions_withheld(counts["withheld"])
        self._metrics.prefix_state("" if self._owner is None else self._owner.state)
