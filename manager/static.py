"""The controller manager's static mode: manifests from a folder, and no cluster at all."""

import asyncio
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import NoReturn, TypeVar

from api.codec import JSONObject
from api.core import ObjectReference
from api.kinds import Kind
from api.meta import KubeObject, ObjectKey
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from api.spire.v1alpha1.clusterstaticentry import ClusterStaticEntry
from controllers.book import Book
from controllers.clusterfederatedtrustdomain import (
    TRUST_DOMAIN_INDEX,
    FederationReconciler,
    trust_domains_of,
)
from controllers.clusterstaticentry import static_entry_claims
from controllers.confirmation import BySetting, Confirmation
from controllers.drift import SeesAll
from controllers.refusal import Refusable
from manager.latency import PodLatency
from manager.manifests import Found, read_manifests
from manager.names import HEALTH_KEY, metrics_key
from manager.spire import SpireSide
from manager.stores import Caches, spire_entry_cache
from manager.term import NO_ENTRIES, Term
from manager.wiring import Run, World, computing, remote, timestamp
from registrar.admission.certificates import Minter
from registrar.claims.claim import Claim, Source
from registrar.claims.classes import by_class
from registrar.claims.clusterstaticentry import claim_of
from registrar.claims.federatedtrustdomain import bare
from registrar.claims.instance import Form, Instance, Made, Records, no_form
from registrar.claims.ownership import Ownership, Prefixes, static_prefixes
from registrar.errors import InvalidField
from registrar.identity.entry import EntryKey
from registrar.kube.session import Session
from registrar.kube.store import Store
from registrar.manifests.folder import Folder
from registrar.manifests.successors import Successors
from registrar.settings.manager import expand_environment
from registrar.settings.model import ControllerManager, Settings, StaticManifests
from registrar.telemetry.health import Checks, Heartbeat, serve
from registrar.telemetry.logging import kv
from registrar.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

T = TypeVar("T", bound=KubeObject)


class NoCluster:
    """Stands where the API server would be: nothing is written, Events go to the log."""

    async def get(self, kind: Kind[T], key: ObjectKey) -> T:
        """Never called."""
        _no_cluster(kind, str(key))

    async def create(self, kind: Kind[T], obj: T, *, namespace: str = "") -> T:
        """Never called: nothing is recorded without a cluster."""
        _no_cluster(kind, obj.metadata.name + namespace)

    async def merge_patch(
        self, kind: Kind[T], key: ObjectKey, patch: JSONObject, *, subresource: str = ""
    ) -> T:
        """Never called."""
        _no_cluster(kind, f"{key} {subresource} {len(patch)}")

    async def delete(
        self, kind: Kind[T], key: ObjectKey, *, uid: str = "", resource_version: str = ""
    ) -> bool:
        """Never called."""
        _no_cluster(kind, f"{key} {uid} {resource_version}")

    def emit(self, regarding: ObjectReference, *, type: str, reason: str, message: str) -> None:  # noqa: A002 - the field's name
        """Say it in the log."""
        level = logging.WARNING if type == "Warning" else logging.INFO
        log.log(level, message, extra=kv(object=regarding.name, reason=reason))


def _no_cluster(kind: Kind[T], what: str) -> NoReturn:
    raise RuntimeError(f"there is no cluster for {kind.kind} {what}")


class StaticMode:
    """The mode: the objects of the folder, in stores like those of a cluster."""

    def __init__(self, config: ControllerManager, *, trust_domain: str, class_name: str) -> None:
        self._trust_domain = trust_domain
        self._successors = Successors()
        self._stayed: frozenset[ObjectKey] = frozenset()
        self.reconciled = config.reconciled
        self.own_namespace = ""
        # Nothing is recorded without a cluster.
        self.made: Made = lambda _: False
        self.form: Form = no_form
        self.is_handled = by_class(class_name, watch_classless=config.watch_classless)
        self.caches = Caches([])
        self.spire_entries = spire_entry_cache(optional=True)
        self.static_entries: Store[ClusterStaticEntry] = Store()
        self.trust_domains: Store[ClusterFederatedTrustDomain] = Store(
            {TRUST_DOMAIN_INDEX: trust_domains_of}
        )
        self.sources_of_term: StaticSources | None = None
        self._said: Mapping[str, str] = {}
        self.is_whole = asyncio.Event()
        """Set once every file was read and decoded, so that what is in none of them is gone."""

    def sign_of(self, key: EntryKey) -> None:
        """Nothing: whoever writes a file may ask for anything."""

    def alias(self) -> Claim | None:
        """None: entries have their parents written out."""
        return None

    def refusable(self) -> Iterator[Refusable]:
        """The objects that only this mode and class handles, and that have conditions."""
        return iter(())

    def confirmation(self, _world: World, _book: Book) -> Confirmation:
        """Only the configuration can agree to a mass deletion."""
        return BySetting()

    def webhook(self, session: Session, minter: Minter) -> None:
        """There is none."""

    def sources(self, world: World, book: Book, _latency: PodLatency) -> "StaticSources":
        """The controllers of the two kinds."""
        self.sources_of_term = StaticSources(self, world, book)
        return self.sources_of_term

    def take(self, folder: Folder) -> None:
        """Bring the stores in line with what the files say, and wake what changed."""
        manifests, sources = read_manifests(folder), self.sources_of_term
        manifests.say_news(self._said)
        self._said = manifests.problems
        # What stands in no file is gone only where every file says what it holds.
        is_whole = folder.is_whole and manifests.is_complete
        if self.reconciled.cluster_static_entries:
            found = manifests.static_entries
            stays = self._left_for_wrong_ones(found, is_whole=is_whole)
            for key in _replace(self.static_entries, found, is_whole=is_whole, stays=stays):
                if sources is not None:
                    sources.entries.queue.add(key)
        if self.reconciled.cluster_federated_trust_domains:
            before = {obj.spec.trust_domain for obj in self.trust_domains.values()}
            _replace(self.trust_domains, manifests.trust_domains, is_whole=is_whole)
            after = {obj.spec.trust_domain for obj in self.trust_domains.values()}
            for domain in before | after:
                if sources is not None:
                    sources.federating.queue.add(bare(domain))
        if is_whole:
            self.is_whole.set()

    def _left_for_wrong_ones(
        self, found: Found[ClusterStaticEntry], *, is_whole: bool
    ) -> frozenset[ObjectKey]:
        """The objects that stand in no file any more, but may be new ones that are wrong."""
        wrong = {*found.broken, *(k for k, obj in found.objects.items() if self._is_wrong(obj))}
        stays = self._successors.look([*found.objects, *found.broken], wrong, is_whole=is_whole)
        if stays - self._stayed:
            log.warning(
                "objects are in no file any more, and others came that are wrong: they may be the "
                "same ones by other names, so their entries stay until those are corrected",
                extra=kv(left=_names(stays), wrong=_names(wrong)),
            )
        self._stayed = stays
        return stays

    def _is_wrong(self, obj: ClusterStaticEntry) -> bool:
        try:
            claim_of(obj, trust_domain=self._trust_domain)
        except InvalidField:
            return True
        return False


def _names(keys: Iterable[ObjectKey]) -> str:
    return " ".join(sorted(key.name for key in keys))


def _replace(
    store: Store[T],
    found: Found[T],
    *,
    is_whole: bool,
    stays: frozenset[ObjectKey] = frozenset(),
) -> set[ObjectKey]:
    """Make the store hold what was found; gives the keys that changed.

    What was not found goes only if ``is_whole`` and if it is not to stay; of what does not
    decode the last good stays.
    """
    changed = set[ObjectKey]()
    for key, obj in found.objects.items():
        if store.get(key) != obj or key in store.broken:
            store.put(obj)
            changed.add(key)
    for key, broken in found.broken.items():
        if store.broken.get(key) != broken:
            store.observe_broken(broken.meta, broken.error)
            changed.add(key)
    if is_whole:
        known = {*store.keys(), *store.broken}
        for key in known - found.objects.keys() - found.broken.keys() - stays:
            store.remove(key)
            changed.add(key)
    return changed


class StaticSources(SeesAll):
    """One run's controllers; outcomes go to the log."""

    def __init__(self, mode: StaticMode, world: World, book: Book) -> None:
        self._mode = mode
        self._book = book
        self._said: dict[Source, tuple[str, str]] = {}
        static = static_entry_claims(
            book, objects=mode.static_entries, is_handled=mode.is_handled, mirror=world.mirror
        )
        self._federation = FederationReconciler(
            trust_domain=book.trust_domain,
            objects=mode.trust_domains,
            is_complete=mode.is_whole.is_set,
            is_handled=mode.is_handled,
            federation=world.federation,
            bundles=world.bundles,
            trust_domains=world.trust_domains,
            kube=None,
            record=None,
            events=world.events,
            timestamp=timestamp,
            wake=lambda name: self.federating.queue.add(name),  # noqa: PLW0108 - made below
        )
        self.entries = computing(world, "clusterstaticentry", static.reconcile)
        self.federating = remote(
            world, "clusterfederatedtrustdomain", self._federation.reconcile, 1
        )
        book.wake.status = self._say

    def runs(self) -> Iterator[Run]:
        """The loops to run."""
        yield self.entries.run
        yield self.federating.run
        yield self._until_whole

    def listen(self) -> None:
        """Changes come by ``StaticMode.take``."""
        self._book.last_good.unavailable(
            "manifests", "not every file could be read yet, see the log"
        )

    async def _until_whole(self) -> None:
        """What is in no file may be let go once the folder was read whole."""
        await self._mode.is_whole.wait()
        await self.entries.settled()
        self._book.last_good.available("manifests")

    async def look_at_all(self) -> None:
        """Look at every object once."""
        store = self._mode.static_entries
        for key in [*store.keys(), *store.broken]:
            self.entries.queue.add(key)
        for obj in list(self._mode.trust_domains.values()):
            self.federating.queue.add(bare(obj.spec.trust_domain))
        await self.entries.settled()

    def drifted(self) -> None:
        """The time has come to compare the SPIRE server's relationships with the objects."""
        self._federation.drifted()
        for obj in list(self._mode.trust_domains.values()):
            self.federating.queue.add(bare(obj.spec.trust_domain))

    def _say(self, source: Source) -> None:
        """Say once in the log what became of an object."""
        problem = self._book.problems.get(source)
        claims = self._book.index.of_source(source)
        if problem is not None:
            said = (problem.reason, problem.message)
        elif claims:
            outcome = self._book.outcomes.get(claims[0].key)
            said = (outcome.reason, outcome.message)
        else:
            self._said.pop(source, None)
            return
        if said[0] and self._said.get(source) != said:
            self._said[source] = said
            is_set = problem is None and self._book.outcomes.is_set(claims[0].key)
            log.log(
                logging.INFO if is_set else logging.WARNING,
                said[1],
                extra=kv(object=str(source), reason=said[0]),
            )


class StaticProcess:
    """One registrar without a cluster. ``run`` works until cancelled."""

    def __init__(self, settings: Settings, manifests: StaticManifests) -> None:
        config = settings.controller_manager
        if config is None:
            raise TypeError("the static mode is one of the controller manager's")
        configured = settings.entry_id_prefix
        self._prefixes = (
            Prefixes(configured)
            if configured
            else static_prefixes(settings.cluster, settings.class_name)
        )
        self._settings = settings
        self._cleanup = config.entry_id_prefix_cleanup
        self._metrics = Metrics()
        self._mode = StaticMode(
            config, trust_domain=settings.trust_domain, class_name=settings.class_name
        )
        environment = dict(os.environ)
        self._folder = Folder(
            manifests.path,
            expand=(lambda text: expand_environment(text, environment)[0])
            if manifests.expand_env
            else (lambda text: text),
        )
        self._term: Term | None = None
        self._metrics.on_refresh(self._count_entries)
        self.port = 0
        """The port of metrics and probes, once ``run`` listens."""

    @property
    def first_pass_is_over(self) -> bool:
        """Whether every object was looked at once."""
        return self._term is not None and self._term.ready.is_set()

    async def run(self) -> None:
        """Work until cancelled. Raises InvalidField for what only a start can find wrong."""
        settings, metrics = self._settings, self._metrics
        heartbeat, checks = Heartbeat(metrics), Checks()
        for warning in settings.warnings:
            log.warning(warning)
        spire = SpireSide(settings, metrics=metrics, is_leading=lambda: True)
        checks.add("manifests", lambda: self._folder.problem)
        checks.add("spire", spire.problem)
        checks.add("first-pass", lambda: None if self.first_pass_is_over else "looking at all once")
        async with (
            serve(
                settings.metrics_addr,
                metrics=metrics,
                checks=checks,
                heartbeat=heartbeat,
                field=metrics_key(settings),
            ) as health,
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
            while not await self._folder.look():  # noqa: ASYNC110 - files tell nobody
                # A folder that cannot be read says nothing of what should be.
                await asyncio.sleep(1.0)
            self._mode.take(self._folder)
            tasks.create_task(self._folder.run(lambda: self._mode.take(self._folder)))
            is_configured = settings.entry_id_prefix is not None
            ownership = Ownership(self._prefixes.current, is_configured, self._cleanup)
            async with spire.term(ownership) as side:
                cluster = NoCluster()
                world = World(
                    settings=settings,
                    spire_entries=self._mode.spire_entries,
                    kube=cluster,
                    events=cluster,
                    mirror=side.mirror,
                    writer=side.writer,
                    trust_domains=side.trust_domains,
                    federation=side.federation,
                    bundles=side.bundles,
                    dropped=side.dropped,
                    metrics=metrics,
                )
                # Nothing is recorded, so nobody is told which of several this is.
                records = Records(Instance("static").label, "", self._mode.made)
                self._term = Term(world, self._mode, prefixes=self._prefixes, records=records)
                try:
                    await self._term.run()
                finally:
                    self._term = None

    def _count_entries(self) -> None:
        counts = NO_ENTRIES if self._term is None else self._term.entry_counts()
        for state, number in counts.items():
            self._metrics.spire.entries(state, number)
