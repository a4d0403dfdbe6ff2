"""The sources of crd mode: SpiffeIDs, and the Pods and Nodes that some are made for."""

import logging
from collections.abc import Callable, Iterator
from functools import partial

from api.kinds import NODE, SPIFFE_ID
from api.meta import ObjectKey
from api.spiffeid.v1beta1.spiffeid import ORIGINAL_FINALIZER, SpiffeID
from controllers import triggers
from controllers.complaints import Complaints
from controllers.generated import GeneratedReconciler
from controllers.generation import Generation
from controllers.podspiffeid import NodeSpiffeIDReconciler, PodSpiffeIDReconciler
from controllers.source import AnySource, FirstPass, Run, Source, all_keys, note, watch
from controllers.spiffeid import (
    FinalizerReconciler,
    spiffe_id_claims,
    spiffe_id_statuses,
)
from manager.caches.podentries import NAMESPACE_INDEX, namespace_uid
from manager.caches.spiffeids import SpiffeIDCaches
from manager.context import Context
from manager.sources.core import RECORDERS
from manager.sources.going import going_nodes, going_pods
from manager.sources.services import services_of_pods
from registrar.claims.claim import Source as ClaimSource
from registrar.claims.podspiffeid import SpiffeIDRules, made_for
from registrar.claims.spiffeid import source_of
from registrar.kube.store import Change
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)

Made = Generation[SpiffeID]


def spiffe_id_sources(
    context: Context,
    caches: SpiffeIDCaches,
    made: Made,
    *,
    own_namespace: str,
    allows_downstream: bool,
) -> Iterator[AnySource]:
    """What SpiffeIDs claim, their statuses, and the original's finalizer on them."""
    book, spiffe_ids = context.book, caches.spiffe_ids
    claims = spiffe_id_claims(
        book,
        made,
        own_namespace=own_namespace,
        namespace_uid=partial(namespace_uid, caches.namespaces),
        allows_downstream=allows_downstream,
        mirror=context.spire.mirror,
    )
    statuses = spiffe_id_statuses(
        book,
        made,
        kube=context.kube,
        events=context.events,
        clock=context.clock,
        timestamp=context.timestamp,
    )
    finalizers = FinalizerReconciler(objects=spiffe_ids.store, kube=context.kube)

    def in_namespace(name: str) -> list[ObjectKey]:
        return list(spiffe_ids.store.by_index(NAMESPACE_INDEX, name))

    def blocked() -> list[ObjectKey]:
        return [obj.key for obj in spiffe_ids.store.values() if _is_blocked(obj)]

    def blocked_one(change: Change[SpiffeID]) -> tuple[ObjectKey, ...]:
        return (change.key,) if change.new is not None and _is_blocked(change.new) else ()

    yield Source(
        name="spiffeid",
        reconcile=claims.reconcile,
        serves=book.wake.claims,
        watches=[
            watch(spiffe_ids, triggers.itself),
            # Its SpiffeIDs may have been seen before it: their records lack their owner.
            watch(caches.namespaces, triggers.in_another_namespace(in_namespace)),
        ],
        keys=all_keys(spiffe_ids.store),
        first_pass=FirstPass.OBJECTS,
    )
    yield Source(
        name="spiffeid-status",
        reconcile=statuses.reconcile,
        concurrency=RECORDERS // 2,
        serves=book.wake.status.of(SPIFFE_ID.kind),
    )
    yield Source(
        name="spiffeid-finalizer",
        reconcile=finalizers.reconcile,
        concurrency=1,
        watches=[watch(spiffe_ids, blocked_one)],
        keys=blocked,
        first_pass=FirstPass.AT_ONCE,
    )


def made_spiffe_id_sources(
    context: Context,
    caches: SpiffeIDCaches,
    made: Made,
    *,
    rules: SpiffeIDRules,
    own_namespace: str,
) -> Iterator[AnySource]:
    """Which SpiffeID each Pod and Node should have, and the writing of these."""
    book = context.book

    def goes_too(owner: ClaimSource, key: ObjectKey) -> None:
        """What was made for one that goes follows.

        The garbage collector deletes that too, and its watch may be the faster one.
        """
        name = key if key.namespace else ObjectKey(own_namespace, key.name)
        source = source_of(name)
        if book.index.has(source) and not made.is_somebody_elses(name, owner):
            book.departed.saw(source)

    yield _made_for_nodes(context, caches, made, rules, own_namespace, goes_too)
    yield _made_for_pods(context, caches, made, rules, goes_too)
    yield _written(context, caches, made)


def _made_for_nodes(
    context: Context,
    caches: SpiffeIDCaches,
    made: Made,
    rules: SpiffeIDRules,
    own_namespace: str,
    goes_too: Callable[[ClaimSource, ObjectKey], None],
) -> Source[str]:
    nodes, spiffe_ids = caches.nodes, caches.spiffe_ids
    reconciler = NodeSpiffeIDReconciler(made, rules=rules, nodes=nodes.store)

    def all_nodes() -> list[str]:
        """Those that are there, and those that something was made for."""
        owners = (made_for(obj) for obj in spiffe_ids.store.values())
        found = (owner.name for owner in owners if owner is not None and owner.kind == NODE.kind)
        return [*(key.name for key in nodes.store.keys()), *found]  # noqa: SIM118 - no mapping

    def free_name(change: Change[SpiffeID]) -> tuple[str, ...]:
        is_free = change.new is None and change.key.namespace == own_namespace
        return (change.key.name,) if is_free else ()

    return Source(
        name="node",
        reconcile=reconciler.reconcile,
        serves=context.book.wake.node,
        notes=[note(nodes, going_nodes(context.book, goes_too))],
        watches=[
            watch(spiffe_ids, triggers.its_maker_nodes(made_for)),
            watch(spiffe_ids, free_name),
            watch(nodes, triggers.another_by_name),
        ],
        keys=all_nodes,
        first_pass=FirstPass.PODS,
    )


def _made_for_pods(
    context: Context,
    caches: SpiffeIDCaches,
    made: Made,
    rules: SpiffeIDRules,
    goes_too: Callable[[ClaimSource, ObjectKey], None],
) -> Source[ObjectKey]:
    pods, spiffe_ids, services = caches.pods, caches.spiffe_ids, caches.services
    wake = context.book.wake.pod
    reconciler = PodSpiffeIDReconciler(
        made,
        rules=rules,
        pods=pods.store,
        services=services,
        complaints=Complaints(context.events),
        on_pod=context.latency.pod_seen,
    )

    def all_pods() -> list[ObjectKey]:
        """Those that are there, and those that something was made for."""
        owners = (made_for(obj) for obj in spiffe_ids.store.values())
        found = (o for o in owners if o is not None and o.kind != NODE.kind)
        return [*pods.store.keys(), *(ObjectKey(o.namespace, o.name) for o in found)]

    def wake_pods() -> None:
        for pod in list(pods.store.keys()):
            wake(pod)

    watches = [
        # First of all who an object was made for: what is still wanted is claimed without a gap.
        watch(spiffe_ids, triggers.its_maker_pods(made_for)),
        watch(spiffe_ids, triggers.a_free_name),
        watch(pods, triggers.itself),
    ]
    runs: list[Run] = []
    if services is not None:
        watches += services_of_pods(services)
        runs.append(lambda: services.become_readable(wake_pods))
    return Source(
        name="pod",
        reconcile=reconciler.reconcile,
        serves=wake,
        notes=[note(pods, going_pods(context.book, goes_too))],
        watches=watches,
        keys=all_pods,
        first_pass=FirstPass.PODS,
        runs=runs,
    )


def _written(context: Context, caches: SpiffeIDCaches, made: Made) -> Source[ObjectKey]:
    wake = context.book.wake

    def wake_owner(owner: ClaimSource) -> None:
        if owner.kind == NODE.kind:
            wake.node(owner.name)
        else:
            wake.pod(ObjectKey(owner.namespace, owner.name))

    def deleted(change: Change[SpiffeID]) -> None:
        if change.new is None and change.old is not None:
            made.deleted(change.old)

    reconciler = GeneratedReconciler(
        context.book,
        made,
        prepared=lambda obj: obj,
        wake_owner=wake_owner,
        kube=context.kube,
        mirror=context.spire.mirror,
    )
    return Source(
        name="spiffeid-record",
        reconcile=reconciler.reconcile,
        concurrency=RECORDERS,
        serves=wake.generated,
        notes=[note(caches.spiffe_ids, deleted)],
    )


def say_who_may_ask_for_downstream(*, allows_downstream: bool) -> None:
    """Say in the log whether every namespace may make certificate authorities."""
    log.info(
        "SpiffeIDs of all namespaces may ask for downstream, which makes a workload a "
        "certificate authority of the trust domain; namespaced_downstream = false refuses it"
        if allows_downstream
        else "only SpiffeIDs of the registrar's own namespace may ask for downstream",
        extra=kv(namespaced_downstream=allows_downstream),
    )


def _is_blocked(obj: SpiffeID) -> bool:
    return ORIGINAL_FINALIZER in obj.metadata.finalizers
