"""The side of a registrar in a cluster: its caches, its leadership, its webhooks."""

import asyncio
import contextlib
import logging
import socket
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

from api.kinds import SPIRE_ENTRY
from api.meta import ObjectKey
from controllers.refusal import Objects
from manager.context import timestamp
from manager.modes.choice import mode_of, own_namespace, own_namespace_or_none
from manager.modes.mode import Webhook
from manager.names import USER_AGENT, lease_namespace_key
from manager.prefixowner import PrefixOwner, all_work, described
from manager.side import Beginning, Work, ownership_of, prefixes_of, records_of
from manager.spire import SpireSide
from registrar.backoff import Backoff
from registrar.claims.ownership import Prefixes
from registrar.ending import Ending
from registrar.kube.client import KubeClient
from registrar.kube.errors import KubeError
from registrar.kube.leader import LeaderElector
from registrar.kube.recorder import EventRecorder
from registrar.kube.session import API, Session, connect
from registrar.settings.model import LeaderElection, Settings
from registrar.telemetry.health import Checks
from registrar.telemetry.logging import kv
from registrar.telemetry.metrics import Metrics
from registrar.telemetry.rounds import attempt

log = logging.getLogger(__name__)

_REFUSAL_SECONDS = 10.0
_FIRST_TRY_SECONDS = 1.0
"""How long a start waits for the first word about the Leases before it fills the caches."""


class ClusterSide:
    """One replica in its cluster. Raises InvalidField for settings that its mode refuses."""

    def __init__(self, settings: Settings, metrics: Metrics, ending: Ending) -> None:
        self._settings = settings
        self._metrics = metrics
        self._ending = ending
        self._namespace = own_namespace_or_none()
        self.mode = mode_of(settings, namespace=self._namespace)
        self._records = records_of(settings, self.mode)
        self._identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        self._checks: Checks | None = None
        self._elector: LeaderElector | None = None
        self._lease: ObjectKey | None = None
        self._owner: PrefixOwner | None = None
        self._has_owner = asyncio.Event()
        self.webhooks: Webhook | None = None
        self.session: API | None = None

    def add_checks(self, checks: Checks) -> None:
        """Caches must be filled, the prefix ours or a replica's, the webhooks served."""
        checks.add("caches", self.mode.caches.why_not_synced)
        checks.add("prefix", lambda: None if self._owner is None else self._owner.problem())
        checks.add("webhook", lambda: None if self.webhooks is None else self.webhooks.problem())

    def may_write(self) -> bool:
        """Whether this process leads its replicas, and the prefix is its own."""
        leads = self._elector is None or self._elector.is_leader()
        return leads and self._owner is not None and self._owner.may_write()

    def is_standby(self) -> bool:
        """Whether another replica leads, or another registrar has the prefix."""
        if self._elector is not None and not self._elector.is_leader():
            return True
        return self._owner is not None and self._owner.is_waiting()

    @property
    def leaders(self) -> str:
        """Whose the Lease of the replicas is, and why the prefix is another's."""
        refusal = "" if self._owner is None else self._owner.refusal()
        if self._elector is None:
            return refusal
        holder = self._elector.holder or "nobody yet"
        me = " (this process)" if self._elector.is_leader() else ""
        leads = f"{holder}{me} by the Lease {self._lease}"
        return f"{leads}; {refusal}" if refusal else leads

    def prefix_state(self) -> str:
        """How the prefix is had."""
        return "" if self._owner is None else self._owner.state

    async def run(self, spire: SpireSide, work: Work) -> None:
        """Serve webhooks at once; work when this process leads and the prefix is its own."""
        async with (
            self._connect(USER_AGENT) as session,
            self._connect(f"{USER_AGENT}-lease") as own,
            asyncio.TaskGroup() as tasks,
        ):
            self.session = session
            self.webhooks = self.mode.webhook(session, spire.connected_minter())
            if self.webhooks is not None:
                tasks.create_task(self.webhooks.run())
            kube = KubeClient(session, gate=self.may_write)
            events = self._recorder(kube, tasks)
            while_refused = self._recorder(KubeClient(own), tasks)
            tasks.create_task(self._show_refusal(KubeClient(own)))
            fill = partial(self.mode.caches.start, session, tasks, self._metrics)

            async def begin(prefixes: Prefixes) -> None:
                since = asyncio.get_running_loop().time()
                fill()
                await self.mode.caches.catch_up(since)
                owns = ownership_of(self._settings, self.mode, self._records, prefixes)
                await work(Beginning(prefixes, self._records, owns, kube, events))

            lead = partial(self._lead, KubeClient(own), while_refused, begin)
            if self._settings.leader_election is not None:
                self._elector = await self._make_elector(self._settings.leader_election, own)
            tasks.create_task(self._fill_while_waiting(fill))
            # In a task: at the end the webhooks answer what they were asked while the Leases are
            # given back, not after that.
            tasks.create_task(lead() if self._elector is None else self._elector.run(lead))

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

    async def _fill_while_waiting(self, fill: Callable[[], None]) -> None:
        """Fill the caches as soon as it is known that there is somebody to wait for.

        Where nobody is, they are filled when this process leads: what was listed before would
        have to be compared with the API server's present version.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_TRY_SECONDS):
                if self._elector is not None:
                    await self._elector.tried.wait()
                if self._elector is None or self._elector.is_leader():
                    await self._has_owner.wait()
                    if self._owner is not None:
                        await self._owner.tried()
        fill()

    async def _lead(
        self,
        client: KubeClient,
        events: EventRecorder,
        work: Callable[[Prefixes], Awaitable[None]],
    ) -> None:
        """Lead while the prefix is ours too: see PrefixOwner."""
        settings, election = self._settings, self._settings.leader_election
        prefixes = await self._prefixes(client)
        owner = PrefixOwner(
            client,
            prefix=prefixes.current,
            me=described(settings, lease=self._lease, namespace=self._namespace),
            identity="" if all_work(settings) else self._identity,
            election=election,
            leads=lambda: self._elector is not None and self._elector.is_leader(),
            events=events,
            ending=self._ending,
        )
        self._owner = owner
        self._has_owner.set()
        await owner.run(lambda: work(prefixes))

    async def _show_refusal(self, kube: KubeClient) -> None:
        """While another holds the prefix, let our objects say so; until cancelled."""
        while True:
            await asyncio.sleep(min(self._settings.drift_interval_seconds, _REFUSAL_SECONDS))
            why = "" if self._owner is None else self._owner.refusal()
            if not why:
                continue
            records = Objects(
                kind=SPIRE_ENTRY,
                stored=self.mode.spire_entries.store,
                is_ours=self._records.is_current,
                conditions=lambda obj: obj.status.conditions,
                subresource="",
            )
            for objects in (*self.mode.refusable, records):
                refuse = partial(objects.refuse, kube, why=why, now=timestamp())
                await attempt("conditions while another holds the prefix", refuse)

    async def _prefixes(self, kube: KubeClient) -> Prefixes:
        """The prefix, as soon as what it is made of can be read."""
        backoff = Backoff(0.2, 10.0)
        while True:
            try:
                return await prefixes_of(self._settings, kube)
            except KubeError as error:
                log.warning("cannot read namespace kube-system", extra=kv(error=error))
                await asyncio.sleep(backoff.next_seconds())

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
            ending=self._ending,
        )
