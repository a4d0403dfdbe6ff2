"""What became of the claim of an object that asks for one entry: what its status is made of."""

from dataclasses import dataclass

from controllers.shared import SharedState
from registrar.claims.claim import Claimant, Problem
from registrar.claims.outcome import PENDING, Outcome
from registrar.claims.status import masking


@dataclass(frozen=True, slots=True)
class ClaimState:
    """``name`` is the SpireEntry's; ``problem`` what is wrong with the object itself."""

    name: str
    outcome: Outcome
    problem: Problem | None
    masked: Problem | None


def claim_state(shared: SharedState, source: Claimant, made_uid: str = "") -> ClaimState | None:
    """What became of the claim; None while the SPIRE server has not been asked.

    ``source`` is who claims. Where that is a Pod or Node, ``made_uid`` is the uid of the object
    that was made for it: one that was made for an earlier one of its name has no say.
    """
    claims, problem = shared.index.of_source(source), shared.problems.get(source)
    if made_uid and claims:
        claims = [claim for claim in claims if claim.uid == made_uid]
        if not claims:
            return None
    if not claims:
        return None if problem is None else ClaimState("", PENDING, problem, None)
    key = claims[0].key
    if problem is None and not shared.outcomes.is_known(key):
        return None
    winner = shared.index.winner(key)
    masked = None if winner is None else masking(claims[0], winner)
    return ClaimState(shared.name_of(key), shared.outcomes.get(key), problem, masked)
