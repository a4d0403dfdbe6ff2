"""The sources of crd mode: SpiffeIDs, and the Pods and Nodes that some are made for."""

import logging
from collections.abc import Iterator
from functools import partial

from api.core import Namespace, Node, Pod
from api.kinds import NODE, POD, SPIFFE_ID
from api.meta import ObjectKey
from api.spiffeid.v1beta1.spiffeid import ORIGINAL_FINALIZER, SpiffeID
from controllers import triggers, turns
from controllers.made import MadeReconciler, MadeReport
from controllers.madeobjects import MadeGather, MadeObjects
from controllers.pods import PodReconciler
from controllers.podwarnings import PodWarnings
from controllers.source import (
    AnySource,
    FirstPass,
    Run,
    Source,
    all_keys,
    all_names,
    note,
    watch,
)
from controllers.spiffeid import (
    MADE_SPIFFE_IDS,
    FinalizerReconciler,
    spiffe_id_claims,
    spiffe_id_statuses,
)
from manager.caches.podentries import NAMESPACE_INDEX, namespace_uid
from manager.caches.spiffeids import SpiffeIDCaches
from manager.context import Context
from manager.sources.core import behind_entries, status_source
from manager.sources.going import going_nodes, going_pods
from manager.sources.made import asking, made_source
from manager.sources.services import services_of_pods
from registrar.claims.claim import Claimant
from registrar.claims.madepods import CRDNodeRules, CRDPodRules, CRDRules, MadeView, MadeWanted
from registrar.claims.podentry import node_source, pod_source
from registrar.claims.podrules import NAME_TAKEN, Wanted
from registrar.claims.podspiffeid import made_for
from registrar.claims.spiffeid import source_of as spiffe_id_source
from registrar.kube.store import Change
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)


def spiffe_id_sources(
    context: Context,
    caches: SpiffeIDCaches,
    *,
    makes: bool,
    own_namespace: str,
    allows_downstream: bool,
) -> Iterator[AnySource]:
    """What SpiffeIDs claim, their statuses, and the original's finalizer on them.

    ``makes``: some are made for Pods and Nodes.
    """
    shared, spiffe_ids = context.shared, caches.spiffe_ids
    claims = spiffe_id_claims(
        shared,
        spiffe_ids.store,
        makes=makes,
        own_namespace=own_namespace,
        namespace_uid=partial(namespace_uid, caches.namespaces),
        allows_downstream=allows_downstream,
        mirror=context.spire.mirror,
    )
    statuses = spiffe_id_statuses(
        shared,
        spiffe_ids.store,
        makes=makes,
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
        kind=SPIFFE_ID.kind,
        reconcile=claims.reconcile,
        explain=claims.explain,
        turn=turns.of_objects(shared, spiffe_id_source),
        watches=[
            watch(spiffe_ids, triggers.itself),
            # Its SpiffeIDs may have been seen before it: their records lack their owner.
            watch(caches.namespaces, triggers.in_another_namespace(in_namespace)),
        ],
        keys=all_keys(spiffe_ids.store),
        first_pass=FirstPass.OBJECTS,
    )
    yield status_source(
        context,
        "spiffeid-status",
        statuses.reconcile,
        kind=SPIFFE_ID,
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
    context: Context, caches: SpiffeIDCaches, crd: CRDRules
) -> Iterator[AnySource]:
    """What each Node and Pod claims, and the writing of the SpiffeIDs that record it."""
    shared, own_namespace = context.shared, crd.rules.own_namespace

    def key_for(owner: Claimant, _: str) -> ObjectKey:
        return ObjectKey(owner.namespace or own_namespace, owner.name)

    made = MadeObjects(
        shared,
        MADE_SPIFFE_IDS,
        caches.spiffe_ids.store,
        key_for=key_for,
        claim_of=crd.claim_of,
        mirror=context.spire.mirror,
    )
    nodes = PodReconciler(
        shared,
        source_of=_node_source,
        gather=MadeGather(
            made,
            caches.nodes.store,
            source_of=_node_source,
            namespace_uid=lambda _: namespace_uid(caches.namespaces, own_namespace),
        ),
        rules=CRDNodeRules(crd),
        held=made,
        report=MadeReport(shared, made, source_of=_node_source, told=NodeWarnings()),
        mirror=context.spire.mirror,
    )
    pods = PodReconciler(
        shared,
        gather=MadeGather(
            made,
            caches.pods.store,
            source_of=pod_source,
            namespace_uid=lambda pod: namespace_uid(caches.namespaces, pod.metadata.namespace),
            services=caches.services,
        ),
        rules=CRDPodRules(crd),
        held=made,
        report=MadeReport(shared, made, source_of=pod_source, told=PodWarnings(context.events)),
        mirror=context.spire.mirror,
        on_pod=context.latency.pod_seen,
    )
    yield _nodes(context, caches, nodes, own_namespace)
    yield _pods(context, caches, pods)
    ask_node, ask_pod = asking(nodes), asking(pods)

    def wake_owner(owner: Claimant) -> None:
        if owner.kind == NODE.kind:
            shared.wake.node(owner.name)
        else:
            shared.wake.pod(ObjectKey(owner.namespace, owner.name))

    writing = MadeReconciler(
        shared,
        made,
        ask=lambda owner: ask_node(owner) if owner.kind == NODE.kind else ask_pod(owner),
        prepared=lambda obj: obj,
        wake_owner=wake_owner,
        kube=context.kube,
        mirror=context.spire.mirror,
        clock=context.clock,
    )
    yield made_source(context, "spiffeid-record", writing, caches.spiffe_ids)


def _node_source(key: ObjectKey) -> Claimant:
    return node_source(key.name)


def _nodes(
    context: Context,
    caches: SpiffeIDCaches,
    claiming: PodReconciler[Node, MadeView[Node], MadeWanted[SpiffeID]],
    own_namespace: str,
) -> Source[str]:
    nodes, spiffe_ids = caches.nodes, caches.spiffe_ids

    def all_nodes() -> list[str]:
        """Those that are there, and those that something was made for."""
        owners = (_maker(obj) for obj in spiffe_ids.store.values())
        found = (owner.name for owner in owners if owner is not None and owner.kind == NODE.kind)
        return [*all_names(nodes.store)(), *found]

    def free_name(change: Change[SpiffeID]) -> tuple[str, ...]:
        is_free = change.new is None and change.key.namespace == own_namespace
        return (change.key.name,) if is_free else ()

    def in_namespace(change: Change[Namespace]) -> list[str]:
        """The records of all Nodes lack their owner while the Namespace is not known."""
        is_it = change.key.name == own_namespace and change.new is not None and change.is_another
        return list(all_names(nodes.store)()) if is_it else []

    return Source(
        name="node",
        kind=NODE.kind,
        reconcile=lambda name: claiming.reconcile(ObjectKey("", name)),
        serves=context.shared.wake.node,
        notes=[note(nodes, going_nodes(context.shared))],
        watches=[
            watch(spiffe_ids, triggers.its_maker_nodes(_maker)),
            watch(spiffe_ids, free_name),
            watch(nodes, triggers.another_by_name),
            watch(caches.namespaces, in_namespace),
        ],
        keys=all_nodes,
        first_pass=FirstPass.PODS,
    )


def _pods(
    context: Context,
    caches: SpiffeIDCaches,
    claiming: PodReconciler[Pod, MadeView[Pod], MadeWanted[SpiffeID]],
) -> Source[ObjectKey]:
    pods, spiffe_ids, services = caches.pods, caches.spiffe_ids, caches.services
    wake = context.shared.wake.pod

    def all_pods() -> list[ObjectKey]:
        """Those that are there, and those that something was made for."""
        owners = (_maker(obj) for obj in spiffe_ids.store.values())
        found = (o for o in owners if o is not None and o.kind != NODE.kind)
        return [*all_keys(pods.store)(), *(ObjectKey(o.namespace, o.name) for o in found)]

    def wake_pods() -> None:
        for pod in list(pods.store.keys()):
            wake(pod)

    def in_namespace(name: str) -> list[ObjectKey]:
        return list(pods.store.by_index(NAMESPACE_INDEX, name))

    watches = [
        watch(spiffe_ids, triggers.its_maker_pods(_maker)),
        watch(spiffe_ids, triggers.a_free_name),
        watch(pods, triggers.itself),
        # Its Pods may have been seen before it: their records lack their owner.
        watch(caches.namespaces, triggers.in_another_namespace(in_namespace)),
    ]
    runs: list[Run] = []
    if services is not None:
        watches += services_of_pods(services)
        runs.append(lambda: services.become_readable(wake_pods))
    return Source(
        name="pod",
        kind=POD.kind,
        reconcile=claiming.reconcile,
        explain=claiming.explain,
        serves=wake,
        turn=turns.of_objects(context.shared, pod_source),
        room=behind_entries(context),
        notes=[note(pods, going_pods(context.shared))],
        watches=watches,
        keys=all_pods,
        first_pass=FirstPass.PODS,
        runs=runs,
    )


class NodeWarnings:
    """What is wrong with Nodes, said in the log once each."""

    def __init__(self) -> None:
        self._said: dict[ObjectKey, str] = {}

    def tell(self, pod: Node, wanted: Wanted) -> None:
        """Say what is news of a Node."""
        message = wanted.warnings.get(NAME_TAKEN, "")
        if message and self._said.get(pod.key) != message:
            log.warning("a Node has no identity", extra=kv(node=pod.metadata.name, why=message))
        self._said[pod.key] = message

    def gone(self, key: ObjectKey) -> None:
        """There is no such Node."""
        self._said.pop(key, None)


def _maker(obj: SpiffeID) -> Claimant | None:
    return made_for(obj.metadata)


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
