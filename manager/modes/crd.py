"""The workload registrar's crd mode: SpiffeIDs that people write, or that are made for Pods."""

import asyncio
import logging
from collections.abc import Iterable, Iterator

from api.core import Namespace, Node, Pod
from api.kinds import NODE, SPIFFE_ID
from api.meta import ObjectKey
from api.spiffeid.v1beta1.spiffeid import ORIGINAL_FINALIZER, SpiffeID
from controllers.book import Book
from controllers.complaints import Complaints
from controllers.confirmation import Confirmation, by_own_namespace
from controllers.drift import SeesAll
from controllers.generated import GeneratedReconciler
from controllers.generation import MADE_FOR_INDEX, Generation
from controllers.podspiffeid import NodeSpiffeIDReconciler, PodSpiffeIDReconciler
from controllers.refusal import Objects, Refusable
from controllers.spiffeid import (
    MADE_SPIFFE_IDS,
    FinalizerReconciler,
    spiffe_id_claims,
    spiffe_id_statuses,
)
from manager.latency import PodLatency
from manager.modes.mode import Webhook
from manager.modes.podentries import NAMESPACE_INDEX, namespace_cache, pod_cache
from manager.modes.servicecaches import ServiceCaches
from manager.stores import AnyCache, Cache, Caches, spire_entry_cache
from manager.webhooks import spiffe_id_webhook
from manager.wiring import RECORDERS, Run, World, computing, remote, timestamp
from registrar.admission.certificates import Minter
from registrar.claims.claim import Claim, Source
from registrar.claims.instance import Form, Made, made_for_spiffe_ids, no_form
from registrar.claims.naming import canonical_bytes, xxh3_128
from registrar.claims.podspiffeid import SpiffeIDRules, compile_rules, made_for
from registrar.claims.spiffeid import claim_of
from registrar.errors import InvalidField
from registrar.identity.entry import EntryKey
from registrar.kube.session import Session
from registrar.kube.store import Change, Store
from registrar.settings.model import CRDMode, PodIdentity, Settings
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

_KEY_INDEX = "key"


class CRD:
    """The mode. ``own_namespace`` is the one that it runs in, empty outside of a cluster."""

    def __init__(self, settings: Settings, config: CRDMode, *, own_namespace: str) -> None:
        if not own_namespace and (settings.pods is not None or config.webhook is not None):
            raise InvalidField(
                "MY_POD_NAMESPACE",
                "",
                "not in a cluster, so set it in the environment to the namespace of the "
                "registrar: the SpiffeIDs of Nodes lie there, and the webhook's Service",
            )
        self._settings = settings
        self.made: Made = made_for_spiffe_ids
        self.form: Form = no_form
        self._config = config
        self.own_namespace = own_namespace
        self.allows_downstream = config.namespaced_downstream
        self.makes_spiffe_ids = settings.pods is not None
        self.rules: SpiffeIDRules = compile_rules(
            config,
            settings.pods or PodIdentity("template"),
            trust_domain=settings.trust_domain,
            cluster=settings.cluster,
            own_namespace=own_namespace,
        )
        store: Store[SpiffeID] = Store(
            {
                MADE_FOR_INDEX: MADE_SPIFFE_IDS.index,
                NAMESPACE_INDEX: lambda obj: (obj.metadata.namespace,),
                # Only the webhook asks who else wants the same.
                _KEY_INDEX: self._keys_of if config.webhook is not None else lambda _: (),
            }
        )
        self.spiffe_ids: Cache[SpiffeID] = Cache(SPIFFE_ID, store)
        self.spire_entries = spire_entry_cache(optional=True)
        self.namespaces: Cache[Namespace] = namespace_cache()
        self.pods: Cache[Pod] = pod_cache()
        self.nodes: Cache[Node] = Cache(NODE, Store())
        caches: list[AnyCache] = [self.spire_entries, self.namespaces, self.spiffe_ids]
        if self.makes_spiffe_ids:
            caches += [self.nodes, self.pods]
        self.caches = Caches(caches)
        self.services = ServiceCaches(self.caches, ()) if config.service_dns_names else None
        if self.services is not None:
            # Known before the first look: what is released after it must be known to be unwanted.
            self.caches.require(self.services.settled)

    def alias(self) -> Claim | None:
        """None: each Node has an alias of its own."""
        return None

    def refusable(self) -> Iterator[Refusable]:
        """The objects that only this mode and class handles, and that have conditions."""
        yield Objects(
            kind=SPIFFE_ID,
            stored=self.spiffe_ids.store,
            is_ours=lambda _: True,
            conditions=lambda obj: obj.status.conditions,
        )

    def confirmation(self, world: World, book: Book) -> Confirmation:
        """The Namespace that the registrar runs in."""
        return by_own_namespace(
            book,
            name=self.own_namespace,
            namespaces=self.namespaces.store,
            events=world.events,
        )

    def webhook(self, session: Session, minter: Minter) -> Webhook | None:
        """The validating webhook of SpiffeIDs, where it is on."""
        if self._config.webhook is None:
            return None
        return spiffe_id_webhook(
            self._config.webhook,
            trust_domain=self._settings.trust_domain,
            own_namespace=self.own_namespace,
            claims_on=self._claims_on,
            allows_downstream=self.allows_downstream,
            session=session,
            minter=minter,
        )

    def sources(self, world: World, book: Book, latency: PodLatency) -> "CRDSources":
        """The controllers of SpiffeIDs, Pods and Nodes, for one term."""
        return CRDSources(self, world, book, latency)

    def namespace_uid(self, name: str) -> str:
        """The uid of a Namespace; empty while it is not known, or may not be read."""
        namespace = self.namespaces.store.get(ObjectKey("", name))
        return "" if namespace is None else namespace.metadata.uid

    def _claim_of(self, obj: SpiffeID) -> Claim | None:
        try:
            return claim_of(
                obj,
                trust_domain=self._settings.trust_domain,
                own_namespace=self.own_namespace,
                allows_downstream=self.allows_downstream,
            )
        except InvalidField:
            return None

    def _keys_of(self, obj: SpiffeID) -> Iterable[str]:
        claim = self._claim_of(obj)
        return () if claim is None else (_hash(claim.key),)

    def _claims_on(self, key: EntryKey) -> Iterable[Claim]:
        """The claims of all stored SpiffeIDs on a key."""
        for name in self.spiffe_ids.store.by_index(_KEY_INDEX, _hash(key)):
            obj = self.spiffe_ids.store.get(name)
            claim = None if obj is None else self._claim_of(obj)
            if claim is not None:
                yield claim


class CRDSources(SeesAll):
    """One term's controllers."""

    def __init__(self, mode: CRD, world: World, book: Book, latency: PodLatency) -> None:
        self._mode = mode
        self._book = book
        clock = asyncio.get_running_loop().time
        generation = Generation(book, MADE_SPIFFE_IDS, mode.spiffe_ids.store, clock=clock)
        self._generation = generation
        claims = spiffe_id_claims(
            book,
            generation,
            own_namespace=mode.own_namespace,
            namespace_uid=mode.namespace_uid,
            allows_downstream=mode.allows_downstream,
            mirror=world.mirror,
        )
        statuses = spiffe_id_statuses(
            book,
            generation,
            kube=world.kube,
            events=world.events,
            clock=clock,
            timestamp=timestamp,
        )
        finalizers = FinalizerReconciler(objects=mode.spiffe_ids.store, kube=world.kube)
        pods = PodSpiffeIDReconciler(
            generation,
            rules=mode.rules,
            pods=mode.pods.store,
            services=mode.services,
            complaints=Complaints(world.events),
            on_pod=latency.pod_seen,
        )
        nodes = NodeSpiffeIDReconciler(generation, rules=mode.rules, nodes=mode.nodes.store)
        generated = GeneratedReconciler(
            book,
            generation,
            prepared=lambda obj: obj,
            wake_owner=self._wake_owner,
            kube=world.kube,
            mirror=world.mirror,
        )
        self._claims = computing(world, "spiffeid", claims.reconcile)
        self._statuses = remote(world, "spiffeid-status", statuses.reconcile, RECORDERS // 2)
        self._finalizers = remote(world, "spiffeid-finalizer", finalizers.reconcile, 1)
        self._pods = computing(world, "pod", pods.reconcile)
        self._nodes = computing(world, "node", nodes.reconcile)
        self._generated = remote(world, "spiffeid-record", generated.reconcile, RECORDERS)
        book.wake.claims = self._claims.queue.add
        book.wake.generated = self._generated.queue.add
        book.wake.pod = self._pods.queue.add
        book.wake.status = self._wake_status

    def runs(self) -> Iterator[Run]:
        """The loops to run."""
        yield self._claims.run
        yield self._statuses.run
        yield self._finalizers.run
        if self._mode.makes_spiffe_ids:
            yield self._pods.run
            yield self._nodes.run
            yield self._generated.run
            services = self._mode.services
            if services is not None:
                yield lambda: services.become_readable(self._wake_pods)

    def listen(self) -> None:
        """Hear of changes from now on."""
        mode = self._mode
        log.info(
            "SpiffeIDs of all namespaces may ask for downstream, which makes a workload a "
            "certificate authority of the trust domain; namespaced_downstream = false refuses it"
            if mode.allows_downstream
            else "only SpiffeIDs of the registrar's own namespace may ask for downstream",
            extra=kv(namespaced_downstream=mode.allows_downstream),
        )
        mode.spiffe_ids.listener = self._spiffe_id_changed
        mode.namespaces.listener = self._namespace_changed
        mode.pods.listener = lambda change: self._pods.queue.add(change.key)
        mode.nodes.listener = self._node_changed
        if mode.services is not None:
            mode.services.listen(self._pods.queue.add)

    async def look_at_all(self) -> None:
        """Look at every SpiffeID, then at every Node and Pod."""
        store = self._mode.spiffe_ids.store
        for key in [*store.keys(), *store.broken]:
            self._claims.queue.add(key)
        for obj in list(store.values()):
            self._unblock(obj)
        await self._claims.settled()
        if not self._mode.makes_spiffe_ids:
            return
        # After the claims, so that what belongs to a Pod that is gone is released in order.
        for node in list(self._mode.nodes.store.keys()):
            self._nodes.queue.add(node.name)
        self._wake_pods()
        for obj in list(store.values()):
            self._wake_maker(obj)
        await self._nodes.settled()
        await self._pods.settled()
        await self._claims.settled()

    def _wake_pods(self) -> None:
        for pod in list(self._mode.pods.store.keys()):
            self._pods.queue.add(pod)

    def _wake_status(self, source: Source) -> None:
        if source.kind == SPIFFE_ID.kind:
            self._statuses.queue.add(ObjectKey(source.namespace, source.name))

    def _wake_owner(self, owner: Source) -> None:
        if owner.kind == NODE.kind:
            self._nodes.queue.add(owner.name)
        else:
            self._pods.queue.add(ObjectKey(owner.namespace, owner.name))

    def _wake_maker(self, obj: SpiffeID) -> None:
        """A SpiffeID that was made for a Pod or Node is the pod controller's to judge."""
        owner = made_for(obj)
        if owner is not None and self._mode.makes_spiffe_ids:
            self._wake_owner(owner)

    def _unblock(self, obj: SpiffeID) -> None:
        if ORIGINAL_FINALIZER in obj.metadata.finalizers:
            self._finalizers.queue.add(obj.key)

    def _spiffe_id_changed(self, change: Change[SpiffeID]) -> None:
        # First of all who it was made for: what is still wanted is claimed without a gap.
        for obj in (change.old, change.new):
            if obj is not None:
                self._wake_maker(obj)
        self._claims.queue.add(change.key)
        if change.new is not None:
            self._unblock(change.new)
            return
        if change.old is not None:
            self._generation.deleted(change.old)
        if self._mode.makes_spiffe_ids:
            # Its name is free now: a Pod or Node of that name may have waited for it.
            self._pods.queue.add(change.key)
            if change.key.namespace == self._mode.own_namespace:
                self._nodes.queue.add(change.key.name)

    def _namespace_changed(self, change: Change[Namespace]) -> None:
        """Its SpiffeIDs may have been seen before it: their records lack their owner."""
        if change.new is not None and change.is_another:
            store = self._mode.spiffe_ids.store
            for key in list(store.by_index(NAMESPACE_INDEX, change.key.name)):
                self._claims.queue.add(key)

    def _node_changed(self, change: Change[Node]) -> None:
        if change.is_another:
            self._nodes.queue.add(change.key.name)


def _hash(key: EntryKey) -> str:
    return xxh3_128(canonical_bytes("", key)).hex()
