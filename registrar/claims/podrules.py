"""What every rule for Pods answers: the claims of one Pod, and what is wrong with it. Pure.

The Pod reconciler asks the rules of its mode. No rule reads or writes anything: all that
it needs stands in the view that it is given.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from registrar.claims.claim import Claim, Problem
from registrar.claims.unmet import Unmet

INVALID_IDENTITY = "InvalidIdentity"
"""Reason of the Event on a Pod whose label, annotation or template makes no SPIFFE ID."""

INVALID_FEDERATION = "InvalidFederation"
"""Reason of the Event on a Pod that asks to federate with what is no trust domain."""

INVALID_DNS_NAME = "InvalidDNSName"
"""Reason of the Event on a Pod for which a template makes what is no DNS name."""

SERVICES_UNREADABLE = "ServicesUnreadable"
"""Reason of the Event on a Pod whose DNS names by services cannot be known."""

NAME_OF_ANOTHER_SERVICE = "NameOfAnotherService"
"""Reason of the Event on a Pod one of whose DNS names is that of a service of others."""

NAME_TAKEN = "NameTaken"
"""Reason of the Event on a Pod whose object would have the name of one that somebody wrote."""

REASONS = (
    INVALID_IDENTITY,
    INVALID_FEDERATION,
    INVALID_DNS_NAME,
    SERVICES_UNREADABLE,
    NAME_OF_ANOTHER_SERVICE,
    NAME_TAKEN,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What one Pod should have.

    ``problem`` is what is wrong with the Pod as a whole: its last good claims stay then, and
    ``claims`` is empty. ``is_shown``: it is that of an object made for the Pod, whose status
    shows it. ``unmet`` is why the Pod should have nothing. ``warnings`` are by reason; the empty
    text says that all is well in that respect, and a reason that is not there says nothing new.
    """

    claims: tuple[Claim, ...] = ()
    problem: Problem | None = None
    is_shown: bool = False
    unmet: Unmet | None = None
    warnings: Mapping[str, str] = field(default_factory=dict)


W_co = TypeVar("W_co", bound=Wanted, covariant=True)
V_contra = TypeVar("V_contra", contravariant=True)


class PodRules(Protocol[V_contra, W_co]):
    """The rules of one mode."""

    async def want(self, view: V_contra) -> W_co:
        """What the Pod should have. It waits for nothing but its turn among others."""
        ...


def wrong(reason: str, message: str) -> Wanted:
    """What comes of a Pod that is wrong as a whole."""
    return Wanted(problem=Problem(reason, message), warnings={reason: message})


def is_of_another(claim: Claim, uid: str) -> bool:
    """Whether the claim is that of another Pod than the one with that uid, as far as is known.

    A Pod that replaces another one of the same name inherits nothing.
    """
    own = claim.source_uid if claim.template is not None else claim.source_uid or claim.uid
    return own not in {"", uid}


def own(claims: Iterable[Claim], uid: str) -> list[Claim]:
    """The claims without those that are known to be another Pod's."""
    return [claim for claim in claims if not is_of_another(claim, uid)]
