"""The sources of the reconcile and webhook modes: Pods and Nodes straight to entries."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from api.core import Endpoints, EndpointSlice, Namespace, Node, Pod
from api.kinds import NODE, POD
from api.meta import ObjectKey
from controllers import triggers, turns
from controllers.podentry import HeldPods, PodEntryGather
from controllers.podentry import Pods as KnownPods
from controllers.podevents import PodEventReconciler
from controllers.pods import NodeReconciler, PodReconciler
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
from manager.caches.announced import AnnouncedOrStored
from manager.caches.cache import Cache
from manager.caches.podentries import NAMESPACE_INDEX, namespace_uid
from manager.caches.services import ServiceCaches
from manager.context import Context
from manager.sources.core import behind_entries
from manager.sources.going import going_nodes, going_pods
from manager.sources.services import services_of_pods
from registrar.claims.podentry import PodEntries, node_claim, pod_source
from registrar.claims.podentryrules import PodEntryRules
from registrar.identity.entry import Entry
from registrar.kube.store import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class PodsToEntries:
    """What the sources need to know of their mode.

    ``known_pods`` are those of ``pods``, and in webhook mode those that are ``announced``.
    """

    rules: PodEntries
    pods: Cache[Pod]
    known_pods: KnownPods
    namespaces: Cache[Namespace]
    nodes: Cache[Node] | None = None
    services: ServiceCaches | None = None
    announced: AnnouncedOrStored | None = None


def pod_entry_sources(context: Context, mode: PodsToEntries) -> Iterator[AnySource]:
    """Nodes and Pods, and Events on Pods of what becomes of their entries."""
    warnings = PodWarnings(context.events)
    if mode.nodes is not None:
        yield _nodes(context, mode.rules, mode.nodes)
    yield _pods(context, mode, warnings)
    reporting = PodEventReconciler(
        context.shared, pod_of=mode.known_pods.get, warnings=warnings, events=context.events
    )
    yield Source(
        name="pod-events",
        reconcile=reporting.reconcile,
        serves=context.shared.wake.status.of(POD.kind),
        tells=True,
    )


def _nodes(context: Context, rules: PodEntries, nodes: Cache[Node]) -> Source[str]:
    reconciler = NodeReconciler(
        context.shared,
        nodes=nodes.store,
        claim_of=partial(node_claim, rules=rules),
        mirror=context.spire.mirror,
    )
    return Source(
        name="node",
        kind=NODE.kind,
        reconcile=reconciler.reconcile,
        serves=context.shared.wake.node,
        notes=[note(nodes, going_nodes(context.shared))],
        watches=[watch(nodes, triggers.another_by_name)],
        keys=all_names(nodes.store),
        first_pass=FirstPass.OBJECTS,
    )


def _pods(context: Context, mode: PodsToEntries, warnings: PodWarnings) -> Source[ObjectKey]:
    shared, mirror = context.shared, context.spire.mirror
    held = HeldPods(shared, entries=mode.rules, pods=mode.known_pods, mirror=mirror)
    gather = PodEntryGather(
        shared,
        entries=mode.rules,
        pods=mode.known_pods,
        services=mode.services,
        namespace_uid=partial(namespace_uid, mode.namespaces),
        mirror=mirror,
    )
    reconciler = PodReconciler(
        shared,
        gather=gather,
        rules=PodEntryRules(mode.rules),
        held=held,
        report=warnings,
        mirror=mirror,
        on_pod=context.latency.pod_seen,
    )
    wake, services, announced = context.shared.wake.pod, mode.services, mode.announced
    known = all_keys(mode.pods.store) if announced is None else announced.all

    def every_pod() -> set[ObjectKey]:
        """The Pods that are known of, and those that only the SPIRE server knows of."""
        return {*known(), *held.all()}

    def wake_all() -> None:
        for pod in every_pod():
            wake(pod)

    def in_namespace(name: str) -> list[ObjectKey]:
        return list(mode.pods.store.by_index(NAMESPACE_INDEX, name))

    def takes_up(entry: Entry) -> bool:
        """Whether it is for a Pod of which only another replica may have heard."""
        pod = held.hold(entry)
        if pod is not None:
            wake(pod)
        return pod is not None

    watches = [
        watch(mode.pods, triggers.itself),
        # Its Pods may have been seen before it: their records lack their owner.
        watch(mode.namespaces, triggers.in_another_namespace(in_namespace)),
    ]
    notes, runs = [note(mode.pods, going_pods(context.shared))], list[Run]()
    if announced is not None:
        notes.append(lambda: announced.listen(wake, held.doubt))
        runs.append(lambda: announced.sweep(wake, held.all))
    if services is not None:
        watches += services_of_pods(services)
        notes += _service_notes(services, gather)
        runs.append(lambda: services.become_readable(wake_all))
    return Source(
        name="pod",
        kind=POD.kind,
        reconcile=reconciler.reconcile,
        explain=reconciler.explain,
        serves=wake,
        turn=turns.of_objects(shared, pod_source),
        room=behind_entries(context),
        notes=notes,
        watches=watches,
        keys=every_pod,
        first_pass=FirstPass.PODS,
        takes_up=takes_up,
        gives_up=held.let_go,
        runs=runs,
    )


def _service_notes(services: ServiceCaches, gather: PodEntryGather) -> list[Callable[[], None]]:
    """A service that comes or goes: other Pods may have, or may not have, a name like its own."""

    def slice_changed(change: Change[EndpointSlice]) -> None:
        for service in triggers.services_of_slice(change):
            gather.wake_sharing(service)

    def endpoints_changed(change: Change[Endpoints]) -> None:
        for service in triggers.services_of_endpoints(change):
            gather.wake_sharing(service)

    return [note(services.slices, slice_changed), note(services.endpoints, endpoints_changed)]
