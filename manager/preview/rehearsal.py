"""A registrar's start, played on the real servers without writing to them.

It is the registrar's own start: the mode's caches, the first pass of all sources, the entries'
reconciler and the release pass with its budget. Only what would be written goes to servers that
seem to take it. There is no Lease, no election and no listening socket, and a registrar that runs
meanwhile notices nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from sys import maxsize

from api.meta import ObjectKey
from controllers.shared import SharedState
from controllers.source import AnySource
from manager.caches.cache import Caches, Unread
from manager.folder import FolderSide
from manager.modes.choice import mode_of, own_namespace_or_none
from manager.modes.mode import Mode
from manager.names import OWNERS_NAMESPACE, USER_AGENT
from manager.prefixowner import described, holder_of, namespace_in, refusal
from manager.preview.comparison import Before, Comparison, relationship_changes
from manager.preview.entrypages import HeldPages
from manager.preview.findings import findings, handled_by
from manager.preview.manifestapi import ManifestAPI
from manager.preview.manifests import FLAG, Manifests
from manager.preview.model import Counts, Outlook, counted
from manager.preview.seeming import (
    KeptEvents,
    SeemingBundles,
    SeemingFederation,
    SeemingKube,
    SeemingWriter,
    Told,
)
from manager.side import Beginning, ownership_of, prefixes_of, records_of
from manager.spire import TermSide
from manager.term import Term
from registrar.claims.ownership import Prefixes, check_prefix, owner_lease
from registrar.errors import InvalidField
from registrar.identity.entry import Entry, EntryKey
from registrar.kube.client import KubeClient
from registrar.kube.errors import Forbidden, KubeError
from registrar.kube.session import API, connect
from registrar.settings.model import Settings
from registrar.spire.background import background
from registrar.spire.bundles import BundleClient
from registrar.spire.connection import Connection, open_connection
from registrar.spire.droppedfields import DroppedFields
from registrar.spire.entries import EntryClient
from registrar.spire.errors import PermissionDenied, SpireError
from registrar.spire.federation import FederationClient
from registrar.spire.mirror import EntryMirror
from registrar.spire.trustdomains import KnownDomains
from registrar.telemetry.metrics import Metrics

DEADLINE_SECONDS = 60.0
"""How long everything may take to be read."""


class CannotPreview(Exception):  # noqa: N818 - it is no fault of the program
    """Something cannot be read without which a registrar would do nothing either."""

    def __init__(self, *unread: Unread) -> None:
        super().__init__("; ".join(f"{u.resource}: {u.why}" for u in unread))
        self.unread = unread


@dataclass(frozen=True)
class Preview:
    """What a rehearsal came to. What it was played with can be asked on, until the block ends."""

    settings: Settings
    mode: Mode
    prefixes: Prefixes
    shared: SharedState
    """The claim index, the outcomes and the problems, as the first pass left them."""
    sources: Sequence[AnySource]
    """To ask for reasons; see ``explain`` of a Source."""
    mirror: EntryMirror
    """What the SPIRE server would hold."""
    before: Before
    """What it holds."""
    withheld: tuple[Entry, ...]
    """The entries whose deletion would wait for a person."""
    federation: SeemingFederation
    bundles: SeemingBundles
    kube: SeemingKube | None
    """With the statuses that would be written; None without a cluster."""
    told: tuple[Told, ...]
    """The Events that would be written."""
    held_by: str
    """Why a registrar would wait before it did all this: another holds the prefix; or empty."""
    unread: tuple[Unread, ...]
    left_out: int
    """How many documents of the manifests say nothing to a registrar."""
    objects: Mapping[str, int]
    """How many objects of each kind were read."""
    session: API | None
    """To ask the API server further; None without a cluster."""
    connection: Connection
    """To ask the SPIRE server further."""

    @cached_property
    def outlook(self) -> Outlook:
        """What would be done, and why."""
        comparison = Comparison(self.before, self.mirror, self.shared, withheld=self.withheld)
        entries = comparison.changes()
        relationships = relationship_changes(
            self.federation,
            self.bundles,
            self.mode.trust_domains,
            is_handled=handled_by(self.settings),
        )
        return Outlook(
            mode=self.settings.mode,
            prefix=self.prefixes.current,
            entries=entries,
            relationships=relationships,
            findings=findings(
                self.mode.caches,
                self.kube,
                self.shared,
                told=self.told,
                is_handled=handled_by(self.settings),
            ),
            held_by=self.held_by,
            unread=self.unread,
            left_out=self.left_out,
            withheld=self.shared.withheld,
            counts=Counts(
                entries=counted(entries),
                relationships=counted(relationships),
                objects=self.objects,
                own=len(self.before.own),
                foreign=self.before.foreign_count,
            ),
        )

    def adoptable(self, key: EntryKey) -> Entry | None:
        """The entry of somebody else that had the key before."""
        return self.before.foreign.get(key)


@asynccontextmanager
async def rehearsed(
    settings: Settings,
    *,
    namespace: str | None = None,
    manifests: Manifests | None = None,
    deadline_seconds: float | None = DEADLINE_SECONDS,
) -> AsyncIterator[Preview]:
    """Play a registrar's start; gives what came of it, until the block ends.

    ``namespace`` is the one that the registrar runs in, by default that of the one that runs with
    these settings, else of its Lease or of this Pod. With ``manifests`` objects come from files.
    Raises InvalidField for what is wrong with the settings, and CannotPreview.
    """
    if settings.entry_id_prefix is not None:
        check_prefix(settings.entry_id_prefix)
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(
            open_connection(settings.spire, trust_domain=settings.trust_domain)
        )
        rehearsal = _Rehearsal(settings, connection, manifests)
        deadline = asyncio.timeout(deadline_seconds)
        try:
            async with deadline:
                await rehearsal.read_spire()
                await rehearsal.begin(stack, namespace)
                preview = await rehearsal.play()
        except TimeoutError:
            if not deadline.expired():
                raise
            raise CannotPreview(rehearsal.late(deadline_seconds or 0.0)) from None
        yield preview


class _Rehearsal:
    """One rehearsal, step by step."""

    def __init__(
        self, settings: Settings, connection: Connection, manifests: Manifests | None
    ) -> None:
        self._settings = settings
        self._manifests = manifests
        self._connection = connection
        self._metrics = Metrics()
        self._events = KeptEvents()
        self._pages = HeldPages(EntryClient(connection, gate=_never))
        self._bundles = SeemingBundles(BundleClient(connection, gate=_never))
        self._federation = SeemingFederation(
            FederationClient(connection, gate=_never), on_bundle=self._bundles.given
        )
        self._known = KnownDomains(self._bundles, interval_seconds=settings.drift_interval_seconds)
        self._session: API | None = None
        self._kube: SeemingKube | None = None
        self._mode: Mode | None = None
        self._folder: FolderSide | None = None
        self._beginning: Beginning | None = None
        self._held_by = ""
        self._lease: Unread | None = None
        self._unread: list[Unread] = []
        self._doing = "reading the SPIRE server's entries"

    async def read_spire(self) -> None:
        """Read what the SPIRE server holds, before any object. Raises CannotPreview."""
        try:
            await self._pages.read()
            await self._known.refresh()
        except SpireError as error:
            raise CannotPreview(_of_spire(error)) from error

    async def begin(self, stack: AsyncExitStack, given: str | None) -> None:
        """Read the objects. Raises InvalidField and CannotPreview."""
        settings = self._settings
        manager = settings.controller_manager
        if manager is not None and manager.static_manifests is not None:
            if self._manifests is not None:
                path, remedy = str(self._manifests.path), "the configuration names a folder itself"
                raise InvalidField(FLAG, path, remedy)
            self._folder = folder = FolderSide(settings, manager, manager.static_manifests)
            self._mode = folder.mode
            # What stands in no file is only known to be gone at the second look.
            for _ in range(2):
                self._beginning = await folder.begin(self._events)
            if self._beginning is None:
                why = folder.problem or "it cannot be read"
                path = str(manager.static_manifests.path)
                raise CannotPreview(Unread(path, why, "let the folder be readable"))
            return
        cluster: API = await stack.enter_async_context(
            connect(settings.kubeconfig, context=settings.context, user_agent=USER_AGENT)
        )
        manifests = self._manifests
        session = cluster if manifests is None else ManifestAPI(cluster, manifests)
        self._session = session
        tasks = await stack.enter_async_context(background())
        self._doing = "reading the objects"
        client = KubeClient(session, gate=_never)
        try:
            prefixes = await prefixes_of(settings, client)
        except KubeError as error:
            raise CannotPreview(_of_kube_system(error)) from error
        namespace = await self._namespace(client, prefixes, given)
        self._mode = mode = _mode_in(settings, namespace)
        mode.caches.start(session, tasks, self._metrics)
        await self._look(mode.caches)
        records = records_of(settings, mode)
        owns = ownership_of(settings, mode, records, prefixes)
        self._kube = SeemingKube(client)
        self._beginning = Beginning(prefixes, records, owns, self._kube, self._events)

    async def play(self) -> Preview:
        """Do what a start does. Raises CannotPreview."""
        mode, beginning = self._mode, self._beginning
        if mode is None or beginning is None:
            raise RuntimeError("the objects were not read")
        owns = beginning.owns
        mirror = EntryMirror(
            self._pages,
            is_ours=owns,
            may_be_ours=owns.is_former,
            has_our_form=owns.form,
            most_foreign=maxsize,
        )
        try:
            await mirror.load()
        except SpireError as error:
            raise CannotPreview(_of_spire(error)) from error
        before = Before(dict(mirror.own), dict(mirror.foreign), mirror.foreign_count)
        term = Term(
            mode,
            beginning,
            settings=self._settings,
            spire=TermSide(
                mirror,
                SeemingWriter(mirror, {entry.id: entry for entry in before.foreign.values()}),
                self._known,
                self._federation,
                self._bundles,
                DroppedFields(),
            ),
            metrics=self._metrics,
        )
        self._doing = "looking at every object"
        await term.rehearse(lambda: self._look(mode.caches))
        return Preview(
            settings=self._settings,
            mode=mode,
            prefixes=beginning.prefixes,
            shared=term.shared,
            sources=term.sources,
            mirror=mirror,
            before=before,
            withheld=tuple(term.withheld()),
            federation=self._federation,
            bundles=self._bundles,
            kube=self._kube,
            told=tuple(self._events.told),
            held_by=self._held_by,
            unread=(*self._unread, *(() if self._lease is None else (self._lease,))),
            left_out=0 if self._manifests is None else self._manifests.left_out,
            objects=mode.caches.sizes() if self._folder is None else self._folder.sizes(),
            session=self._session,
            connection=self._connection,
        )

    def late(self, seconds: float) -> Unread:
        """What takes too long."""
        mode = self._mode
        waits = None if mode is None or self._session is None else mode.caches.why_not_synced()
        what = self._doing if waits is None else f"{self._doing} ({waits})"
        return Unread("", f"{what} took more than {seconds:g} s", "allow more time")

    async def _namespace(self, client: KubeClient, prefixes: Prefixes, given: str | None) -> str:
        """The registrar's namespace; sees too whether another registrar has the prefix.

        A registrar that runs with these settings says where it is: who asks may be elsewhere.
        """
        prefix, election = prefixes.current, self._settings.leader_election
        by_settings = (election.namespace if election is not None else "") or ""
        here = given if given is not None else by_settings or own_namespace_or_none() or ""
        try:
            holder = await holder_of(client, prefix=prefix, now=datetime.now(UTC))
        except KubeError as error:
            # Nothing else depends on it; whoever may not read it is told.
            self._lease = Unread(
                f"Lease {OWNERS_NAMESPACE}/{owner_lease(prefix)}",
                str(error),
                "give the right to get it, to see whether another registrar holds the prefix",
                is_right=isinstance(error, Forbidden),
                stops=False,
            )
            return here
        if not holder:
            return here
        for there in (here,) if given is not None else (namespace_in(holder), here):
            if holder == self._described(there):
                return there
        self._held_by = refusal(prefix, holder)
        return here

    def _described(self, namespace: str) -> str:
        """What a registrar with these settings says of itself in a namespace."""
        election, lease = self._settings.leader_election, None
        if election is not None:
            lease = ObjectKey(election.namespace or namespace, election.name)
        return described(self._settings, lease=lease, namespace=namespace)

    async def _look(self, caches: Caches) -> None:
        """Wait for what is read. Raises CannotPreview for what a registrar would wait for."""
        self._unread = await caches.looked()
        needed = [u for u in self._unread if u.stops or not (u.is_right or u.is_missing)]
        if needed:
            raise CannotPreview(*needed)


def _mode_in(settings: Settings, namespace: str) -> Mode:
    """The mode of the settings. Raises InvalidField, by the flag where the namespace is missing."""
    try:
        return mode_of(settings, namespace=namespace)
    except InvalidField as error:
        if namespace or error.path != "MY_POD_NAMESPACE":
            raise
        remedy = "name the namespace that the registrar runs in"
        raise InvalidField("--registrar-namespace", "", remedy) from error


def _never() -> bool:
    """Whether a preview may write."""
    return False


def _of_spire(error: SpireError) -> Unread:
    is_right = isinstance(error, PermissionDenied)
    remedy = (
        "ask over the server's own socket, or with an SVID of an entry with admin = true"
        if is_right
        else "see that the server runs, and that the configuration names its address"
    )
    return Unread("the SPIRE server", error.message, remedy, is_right=is_right)


def _of_kube_system(error: KubeError) -> Unread:
    is_right = isinstance(error, Forbidden)
    remedy = (
        "the default prefix of entry IDs is made of its uid: give the right to get it, or set "
        "entry_id_prefix"
        if is_right
        else "see that the API server runs, and that the kubeconfig names its address"
    )
    return Unread("namespace kube-system", str(error), remedy, is_right=is_right)
