"""The status of a ClusterSpiffeId, and the conditions of all that ask for one entry, in words."""

import msgspec

from api.meta import Condition, set_condition
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId, ClusterSpiffeIdStatus
from registrar.claims.claim import Claim, Problem
from registrar.claims.federation import pending_condition
from registrar.claims.outcome import Outcome, State
from registrar.identity.entry import differing

_FIELDS = {
    "x509_svid_ttl": "ttl",
    "jwt_svid_ttl": "jwtTtl",
    "federates_with": "federatesWith",
    "dns_names": "dnsNames",
    "admin": "admin",
    "downstream": "downstream",
    "store_svid": "storeSvid",
    "hint": "hint",
}
"""Attributes as people write them."""

READY = "Ready"
MASKED = "Masked"


def masking(claim: Claim, winner: Claim) -> Problem | None:
    """Why the attributes of ``claim`` do not count, or None when they do (or are the same)."""
    if claim.source == winner.source:
        return None
    names = differing(winner.attributes, claim.attributes)
    if not names:
        return None
    return Problem(
        "OlderClaim",
        f"{winner.subject} asks for the same identity and is older: its "
        f"{', '.join(sorted(_FIELDS[name] for name in names))} count; make them equal or delete "
        "one of the two",
    )


def status_of(
    obj: ClusterSpiffeId,
    *,
    name: str,
    outcome: Outcome,
    problem: Problem | None,
    masked: Problem | None,
    now: str,
) -> ClusterSpiffeIdStatus:
    """The status to write.

    ``name`` is the SpireEntry's, ``problem`` what is wrong with the object
    itself; with a problem, name and outcome are those of its last good state.
    """
    generation = obj.metadata.generation
    return ClusterSpiffeIdStatus(
        spire_entry=name,
        entry_id=outcome.entry_id,
        observed_generation=generation,
        conditions=conditions_of(
            obj.status.conditions,
            generation=generation,
            outcome=outcome,
            problem=problem,
            masked=masked,
            now=now,
        ),
    )


def conditions_of(
    old: tuple[Condition, ...],
    *,
    generation: int,
    outcome: Outcome,
    problem: Problem | None,
    masked: Problem | None,
    now: str,
) -> tuple[Condition, ...]:
    """The conditions of an object that asks for one entry: Ready, Masked, FederationPending."""
    status, reason, message = _ready(outcome, problem)
    wanted = [Condition(type=READY, status=status, reason=reason, message=message)]
    if masked is not None:
        wanted.append(
            Condition(type=MASKED, status="True", reason=masked.reason, message=masked.message)
        )
    wanted += pending_condition(outcome.pending, now)
    types = {condition.type for condition in wanted}
    conditions = tuple(condition for condition in old if condition.type in types)
    for condition in wanted:
        conditions = set_condition(
            conditions,
            msgspec.structs.replace(
                condition, observed_generation=generation, last_transition_time=now
            ),
        )
    return conditions


def _ready(outcome: Outcome, problem: Problem | None) -> tuple[str, str, str]:
    """Status, reason and message of the Ready condition."""
    if problem is not None:
        kept = "; the last good state stays in force" if outcome.is_set else ""
        return "False", problem.reason, problem.message + kept
    if outcome.state is State.SET:
        return "True", outcome.reason, outcome.message
    return "False", outcome.reason, outcome.message
