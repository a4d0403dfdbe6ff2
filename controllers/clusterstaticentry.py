"""ClusterStaticEntry: what each claims, and its status."""

from collections.abc import Callable

from api.kinds import CLUSTER_STATIC_ENTRY
from api.spire.v1alpha1.clusterstaticentry import ClusterStaticEntry, ClusterStaticEntryStatus
from controllers.objectclaims import Claiming, ObjectClaimReconciler
from controllers.objectstatus import ObjectStatusReconciler, Stating
from controllers.ports import Events, Kubernetes, Mirror
from controllers.refusal import Objects
from controllers.shared import SharedState
from registrar.claims.claim import Origin
from registrar.claims.classes import Classes
from registrar.claims.clusterstaticentry import claim_of, source_of, status_of
from registrar.kube.store import Store


def static_entry_claims(
    shared: SharedState,
    *,
    objects: Store[ClusterStaticEntry],
    classes: Classes,
    mirror: Mirror,
) -> ObjectClaimReconciler[ClusterStaticEntry]:
    """The reconciler of what ClusterStaticEntries claim."""
    claiming = Claiming(
        kind=CLUSTER_STATIC_ENTRY,
        source_of=lambda key: source_of(key.name),
        unmet=lambda obj: classes.unmet(obj.spec.class_name),
        claim_of=lambda obj: claim_of(obj, trust_domain=shared.trust_domain),
        origin_of=lambda _: Origin.WRITTEN,
    )
    return ObjectClaimReconciler(shared, claiming, objects=objects, mirror=mirror)


def static_entry_statuses(
    shared: SharedState,
    *,
    objects: Store[ClusterStaticEntry],
    is_handled: Callable[[str], bool],
    kube: Kubernetes,
    events: Events,
    clock: Callable[[], float],
    timestamp: Callable[[], str],
) -> ObjectStatusReconciler[ClusterStaticEntry, ClusterStaticEntryStatus]:
    """The reconciler of the statuses of ClusterStaticEntries."""
    stating = Stating(
        kind=CLUSTER_STATIC_ENTRY,
        is_ours=lambda obj: is_handled(obj.spec.class_name),
        status_of=lambda obj: obj.status,
        wanted=lambda obj: _wanted(shared, obj, timestamp()),
    )
    return ObjectStatusReconciler(stating, objects=objects, kube=kube, events=events, clock=clock)


def _wanted(
    shared: SharedState, obj: ClusterStaticEntry, now: str
) -> ClusterStaticEntryStatus | None:
    """The status as it should be, or None while the SPIRE server has not been asked."""
    source = source_of(obj.metadata.name)
    claims = shared.index.of_source(source)
    problem = shared.problems.get(source)
    outcome, masked_by = None, None
    if claims:
        key = claims[0].key
        outcome = shared.outcomes.get(key)
        winner = shared.index.winner(key)
        if winner is not None and winner.source != source:
            masked_by = winner.subject
        if problem is None and not shared.outcomes.is_known(key):
            return None
    elif problem is None:
        return None
    return status_of(obj, outcome=outcome, problem=problem, masked_by=masked_by, now=now)


def refusable_static_entries(
    objects: Store[ClusterStaticEntry], class_name: str
) -> Objects[ClusterStaticEntry]:
    """The ClusterStaticEntries of the very class, for while another registrar has the prefix."""
    return Objects(
        kind=CLUSTER_STATIC_ENTRY,
        stored=objects,
        is_ours=lambda obj: obj.spec.class_name == class_name,
        conditions=lambda obj: obj.status.conditions,
    )
