"""The controller manager's mode: templates over Pods, static entries, federation."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from api.core import Endpoints, EndpointSlice, Namespace, Owned
from api.kinds import (
    CLUSTER_FEDERATED_TRUST_DOMAIN,
    CLUSTER_SPIFFEID,
    CLUSTER_STATIC_ENTRY,
    NAMESPACE,
)
from api.meta import KubeObject, ObjectKey
from api.spire.v1alpha1.clusterfederatedtrustdomain import ClusterFederatedTrustDomain
from api.spire.v1alpha1.clusterspiffeid import ClusterSPIFFEID
from api.spire.v1alpha1.clusterstaticentry import ClusterStaticEntry
from api.whole import WholeNode, WholePod
from controllers.book import Book
from controllers.clusterfederatedtrustdomain import TRUST_DOMAIN_INDEX, trust_domains_of
from controllers.clusterstaticentry import (
    refusable_static_entries,
    static_entry_claims,
    static_entry_statuses,
)
from controllers.confirmation import Confirmation, by_own_namespace
from controllers.drift import SeesAll
from controllers.federationrecord import ConfigMapRecord
from controllers.refusal import Refusable
from controllers.spire_clusterspiffeid import (
    TemplateReconciler,
    refusable_templates,
    template_statuses,
)
from controllers.templatedpod import templated_pods
from controllers.templates import Cluster, Templates
from manager.federating import Federating, record_of
from manager.latekinds import LateKinds
from manager.latency import PodLatency
from manager.modes.mode import Webhook
from manager.modes.podcaches import OwnerCaches, Packing, PodCaches, node_cache, says_the_same
from manager.modes.servicecaches import ServiceCaches, pods_of_endpoints, pods_of_slice
from manager.stores import AnyCache, Cache, Caches, spire_entry_cache
from manager.webhooks import controller_manager_webhooks
from manager.wiring import RECORDERS, Run, World, computing, remote, timestamp
from registrar.admission.certificates import Minter
from registrar.claims.attribution import pod_uid_of
from registrar.claims.claim import Claim, Source
from registrar.claims.classes import by_class
from registrar.claims.instance import Form, Made, made_for_templates, no_form
from registrar.claims.namespaces import IgnoredNamespaces
from registrar.claims.podentry import pod_source
from registrar.claims.podindex import PodIndex
from registrar.claims.podtemplate import Surroundings
from registrar.kube.session import Session
from registrar.kube.store import Change, Store
from registrar.settings.model import ControllerManager as ControllerManagerSettings
from registrar.settings.model import Settings
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

T = TypeVar("T", bound=KubeObject)


class ControllerManager:
    """The mode. ``own_namespace`` is the one that it runs in, empty outside of a cluster."""

    def __init__(
        self, settings: Settings, config: ControllerManagerSettings, *, own_namespace: str
    ) -> None:
        self._settings = settings
        self._config = config
        self.own_namespace = own_namespace
        self.sign_of = pod_uid_of
        self.made: Made = made_for_templates
        self.form: Form = no_form
        self.is_handled = by_class(settings.class_name, watch_classless=config.watch_classless)
        self.ignored = IgnoredNamespaces(config.ignore_namespaces)
        self.surroundings = Surroundings(
            trust_domain=settings.trust_domain,
            cluster_name=settings.cluster,
            cluster_domain=config.cluster_domain,
            refuses_dns_names=config.refuses_dns_names,
        )
        if config.parent_id_template:
            self.surroundings = self.surroundings.with_parent(
                config.parent_id_template, path="parentIDTemplate"
            )
        packing = Packing()
        self.spire_entries = spire_entry_cache(optional=True)
        self.namespaces: Cache[Namespace] = Cache(NAMESPACE, Store())
        self.nodes = node_cache(packing)
        self.pods = PodCaches(packing, config.cache_namespaces)
        # A kind that is not installed stops no other; what may be for its objects is kept.
        self.templates: Cache[ClusterSPIFFEID] = Cache(
            CLUSTER_SPIFFEID,
            Store(),
            optional=True,
            label_selector=",".join(f"{label}={value}" for label, value in config.template_labels),
        )
        self.static_entries: Cache[ClusterStaticEntry] = Cache(
            CLUSTER_STATIC_ENTRY, Store(), optional=True
        )
        self.trust_domains: Cache[ClusterFederatedTrustDomain] = Cache(
            CLUSTER_FEDERATED_TRUST_DOMAIN,
            Store({TRUST_DOMAIN_INDEX: trust_domains_of}),
            optional=True,
        )
        self.caches = Caches(self._read())
        self.services = ServiceCaches(self.caches, config.cache_namespaces)
        self.owners = OwnerCaches(self.caches)
        self.cluster = Cluster(
            pods=self.pods,
            nodes=self.nodes.store,
            namespaces=self.namespaces.store,
            services=self.services,
            owners=self.owners,
            unpacked=packing.unpacked,
            is_ignored=self.ignored.matches,
        )

    def _read(self) -> list[AnyCache]:
        """The kinds to read; Pods and what they are rendered from only for templates."""
        handled = self._config.reconciled
        caches: list[AnyCache] = [self.spire_entries, self.namespaces]
        if handled.cluster_spiffe_ids:
            caches += [self.nodes, self.templates, *self.pods.caches]
        if handled.cluster_static_entries:
            caches.append(self.static_entries)
        if handled.cluster_federated_trust_domains:
            caches.append(self.trust_domains)
        return caches

    def alias(self) -> Claim | None:
        """None: entries hang on the agents themselves."""
        return None

    def refusable(self) -> Iterator[Refusable]:
        """The objects that only this mode and class handles, and that have conditions."""
        yield refusable_templates(self.templates.store, self._settings.class_name)
        yield refusable_static_entries(self.static_entries.store, self._settings.class_name)

    def confirmation(self, world: World, book: Book) -> Confirmation:
        """The Namespace that the registrar runs in."""
        return by_own_namespace(
            book,
            name=self.own_namespace,
            namespaces=self.namespaces.store,
            events=world.events,
        )

    def federation_record(self, world: World, book: Book) -> ConfigMapRecord:
        """Where we note which federation relationships are ours: beside the registrar."""
        return record_of(world, book, own_namespace=self.own_namespace)

    @property
    def handles_trust_domains(self) -> bool:
        """Whether ClusterFederatedTrustDomains are handled at all."""
        return self._config.reconciled.cluster_federated_trust_domains

    def webhook(self, session: Session, minter: Minter) -> Webhook | None:
        """The validating webhook of the three kinds, where it is on."""
        if self._config.webhooks is None:
            return None
        return controller_manager_webhooks(
            self._config.webhooks, surroundings=self.surroundings, session=session, minter=minter
        )

    def sources(self, world: World, book: Book, latency: PodLatency) -> "ControllerManagerSources":
        """The controllers of the three kinds, for one term."""
        templates = Templates(self.surroundings, PodIndex())
        return ControllerManagerSources(self, templates, world, book, latency)


class ControllerManagerSources(SeesAll):
    """One term's controllers; each hears only of what it needs."""

    def __init__(
        self,
        mode: ControllerManager,
        templates: Templates,
        world: World,
        book: Book,
        latency: PodLatency,
    ) -> None:
        self._mode = mode
        self._book = book
        self._templates = templates
        self._warned: dict[str, list[str]] = {}
        clock = asyncio.get_running_loop().time
        compiling = TemplateReconciler(
            book,
            templates=templates,
            cluster=mode.cluster,
            objects=mode.templates.store,
            is_handled=mode.is_handled,
        )
        rendering = templated_pods(
            book,
            templates=templates,
            cluster=mode.cluster,
            mirror=world.mirror,
            on_pod=latency.pod_seen,
        )
        statuses = template_statuses(
            book,
            templates=templates,
            cluster=mode.cluster,
            objects=mode.templates.store,
            is_handled=mode.is_handled,
            kube=world.kube,
            events=world.events,
            clock=clock,
            timestamp=timestamp,
        )
        static = static_entry_claims(
            book,
            objects=mode.static_entries.store,
            is_handled=mode.is_handled,
            mirror=world.mirror,
        )
        static_statuses = static_entry_statuses(
            book,
            objects=mode.static_entries.store,
            is_handled=mode.is_handled,
            kube=world.kube,
            events=world.events,
            clock=clock,
            timestamp=timestamp,
        )
        self._federating = Federating(
            world,
            book,
            cache=mode.trust_domains,
            is_handled=mode.is_handled,
            record=mode.federation_record(world, book),
        )
        self._compiling = computing(world, "spire-clusterspiffeid", compiling.reconcile)
        self._rendering = computing(world, "pod", rendering.reconcile)
        self._static = computing(world, "clusterstaticentry", static.reconcile)
        self._statuses = {
            CLUSTER_SPIFFEID.kind: remote(
                world, "spire-clusterspiffeid-status", statuses.reconcile, RECORDERS // 2
            ),
            CLUSTER_STATIC_ENTRY.kind: remote(
                world, "clusterstaticentry-status", static_statuses.reconcile, RECORDERS // 2
            ),
        }
        rendered = self._compiling.settled, self._rendering.settled
        self._late = LateKinds(
            book.last_good,
            [(mode.templates, rendered), (mode.static_entries, (self._static.settled,))],
        )
        book.wake.pod = self._rendering.queue.add
        book.wake.status = self._wake_status

    def runs(self) -> Iterator[Run]:
        """The loops to run."""
        yield self._compiling.run
        yield self._rendering.run
        yield self._static.run
        yield from self._late.runs()
        if self._mode.handles_trust_domains:
            yield self._federating.run
        for controller in self._statuses.values():
            yield controller.run

    def listen(self) -> None:
        """Hear of changes from now on."""
        mode = self._mode
        mode.templates.listener = lambda change: self._compiling.queue.add(change.key.name)
        mode.static_entries.listener = lambda change: self._static.queue.add(change.key)
        mode.trust_domains.listener = self._federating.changed
        mode.namespaces.listener = self._namespace_changed
        mode.nodes.listener = self._node_changed
        for pods in mode.pods.caches:
            pods.listener = self._pod_changed
        for slices in mode.services.slices:
            slices.listener = self._slice_changed
        for endpoints in mode.services.endpoints:
            endpoints.listener = self._endpoints_changed
        for links in mode.owners.links.values():
            links.listener = self._owner_changed

    async def look_at_all(self) -> None:
        """Look at every template, then at every Pod, and at everything else."""
        mode = self._mode
        for key in list(mode.pods.keys()):
            pod = mode.pods.get(key)
            if pod is not None:
                self._templates.index.put(key, pod.metadata.labels, pod.node_name)
        _add_all(lambda key: self._compiling.queue.add(key.name), mode.templates.store)
        await self._compiling.settled()
        for number, key in enumerate(list(mode.pods.keys())):
            self._rendering.queue.add(key)
            if number % 500 == 0:
                await asyncio.sleep(0)
        _add_all(self._static.queue.add, mode.static_entries.store)
        if mode.handles_trust_domains:
            self._federating.look_at_all()
        await self._rendering.settled()
        await self._static.settled()
        self._templates.are_counted = True
        for key in [*mode.templates.store.keys(), *mode.templates.store.broken]:
            self._wake_status(Source(CLUSTER_SPIFFEID.kind, "", key.name))
        self._warn_of_ignored()

    def _wake_status(self, source: Source) -> None:
        controller = self._statuses.get(source.kind)
        if controller is not None:
            controller.queue.add(ObjectKey("", source.name))

    def drifted(self) -> None:
        """The time has come to compare the SPIRE server's relationships with the objects."""
        if self._mode.handles_trust_domains:
            self._federating.drifted()

    def _pod_changed(self, change: Change[WholePod]) -> None:
        if change.is_seen_to_go:
            self._book.departed.saw(pod_source(change.key))
        self._rendering.queue.add(change.key)

    def _node_changed(self, change: Change[WholeNode]) -> None:
        old, new = change.old, change.new
        if old is not None and new is not None and says_the_same(old, new):
            return  # a heartbeat
        self._wake_pods(self._templates.index.on_node(change.key.name))

    def _namespace_changed(self, change: Change[Namespace]) -> None:
        old, new = change.old, change.new
        if old is not None and new is not None and old.metadata.labels == new.metadata.labels:
            return
        self._wake_pods(list(self._templates.index.in_namespaces([change.key.name])))
        for template in self._templates.set:
            self._book.wake.status(template.source)
        self._warn_of_ignored()

    def _slice_changed(self, change: Change[EndpointSlice]) -> None:
        named = [set(pods_of_slice(obj)) for obj in (change.old, change.new) if obj is not None]
        self._wake_named(named)

    def _endpoints_changed(self, change: Change[Endpoints]) -> None:
        named = [set(pods_of_endpoints(obj)) for obj in (change.old, change.new) if obj is not None]
        self._wake_named(named)

    def _wake_named(self, named: list[set[str]]) -> None:
        """Wake the Pods that only one of two versions names."""
        changed = named[0] ^ named[1] if len(named) > 1 else set().union(*named)
        for name in changed:
            namespace, _, pod = name.partition("/")
            self._rendering.queue.add(ObjectKey(namespace, pod))

    def _owner_changed(self, change: Change[Owned]) -> None:
        """A link of a chain came or changed: its Pods may have waited for it."""
        old, new = change.old, change.new
        if (
            old is not None
            and new is not None
            and (old.metadata.owner_references == new.metadata.owner_references)
        ):
            return
        for key in list(self._templates.index.in_namespaces([change.key.namespace])):
            pod = self._mode.pods.get(key)
            if pod is not None and any(
                owner.name == change.key.name for owner in pod.metadata.owner_references
            ):
                self._rendering.queue.add(key)

    def _wake_pods(self, pods: Iterable[ObjectKey]) -> None:
        for pod in pods:
            self._rendering.queue.add(pod)

    def _warn_of_ignored(self) -> None:
        """Say once which Namespaces a pattern hides that its author hardly thought of."""
        names = [namespace.metadata.name for namespace in self._mode.namespaces.store.values()]
        for pattern, hidden in self._mode.ignored.by_accident(names).items():
            if self._warned.get(pattern) != hidden:
                self._warned[pattern] = hidden
                log.warning(
                    "a pattern in ignoreNamespaces is not anchored and hides other Namespaces; "
                    "write ^pattern$ to mean that one name",
                    extra=kv(pattern=pattern, hides=" ".join(hidden)),
                )


def _add_all(add: Callable[[ObjectKey], None], store: Store[T]) -> None:
    for key in [*store.keys(), *store.broken]:
        add(key)
