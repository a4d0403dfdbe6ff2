"""The sources of the layered mode: ClusterSpiffeIds, and the Pods that some are made for."""

from collections.abc import Iterator

from api.core import Namespace, Pod
from api.kinds import CLUSTER_SPIFFE_ID
from api.meta import ObjectKey
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from controllers import triggers
from controllers.clusterspiffeid import (
    MADE_FOR_PODS,
    cluster_spiffe_id_claims,
    cluster_spiffe_id_statuses,
)
from controllers.generated import GeneratedReconciler
from controllers.generation import Generation
from controllers.pod import PodReconciler
from controllers.source import AnySource, FirstPass, Source, all_keys, note, watch
from manager.caches.cache import Cache
from manager.context import Context
from manager.sources.core import RECORDERS
from manager.sources.going import going_pods
from registrar.claims.pods import owned_by, pod_of
from registrar.errors import Retry
from registrar.kube.store import Change
from registrar.settings.model import PodIdentity

Made = Generation[ClusterSpiffeId]


def cluster_spiffe_id_sources(
    context: Context, objects: Cache[ClusterSpiffeId], made: Made
) -> Iterator[AnySource]:
    """What ClusterSpiffeIds claim, and their statuses."""
    book = context.book
    claims = cluster_spiffe_id_claims(book, made, mirror=context.spire.mirror)
    statuses = cluster_spiffe_id_statuses(
        book,
        made,
        objects=objects.store,
        kube=context.kube,
        events=context.events,
        clock=context.clock,
        timestamp=context.timestamp,
    )
    yield Source(
        name="clusterspiffeid",
        reconcile=claims.reconcile,
        serves=book.wake.claims,
        watches=[watch(objects, triggers.itself)],
        keys=all_keys(objects.store),
        first_pass=FirstPass.OBJECTS,
    )
    yield Source(
        name="clusterspiffeid-status",
        reconcile=statuses.reconcile,
        concurrency=RECORDERS // 2,
        serves=book.wake.status.of(CLUSTER_SPIFFE_ID.kind),
    )


def layered_pod_sources(
    context: Context,
    identity: PodIdentity,
    *,
    objects: Cache[ClusterSpiffeId],
    pods: Cache[Pod],
    namespaces: Cache[Namespace],
    made: Made,
) -> Iterator[AnySource]:
    """Which ClusterSpiffeId each Pod should have, and the writing of these."""
    book = context.book
    judging = PodReconciler(
        book,
        made,
        settings=identity,
        pods=pods.store,
        events=context.events,
        on_pod=context.latency.pod_seen,
    )
    writing = GeneratedReconciler(
        book,
        made,
        prepared=lambda obj: _owned(obj, namespaces),
        wake_owner=lambda pod: book.wake.pod(ObjectKey(pod.namespace, pod.name)),
        kube=context.kube,
        mirror=context.spire.mirror,
    )

    def all_pods() -> list[ObjectKey]:
        """Those that are there, and those that something was made for."""
        owners = (pod_of(obj) for obj in objects.store.values())
        return [*pods.store.keys(), *(pod for pod in owners if pod is not None)]

    def in_namespace(name: str) -> list[ObjectKey]:
        """What waits to be written for Pods of a Namespace."""
        owners = ((key, pod_of(obj)) for key, obj in made.assumed.items())
        return [key for key, pod in owners if pod is not None and pod.namespace == name]

    def deleted(change: Change[ClusterSpiffeId]) -> None:
        if change.old is not None and change.new is None:
            made.deleted(change.old)

    # First of all who an object was made for: what is still wanted is claimed without a gap.
    yield Source(
        name="pod",
        reconcile=judging.reconcile,
        serves=book.wake.pod,
        notes=[note(pods, going_pods(book))],
        watches=[
            watch(objects, triggers.its_maker_pods(MADE_FOR_PODS.made_for)),
            watch(pods, triggers.itself),
        ],
        keys=all_pods,
        first_pass=FirstPass.PODS,
    )
    yield Source(
        name="clusterspiffeid-record",
        reconcile=writing.reconcile,
        concurrency=RECORDERS,
        serves=book.wake.generated,
        notes=[note(objects, deleted)],
        watches=[watch(namespaces, triggers.in_another_namespace(in_namespace))],
    )


def _owned(obj: ClusterSpiffeId, namespaces: Cache[Namespace]) -> ClusterSpiffeId:
    """The object, owned by its Pod's Namespace. Raises Retry while its watch lags behind."""
    pod = pod_of(obj)
    name = "" if pod is None else pod.namespace
    namespace = namespaces.store.get(ObjectKey("", name))
    if namespace is None:
        raise Retry("NamespaceUnknown", f"namespace {name} is not known yet")
    return owned_by(obj, namespace)
