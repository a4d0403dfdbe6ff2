"""ClusterStaticEntry to claim, and its status."""

from collections.abc import Collection

from api.kinds import CLUSTER_STATIC_ENTRY
from api.meta import Condition, set_condition
from api.spire.v1alpha1.clusterstaticentry import ClusterStaticEntry, ClusterStaticEntryStatus
from registrar.claims import validation
from registrar.claims.claim import Claim, Claimant, Origin, Problem
from registrar.claims.federation import FEDERATION_PENDING, pending_condition
from registrar.claims.outcome import Outcome, State
from registrar.errors import InvalidField
from registrar.identity.entry import Attributes, EntryKey
from registrar.identity.selectors import parse_selector
from registrar.identity.spiffeid import check_spiffe_id, check_workload_id, full_id

KIND = "ClusterStaticEntry"
READY = "Ready"
MASKED = "Masked"


def source_of(name: str) -> Claimant:
    """The source that a ClusterStaticEntry of that name is."""
    return Claimant(KIND, "", name)


def claim_of(obj: ClusterStaticEntry, *, trust_domain: str) -> Claim:
    """The claim of one object. Raises InvalidField for the first thing wrong with its spec."""
    spec = obj.spec
    spiffe_id = check_workload_id(
        full_id(spec.spiffe_id, trust_domain, path="spec.spiffeID"),
        path="spec.spiffeID",
        trust_domain=trust_domain,
    )
    parent_id = check_spiffe_id(
        full_id(spec.parent_id, trust_domain, path="spec.parentID"),
        path="spec.parentID",
        trust_domain=trust_domain,
    )
    validation.check_number(len(spec.selectors), validation.MAX_SELECTORS, path="spec.selectors")
    selectors = [
        parse_selector(text, path=f"spec.selectors[{number}]")
        for number, text in enumerate(spec.selectors)
    ]
    if not selectors:
        raise InvalidField("spec.selectors", "[]", "give at least one selector, as type:value")
    if spec.store_svid and len({selector.type for selector in selectors}) > 1:
        raise InvalidField("spec.storeSVID", "true", "needs selectors of one type")
    return Claim(
        source=source_of(obj.metadata.name),
        key=EntryKey.of(spiffe_id, parent_id, selectors),
        attributes=_attributes_of(obj, trust_domain),
        origin=Origin.WRITTEN,
        api_version=CLUSTER_STATIC_ENTRY.api_version,
        uid=obj.metadata.uid,
        created=obj.metadata.creation_timestamp or "",
    )


def _attributes_of(obj: ClusterStaticEntry, trust_domain: str) -> Attributes:
    spec = obj.spec
    return Attributes(
        x509_svid_ttl=validation.check_duration(spec.x509_svid_ttl, path="spec.x509SVIDTTL"),
        jwt_svid_ttl=validation.check_duration(spec.jwt_svid_ttl, path="spec.jwtSVIDTTL"),
        federates_with=validation.check_federation(
            spec.federates_with, path="spec.federatesWith", trust_domain=trust_domain
        ),
        dns_names=validation.check_dns_names(spec.dns_names, path="spec.dnsNames"),
        admin=spec.admin,
        downstream=spec.downstream,
        store_svid=spec.store_svid,
        hint=validation.check_hint(spec.hint, path="spec.hint"),
    )


def status_of(
    obj: ClusterStaticEntry,
    *,
    outcome: Outcome | None,
    problem: Problem | None,
    masked_by: Claimant | None,
    now: str,
) -> ClusterStaticEntryStatus:
    """The status to write.

    ``outcome`` is that of its entry, None when it claims none; ``masked_by``
    is the older object that asks for the same entry.
    """
    is_set = outcome is not None and outcome.is_set and masked_by is None
    pending: Collection[str] = () if outcome is None else outcome.pending
    generation = obj.metadata.generation
    status, reason, message = _ready(outcome, problem, masked_by)
    wanted = [
        Condition(type=READY, status=status, reason=reason, message=message),
        *pending_condition(pending, now),
    ]
    if masked_by is not None:
        words = f"{masked_by} asks for the same entry and is older; delete one of the two"
        wanted.append(Condition(type=MASKED, status="True", reason="OlderClaim", message=words))
    old = {condition.type: condition for condition in obj.status.conditions}
    conditions: tuple[Condition, ...] = tuple(
        c for c in obj.status.conditions if c.type not in {READY, MASKED, FEDERATION_PENDING}
    )
    for condition in wanted:
        new = Condition(
            type=condition.type,
            status=condition.status,
            reason=condition.reason,
            message=condition.message,
            observed_generation=generation,
            last_transition_time=now,
        )
        before = (old[new.type],) if new.type in old else ()
        conditions = (*conditions, *set_condition(before, new))
    return ClusterStaticEntryStatus(
        rendered=problem is None,
        masked=masked_by is not None,
        set=is_set,
        observed_generation=generation,
        conditions=conditions,
    )


def _ready(
    outcome: Outcome | None, problem: Problem | None, masked_by: Claimant | None
) -> tuple[str, str, str]:
    """Status, reason and message of the Ready condition."""
    if problem is not None:
        kept = "; the last good state stays in force" if outcome and outcome.is_set else ""
        return "False", problem.reason, problem.message + kept
    if masked_by is not None:
        return "False", "OlderClaim", f"masked by {masked_by}"
    if outcome is None:
        return "False", "Pending", "waiting for the SPIRE server"
    is_ready = "True" if outcome.state is State.SET else "False"
    return is_ready, outcome.reason, outcome.message
