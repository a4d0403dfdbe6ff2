"""ClusterSpiffeId: what each claims, its status, and those that are made for Pods."""

from collections.abc import Callable

from api.kinds import CLUSTER_SPIFFE_ID
from api.meta import ObjectKey, ObjectMeta, find_condition
from api.spiffeid.v1beta1.clusterspiffeid import (
    POD_UID_LABEL,
    ClusterSpiffeId,
    ClusterSpiffeIdStatus,
)
from controllers.claimstate import claim_state
from controllers.madeobjects import Making
from controllers.objectclaims import Claiming, ObjectClaimReconciler
from controllers.objectstatus import ObjectStatusReconciler, Stating
from controllers.ports import Events, Kubernetes, Mirror
from controllers.refusal import Objects
from controllers.shared import SharedState
from registrar.claims.claim import Claimant, Origin
from registrar.claims.classes import by_class
from registrar.claims.clusterspiffeid import claim_of, source_of
from registrar.claims.podentry import pod_source
from registrar.claims.pods import named_pod
from registrar.claims.status import READY, status_of
from registrar.kube.store import Store


def _source(key: ObjectKey) -> Claimant:
    return source_of(key.name)


def _made_for(meta: ObjectMeta) -> Claimant | None:
    pod = named_pod(meta)
    return None if pod is None else pod_source(pod)


def _nobody(_: ObjectMeta) -> None:
    """Stand where no objects are made: those that were once claim as what people write."""


MADE_FOR_PODS: Making[ClusterSpiffeId] = Making(
    kind=CLUSTER_SPIFFE_ID,
    source_of=_source,
    made_for=_made_for,
    made_for_uid=lambda meta: meta.labels.get(POD_UID_LABEL, ""),
    spec_of=lambda obj: obj.spec,
)


def cluster_spiffe_id_claims(
    shared: SharedState, objects: Store[ClusterSpiffeId], *, makes: bool, mirror: Mirror
) -> ObjectClaimReconciler[ClusterSpiffeId]:
    """The reconciler of what ClusterSpiffeIds claim.

    ``makes``: some are made for Pods, which claim in their place.
    """
    made_for = _made_for if makes else _nobody
    classes = by_class(shared.class_name)
    claiming = Claiming(
        kind=CLUSTER_SPIFFE_ID,
        source_of=_source,
        unmet=lambda obj: classes.unmet(obj.spec.class_name),
        claim_of=lambda obj: claim_of(
            obj, trust_domain=shared.trust_domain, cluster=shared.cluster
        ),
        origin_of=_origin_of,
        is_record=lambda meta: made_for(meta) is not None,
    )
    return ObjectClaimReconciler(shared, claiming, objects=objects, mirror=mirror)


def cluster_spiffe_id_statuses(
    shared: SharedState,
    objects: Store[ClusterSpiffeId],
    *,
    makes: bool,
    kube: Kubernetes,
    events: Events,
    clock: Callable[[], float],
    timestamp: Callable[[], str],
) -> ObjectStatusReconciler[ClusterSpiffeId, ClusterSpiffeIdStatus]:
    """The reconciler of the statuses of ClusterSpiffeIds; see ``cluster_spiffe_id_claims``."""
    made_for = _made_for if makes else _nobody

    def wanted(obj: ClusterSpiffeId) -> ClusterSpiffeIdStatus | None:
        return _wanted(shared, obj, made_for(obj.metadata), timestamp())

    stating = Stating(
        kind=CLUSTER_SPIFFE_ID,
        is_ours=lambda obj: obj.spec.class_name == shared.class_name,
        status_of=lambda obj: obj.status,
        wanted=wanted,
        # Of thousands of Pods a success is no news; of what people wrote it is.
        is_quiet=lambda obj: POD_UID_LABEL in obj.metadata.labels,
        words=_words,
    )
    return ObjectStatusReconciler(stating, objects=objects, kube=kube, events=events, clock=clock)


def _origin_of(meta: ObjectMeta) -> Origin:
    return Origin.POD if POD_UID_LABEL in meta.labels else Origin.WRITTEN


def _wanted(
    shared: SharedState, obj: ClusterSpiffeId, pod: Claimant | None, now: str
) -> ClusterSpiffeIdStatus | None:
    """The status as it should be, or None while the SPIRE server has not been asked.

    ``pod`` claims in the object's place, if it was made for one.
    """
    if pod is None:
        state = claim_state(shared, source_of(obj.metadata.name))
    else:
        state = claim_state(shared, pod, obj.metadata.uid)
    if state is None:
        return None
    return status_of(
        obj,
        name=state.name,
        outcome=state.outcome,
        problem=state.problem,
        masked=state.masked,
        now=now,
    )


def _words(status: ClusterSpiffeIdStatus) -> object:
    """What makes news: the Ready condition, or another entry."""
    ready = find_condition(status.conditions, READY)
    if ready is None:
        return None
    return (ready.status, ready.reason, ready.message, status.entry_id)


def refusable_cluster_spiffe_ids(
    objects: Store[ClusterSpiffeId], class_name: str
) -> Objects[ClusterSpiffeId]:
    """The ClusterSpiffeIds of the very class, for while another registrar has the prefix."""
    return Objects(
        kind=CLUSTER_SPIFFE_ID,
        stored=objects,
        is_ours=lambda obj: obj.spec.class_name == class_name,
        conditions=lambda obj: obj.status.conditions,
    )
