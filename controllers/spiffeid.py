"""SpiffeID: what each claims, its status, those that are made for Pods, and an old finalizer."""

from collections.abc import Callable

from api.codec import JSONValue
from api.kinds import SPIFFE_ID
from api.meta import ObjectKey, ObjectMeta
from api.spiffeid.v1beta1.spiffeid import ORIGINAL_FINALIZER, SpiffeID, SpiffeIDStatus
from controllers.claimstate import claim_state
from controllers.madeobjects import Making
from controllers.objectclaims import Claiming, ObjectClaimReconciler
from controllers.objectstatus import ObjectStatusReconciler, Stating
from controllers.ports import Events, Kubernetes, Mirror
from controllers.refusal import Objects
from controllers.shared import SharedState
from registrar.claims.claim import Claimant
from registrar.claims.podspiffeid import made_for, made_for_uid
from registrar.claims.spiffeid import claim_of, origin_of, source_of, status_of
from registrar.claims.unmet import BEING_DELETED, Unmet
from registrar.errors import Retry
from registrar.kube.controller import Done, Result
from registrar.kube.errors import Conflict, NotFound
from registrar.kube.store import Store

MADE_SPIFFE_IDS: Making[SpiffeID] = Making(
    kind=SPIFFE_ID,
    source_of=source_of,
    made_for=made_for,
    made_for_uid=made_for_uid,
    spec_of=lambda obj: obj.spec,
)


def _being_deleted(obj: SpiffeID) -> Unmet | None:
    """One that is being deleted waits for a finalizer of somebody else's."""
    since = obj.metadata.deletion_timestamp
    if since is None:
        return None
    return Unmet(BEING_DELETED, "metadata.deletionTimestamp", "absent", since)


def _nobody(_: ObjectMeta) -> None:
    """Stand where no objects are made: those that were once claim as what people write."""


def spiffe_id_claims(
    shared: SharedState,
    objects: Store[SpiffeID],
    *,
    makes: bool,
    own_namespace: str,
    namespace_uid: Callable[[str], str],
    allows_downstream: bool,
    mirror: Mirror,
) -> ObjectClaimReconciler[SpiffeID]:
    """The reconciler of what SpiffeIDs claim.

    ``makes``: some are made for Pods and Nodes, which claim in their place.
    """
    maker = made_for if makes else _nobody
    claiming = Claiming(
        kind=SPIFFE_ID,
        source_of=source_of,
        unmet=_being_deleted,
        claim_of=lambda obj: claim_of(
            obj,
            trust_domain=shared.trust_domain,
            own_namespace=own_namespace,
            namespace_uid=namespace_uid(obj.metadata.namespace),
            allows_downstream=allows_downstream,
        ),
        origin_of=lambda meta: origin_of(meta, own_namespace),
        is_record=lambda meta: maker(meta) is not None,
    )
    return ObjectClaimReconciler(shared, claiming, objects=objects, mirror=mirror)


def spiffe_id_statuses(
    shared: SharedState,
    objects: Store[SpiffeID],
    *,
    makes: bool,
    kube: Kubernetes,
    events: Events,
    clock: Callable[[], float],
    timestamp: Callable[[], str],
) -> ObjectStatusReconciler[SpiffeID, SpiffeIDStatus]:
    """The reconciler of the statuses of SpiffeIDs; see ``spiffe_id_claims``."""
    maker = made_for if makes else _nobody
    stating = Stating(
        kind=SPIFFE_ID,
        is_ours=lambda obj: obj.metadata.deletion_timestamp is None,
        status_of=lambda obj: obj.status,
        wanted=lambda obj: _wanted(shared, obj, maker(obj.metadata), timestamp()),
        is_quiet=lambda obj: made_for(obj.metadata) is not None,
    )
    return ObjectStatusReconciler(stating, objects=objects, kube=kube, events=events, clock=clock)


def _wanted(
    shared: SharedState, obj: SpiffeID, owner: Claimant | None, now: str
) -> SpiffeIDStatus | None:
    """The status as it should be, or None while the SPIRE server has not been asked.

    ``owner`` claims in the object's place, if it was made for a Pod or Node.
    """
    if owner is None:
        state = claim_state(shared, source_of(obj.key))
    else:
        state = claim_state(shared, owner, obj.metadata.uid)
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


class FinalizerReconciler:
    """Takes the original's finalizer off SpiffeIDs.

    Nobody else would: a SpiffeID that has it could not be deleted any more, nor its Namespace.
    """

    def __init__(self, *, objects: Store[SpiffeID], kube: Kubernetes) -> None:
        self._objects = objects
        self._kube = kube

    async def reconcile(self, key: ObjectKey) -> Result:
        """Look at one SpiffeID. Raises Retry when somebody else writes at the same time."""
        obj = self._objects.get(key)
        if obj is None or ORIGINAL_FINALIZER not in obj.metadata.finalizers:
            return Done()
        kept: list[JSONValue] = [
            name for name in obj.metadata.finalizers if name != ORIGINAL_FINALIZER
        ]
        version = obj.metadata.resource_version
        try:
            patched = await self._kube.merge_patch(
                SPIFFE_ID, key, {"metadata": {"finalizers": kept, "resourceVersion": version}}
            )
        except NotFound:
            return Done()
        except Conflict as error:
            raise Retry("Conflict", f"SpiffeID {key} was changed meanwhile") from error
        if patched.metadata.deletion_timestamp is None:
            self._objects.assume(patched)
        return Done()


def refusable_spiffe_ids(objects: Store[SpiffeID]) -> Objects[SpiffeID]:
    """The SpiffeIDs, for while another registrar has the prefix."""
    return Objects(
        kind=SPIFFE_ID,
        stored=objects,
        is_ours=lambda _: True,
        conditions=lambda obj: obj.status.conditions,
    )
