"""The sources of the layered mode: ClusterSpiffeIds, and the Pods that some are made for."""

from collections.abc import Iterator

from api.core import Namespace, Pod
from api.kinds import CLUSTER_SPIFFE_ID, POD
from api.meta import ObjectKey
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from controllers import triggers, turns
from controllers.clusterspiffeid import (
    MADE_FOR_PODS,
    cluster_spiffe_id_claims,
    cluster_spiffe_id_statuses,
)
from controllers.made import MadeReconciler, MadeReport
from controllers.madeobjects import MadeGather, MadeObjects
from controllers.pods import PodReconciler
from controllers.podwarnings import PodWarnings
from controllers.source import AnySource, FirstPass, Source, all_keys, note, watch
from manager.caches.cache import Cache
from manager.context import Context
from manager.sources.core import behind_entries, status_source
from manager.sources.going import going_pods
from manager.sources.made import asking, made_source
from manager.sources.waitingpods import WaitingPods
from registrar.claims.claim import Claim
from registrar.claims.clusterspiffeid import claim_of
from registrar.claims.madepods import LayeredPodRules
from registrar.claims.podentry import pod_source
from registrar.claims.pods import generated_name, owned_by, pod_of
from registrar.errors import InvalidField, Retry
from registrar.settings.model import PodIdentity


def cluster_spiffe_id_sources(
    context: Context, objects: Cache[ClusterSpiffeId], *, makes: bool
) -> Iterator[AnySource]:
    """What ClusterSpiffeIds claim, and their statuses; ``makes``: some are made for Pods."""
    shared, mirror = context.shared, context.spire.mirror
    claims = cluster_spiffe_id_claims(shared, objects.store, makes=makes, mirror=mirror)
    statuses = cluster_spiffe_id_statuses(
        shared,
        objects.store,
        makes=makes,
        kube=context.kube,
        events=context.events,
        clock=context.clock,
        timestamp=context.timestamp,
    )
    yield Source(
        name="clusterspiffeid",
        kind=CLUSTER_SPIFFE_ID.kind,
        reconcile=claims.reconcile,
        explain=claims.explain,
        watches=[watch(objects, triggers.itself)],
        keys=all_keys(objects.store),
        first_pass=FirstPass.OBJECTS,
    )
    yield status_source(
        context,
        "clusterspiffeid-status",
        statuses.reconcile,
        kind=CLUSTER_SPIFFE_ID,
    )


def layered_pod_sources(
    context: Context,
    identity: PodIdentity,
    *,
    objects: Cache[ClusterSpiffeId],
    pods: Cache[Pod],
    namespaces: Cache[Namespace],
) -> Iterator[AnySource]:
    """What each Pod claims, and the writing of the ClusterSpiffeIds that record it."""
    shared, mirror = context.shared, context.spire.mirror
    made = _made(context, objects)
    claiming = PodReconciler(
        shared,
        gather=MadeGather(made, pods.store, source_of=pod_source),
        rules=LayeredPodRules(
            identity,
            trust_domain=shared.trust_domain,
            cluster=shared.cluster,
            class_name=shared.class_name,
        ),
        held=made,
        report=MadeReport(shared, made, source_of=pod_source, told=PodWarnings(context.events)),
        mirror=mirror,
        on_pod=context.latency.pod_seen,
    )
    waiting = WaitingPods(pods.store)

    def prepared(obj: ClusterSpiffeId) -> ClusterSpiffeId:
        """The object, owned by its Pod's Namespace. Raises Retry while its watch lags behind."""
        pod = pod_of(obj)
        name = "" if pod is None else pod.namespace
        namespace = namespaces.store.get(ObjectKey("", name))
        if namespace is None:
            if pod is not None:
                waiting.wait(pod)
            raise Retry("NamespaceUnknown", f"namespace {name} is not known yet")
        return owned_by(obj, namespace)

    def all_pods() -> list[ObjectKey]:
        """Those that are there, and those that something was made for."""
        owners = (pod_of(obj) for obj in objects.store.values())
        return [*all_keys(pods.store)(), *(pod for pod in owners if pod is not None)]

    yield Source(
        name="pod",
        kind=POD.kind,
        reconcile=claiming.reconcile,
        explain=claiming.explain,
        serves=shared.wake.pod,
        turn=turns.of_objects(shared, pod_source),
        room=behind_entries(context),
        notes=[note(pods, going_pods(shared)), note(pods, waiting.left)],
        watches=[
            watch(objects, triggers.its_maker_pods(made.made_for)),
            watch(pods, triggers.itself),
        ],
        keys=all_pods,
        first_pass=FirstPass.PODS,
    )
    writing = MadeReconciler(
        shared,
        made,
        ask=asking(claiming),
        prepared=prepared,
        wake_owner=lambda pod: shared.wake.pod(ObjectKey(pod.namespace, pod.name)),
        kube=context.kube,
        mirror=mirror,
        clock=context.clock,
    )
    yield made_source(
        context,
        "clusterspiffeid-record",
        writing,
        objects,
        watches=[watch(namespaces, waiting.called)],
    )


def _made(context: Context, objects: Cache[ClusterSpiffeId]) -> MadeObjects[ClusterSpiffeId]:
    shared = context.shared

    def claim(obj: ClusterSpiffeId) -> Claim:
        if obj.spec.class_name != shared.class_name:
            raise InvalidField(
                "spec.className", obj.spec.class_name, f"write {shared.class_name!r}"
            )
        return claim_of(obj, trust_domain=shared.trust_domain, cluster=shared.cluster)

    return MadeObjects(
        shared,
        MADE_FOR_PODS,
        objects.store,
        key_for=lambda pod, uid: ObjectKey("", generated_name(pod.namespace, pod.name, uid)),
        claim_of=claim,
        mirror=context.spire.mirror,
    )
