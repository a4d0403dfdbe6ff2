"""What the checks look at: both servers, through clients that cannot write.

Every question that more than one check asks is asked once. A server that is not reached is found
out once too: what needs it then says so at once, and nobody waits again.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import msgspec

from api.codec import DecodeError, JSONObject, decode, encode
from api.core import Lease, Node
from api.kinds import LEASE, NAMESPACE, NODE, POD, SPIRE_ENTRY, Kind
from api.meta import KubeObject, ObjectKey
from api.proto import types_pb2
from api.spiffeid.v1beta1.spireentry import SpireEntry
from manager.doctor.finding import Unlooked
from manager.doctor.once import Once
from manager.modes.choice import mode_of
from manager.modes.mode import Mode
from manager.names import OWNERS_NAMESPACE, USER_AGENT
from registrar.claims.instance import Instance, Records
from registrar.claims.ownership import (
    Prefixes,
    default_prefixes,
    owner_lease,
    static_prefixes,
    workload_prefixes,
)
from registrar.kube.client import KubeClient, list_request, read_page
from registrar.kube.errors import NotFound, Unavailable
from registrar.kube.session import Request, Session, connect
from registrar.settings.model import Settings
from registrar.spire.agents import Agent, AgentClient
from registrar.spire.bundles import BundleClient
from registrar.spire.channel import Connection
from registrar.spire.connection import open_connection
from registrar.spire.entries import EntryClient
from registrar.spire.errors import PermissionDenied, SpireError
from registrar.spire.federation import FederationClient

T = TypeVar("T", bound=KubeObject)

CALL_SECONDS = 10.0
_PAGE = 500
_MASK = types_pb2.EntryMask(spiffe_id=True, parent_id=True, selectors=True, created_at=True)


class _Version(msgspec.Struct, rename="camel"):
    git_version: str = ""


def _no_records(_: SpireEntry) -> bool:
    """Without a cluster nothing is recorded."""
    return False


class ServerTime:
    """The API server's clock beside ours: how many seconds it is ahead, to a second."""

    def __init__(self, ahead_seconds: float) -> None:
        self.ahead_seconds = ahead_seconds

    def now(self) -> datetime:
        """What it shows now."""
        return datetime.fromtimestamp(time.time() + self.ahead_seconds, tz=UTC)


class World:
    """One look at an installation; made by ``opened``. ``session`` is None without a cluster."""

    def __init__(  # noqa: PLR0913 - both sides, and what the flags say
        self,
        settings: Settings,
        mode: Mode | None,
        *,
        namespace: str,
        session: Session | None,
        connection: Connection,
        account: str = "",
        metrics_url: str = "",
        pause_seconds: float = 2.0,
    ) -> None:
        self.settings = settings
        self.namespace = namespace
        self.account = account
        """``namespace/name`` of the registrar's service account; empty for whoever asks."""
        self.metrics_url = metrics_url
        self.pause_seconds = pause_seconds
        """Before what seems to be missing is looked at again: it may just have come or gone."""
        self.connection = connection
        self._session = session
        label = Instance(settings.mode, settings.class_name, settings.entry_id_prefix or "").label
        made = _no_records if mode is None else mode.made
        self.records = Records(label, settings.class_name, made)
        self.version = Once(self._version)
        self.time = Once(self._time)
        self.prefixes = Once(self._prefixes)
        self.trust_domain = Once(self._trust_domain)
        self.entries = Once(self.read_entries)
        self.spire_entries = Once(self.read_spire_entries)
        self.nodes = Once(self._nodes)
        self.agents = Once(self._agents)

    @property
    def has_cluster(self) -> bool:
        """Whether there is a cluster at all: static mode has none."""
        return self._session is not None

    async def session(self) -> Session:
        """The connection to an API server that answers. Raises Unlooked."""
        if self._session is None:
            raise Unlooked("there is no cluster in this mode")
        try:
            await self.version()
        except Unavailable as error:
            raise Unlooked("the API server is not reached", "see above") from error
        return self._session

    async def kube(self) -> KubeClient:
        """A client that reads. Raises Unlooked."""
        return KubeClient(await self.session(), gate=lambda: False)

    async def spire(self) -> Connection:
        """The connection to a SPIRE server that answers. Raises Unlooked."""
        try:
            await self.trust_domain()
        except PermissionDenied:
            raise
        except SpireError as error:
            raise Unlooked("the SPIRE server is not reached", "see above") from error
        return self.connection

    async def objects(self, kind: Kind[T]) -> list[T]:
        """All objects of a kind that decode. Raises KubeError or Unlooked."""
        kube, token, found = await self.kube(), "", list[T]()
        while True:
            page = await kube.page(kind, limit=_PAGE, continue_token=token)
            for item in page.items:
                try:
                    found.append(decode(item, kind.type))
                except DecodeError:
                    # What does not decode says so in its own status.
                    continue
            token = page.continue_token
            if not token:
                return found

    async def read_pod_uids(self) -> set[str]:
        """The uids of all Pods; nothing else of them is read."""
        session, token, found = await self.session(), "", set[str]()
        while True:
            request = list_request(POD, limit=_PAGE, continue_token=token, metadata_only=True)
            page = read_page(await session.call(request))
            found |= {decode(item, KubeObject).metadata.uid for item in page.items}
            token = page.continue_token
            if not token:
                return found

    async def read_spire_entries(self) -> list[SpireEntry]:
        """All SpireEntries, whosever they are; None of them where the kind is not installed."""
        return await self.objects(SPIRE_ENTRY)

    async def read_entries(self) -> list[types_pb2.Entry]:
        """All entries of the SPIRE server, without what no check looks at."""
        client = EntryClient(await self.spire(), timeout_seconds=CALL_SECONDS, gate=lambda: False)
        return [entry async for page in client.pages(mask=_MASK) for entry in page]

    def bundles(self) -> BundleClient:
        """The client of bundles; it cannot write."""
        return BundleClient(self.connection, timeout_seconds=CALL_SECONDS, gate=lambda: False)

    def federation(self) -> FederationClient:
        """The client of federation relationships; it cannot write."""
        return FederationClient(self.connection, timeout_seconds=CALL_SECONDS, gate=lambda: False)

    async def lease(self, key: ObjectKey) -> Lease | None:
        """A Lease, or None where there is none. Raises KubeError."""
        try:
            return await (await self.kube()).get(LEASE, key)
        except NotFound:
            return None

    async def owner(self, prefix: str) -> Lease | None:
        """The Lease that says who has a prefix."""
        return await self.lease(ObjectKey(OWNERS_NAMESPACE, owner_lease(prefix)))

    async def review(self, path: str, body: JSONObject) -> bytes:
        """Ask the API server who we are, or what somebody may do: no write, though a POST."""
        session = await self.session()
        return await session.call(
            Request("POST", path, body=encode(body), deadline_seconds=CALL_SECONDS)
        )

    async def _version(self) -> str:
        session = self._session
        if session is None:
            raise Unlooked("there is no cluster in this mode")
        reply = await session.call(Request("GET", "/version", deadline_seconds=CALL_SECONDS))
        return decode(reply, _Version).git_version

    async def _time(self) -> ServerTime:
        session = await self.session()
        before = time.time()
        headers = await session.headers(Request("GET", "/version", deadline_seconds=CALL_SECONDS))
        after = time.time()
        text = headers.get("Date", "")
        try:
            shown = parsedate_to_datetime(text).timestamp()
        except (TypeError, ValueError):
            raise Unlooked(f"the API server shows no time: {text!r}") from None
        # It shows whole seconds, so it means half a second more.
        return ServerTime(shown + 0.5 - (before + after) / 2)

    async def _prefixes(self) -> Prefixes:
        """As the registrar derives them."""
        settings = self.settings
        if settings.entry_id_prefix:
            return Prefixes(settings.entry_id_prefix)
        if not self.has_cluster:
            return static_prefixes(settings.cluster, settings.class_name)
        if settings.workload_registrar is not None:
            return workload_prefixes(settings.cluster, settings.mode, settings.class_name)
        found = await (await self.kube()).get(NAMESPACE, ObjectKey("", "kube-system"))
        return default_prefixes(
            settings.cluster, found.metadata.uid, settings.mode, settings.class_name
        )

    async def _trust_domain(self) -> str:
        return await self.bundles().trust_domain()

    async def _nodes(self) -> list[Node]:
        return await self.objects(NODE)

    async def _agents(self) -> list[Agent]:
        client = AgentClient(await self.spire(), timeout_seconds=CALL_SECONDS)
        return await client.list()

    async def pause(self) -> None:
        """Give what is under way the time to be done."""
        await asyncio.sleep(self.pause_seconds)


@asynccontextmanager
async def opened(
    settings: Settings,
    *,
    namespace: str,
    account: str = "",
    metrics_url: str = "",
    pause_seconds: float = 2.0,
) -> AsyncIterator[World]:
    """A world to look at, until the block ends.

    Raises InvalidField for a kubeconfig that is wrong, and for what the mode refuses.
    """
    mode = None if settings.mode == "static" else mode_of(settings, namespace=namespace)
    async with open_connection(settings.spire, trust_domain=settings.trust_domain) as connection:

        def world(session: Session | None) -> World:
            return World(
                settings,
                mode,
                namespace=namespace,
                session=session,
                connection=connection,
                account=account,
                metrics_url=metrics_url,
                pause_seconds=pause_seconds,
            )

        if mode is None:
            yield world(None)
            return
        async with connect(
            settings.kubeconfig, context=settings.context, user_agent=USER_AGENT
        ) as session:
            yield world(session)
