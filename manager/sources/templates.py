"""The sources of the controller manager's templates: ClusterSPIFFEIDs, and the Pods under them."""

import logging
from collections.abc import Callable, Iterable, Iterator

from api.core import Namespace
from api.kinds import CLUSTER_SPIFFEID, POD
from api.meta import ObjectKey, OwnerReference
from controllers import triggers, turns
from controllers.source import AnySource, FirstPass, Source, all_keys, all_names, note, watch
from controllers.spire_clusterspiffeid import TemplateReconciler, template_statuses
from controllers.templatedpod import templated_pods
from controllers.templates import Cluster, Templates
from manager.caches.cache import Cache
from manager.caches.managerkinds import ManagerCaches
from manager.caches.pods import PodCaches
from manager.context import Context
from manager.sources.core import behind_entries, status_source
from manager.sources.going import going_pods
from manager.sources.ownedpods import OwnedPods
from registrar.claims.classes import Classes
from registrar.claims.namespaces import IgnoredNamespaces
from registrar.claims.podentry import pod_source
from registrar.claims.podindex import PodIndex
from registrar.claims.podtemplate import Surroundings
from registrar.kube.controller import Done, Result
from registrar.kube.store import Change
from registrar.telemetry.logging import kv

log = logging.getLogger(__name__)


def template_sources(
    context: Context,
    caches: ManagerCaches,
    surroundings: Surroundings,
    ignored: IgnoredNamespaces,
    classes: Classes,
) -> Iterator[AnySource]:
    """What the templates say, the Pods under them, and the templates' statuses."""
    cluster = caches.cluster(ignored)
    templates = Templates(surroundings, PodIndex())
    compiling = TemplateReconciler(
        context.shared,
        templates=templates,
        cluster=cluster,
        objects=caches.templates.store,
        classes=classes,
    )
    yield Source(
        name="spire-clusterspiffeid",
        kind=CLUSTER_SPIFFEID.kind,
        reconcile=compiling.reconcile,
        explain=compiling.explain,
        watches=[watch(caches.templates, triggers.by_name)],
        keys=all_names(caches.templates.store),
        prepare=lambda: _index(caches.pods, templates.index),
        first_pass=FirstPass.OBJECTS,
    )
    yield _pods(context, caches, templates, cluster)
    yield _statuses(context, caches, templates, cluster, classes)


def _pods(
    context: Context, caches: ManagerCaches, templates: Templates, cluster: Cluster
) -> Source[ObjectKey]:
    """Each Pod under all templates that select it; it hears only of what it needs."""
    shared, index, pods = context.shared, templates.index, caches.pods
    rendering = templated_pods(
        shared,
        templates=templates,
        cluster=cluster,
        mirror=context.spire.mirror,
        on_pod=context.latency.pod_seen,
    )

    def in_namespace(name: str) -> list[ObjectKey]:
        return list(index.in_namespaces([name]))

    def owners_of(key: ObjectKey) -> Iterable[OwnerReference]:
        pod = pods.get(key)
        return () if pod is None else pod.metadata.owner_references

    def wake_all() -> None:
        for key in list(pods.keys()):
            shared.wake.pod(key)

    def judge() -> None:
        """From now on a template that comes finds Pods that were looked at without it."""
        templates.are_judged = True

    links = list(caches.owners.links.values())
    return Source(
        name="pod",
        kind=POD.kind,
        reconcile=rendering.reconcile,
        explain=rendering.explain,
        serves=shared.wake.pod,
        turn=turns.of_objects(shared, pod_source),
        room=behind_entries(context),
        notes=[note(pods.caches, going_pods(shared))],
        watches=[
            watch(pods.caches, triggers.itself),
            watch(caches.nodes, triggers.pods_on_node(index.on_node)),
            watch(caches.namespaces, triggers.pods_of_relabelled(in_namespace)),
            watch(caches.services.slices, triggers.pods_joining_slice),
            watch(caches.services.endpoints, triggers.pods_joining_endpoints),
            watch(links, triggers.pods_owned_through(OwnedPods(in_namespace, owners_of))),
        ],
        keys=pods.keys,
        prepare=judge,
        first_pass=FirstPass.PODS,
        also_decides=[caches.templates],
        runs=[lambda: caches.services.become_readable(wake_all)],
    )


def _statuses(
    context: Context,
    caches: ManagerCaches,
    templates: Templates,
    cluster: Cluster,
    is_handled: Callable[[str], bool],
) -> Source[ObjectKey]:
    """How many Pods each template selects, and what became of their entries."""
    statuses = template_statuses(
        context.shared,
        templates=templates,
        cluster=cluster,
        objects=caches.templates.store,
        is_handled=is_handled,
        kube=context.kube,
        events=context.events,
        clock=context.clock,
        timestamp=context.timestamp,
    )

    def count() -> None:
        """Every Pod was looked at: the numbers mean something from now on."""
        templates.are_counted = True

    def of_relabelled(change: Change[Namespace]) -> Iterable[ObjectKey]:
        """A status says how many Namespaces its template selects."""
        found = templates.set if triggers.is_relabelled(change) else ()
        return [ObjectKey("", template.source.name) for template in found]

    return status_source(
        context,
        "spire-clusterspiffeid-status",
        statuses.reconcile,
        kind=CLUSTER_SPIFFEID,
        watches=[watch(caches.namespaces, of_relabelled)],
        keys=all_keys(caches.templates.store),
        prepare=count,
    )


def _index(pods: PodCaches, index: PodIndex) -> None:
    """Let each template find the Pods that it may select, before any of them is rendered."""
    for key in list(pods.keys()):
        pod = pods.get(key)
        if pod is not None:
            index.put(key, pod.metadata.labels, pod.node_name)


def ignored_namespaces_source(
    ignored: IgnoredNamespaces, namespaces: Cache[Namespace]
) -> Source[str]:
    """Says once which Namespaces a pattern hides that its author hardly thought of."""
    warned: dict[str, list[str]] = {}

    async def reconcile(_: str) -> Result:
        names = [namespace.metadata.name for namespace in namespaces.store.values()]
        for pattern, hidden in ignored.by_accident(names).items():
            if warned.get(pattern) != hidden:
                warned[pattern] = hidden
                log.warning(
                    "a pattern in ignoreNamespaces is not anchored and hides other Namespaces; "
                    "write ^pattern$ to mean that one name",
                    extra=kv(pattern=pattern, hides=" ".join(hidden)),
                )
        return Done()

    return Source(
        name="ignored-namespaces",
        reconcile=reconcile,
        watches=[watch(namespaces, lambda change: ("",) if triggers.is_relabelled(change) else ())],
        keys=lambda: ("",),
    )
