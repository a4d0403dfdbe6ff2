"""What the rules say of one object, or of one Pod under one object, with the reason. Pure values.

The reconcilers that claim give it on request, by the very steps by which they claim; whoever
explains to people what is claimed, and what is not, shows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from registrar.claims.claim import Claim, Claimant, Problem
from registrar.claims.unmet import Unmet


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """``by`` is the object that asks, or would ask.

    ``claims`` is what it asks for; with ``problem``, which says what is wrong with it, that is
    what it had before and keeps. ``unmet`` is why it asks for nothing. ``masked_by`` is the
    older object that has what it asks for. ``warnings`` are what costs it a part of what it
    asks for, by reason.
    """

    by: Claimant
    claims: tuple[Claim, ...] = ()
    unmet: Unmet | None = None
    problem: Problem | None = None
    masked_by: str = ""
    warnings: Mapping[str, str] = field(default_factory=dict)
