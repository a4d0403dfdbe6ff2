"""The reconcile and webhook modes' rule for Pods: label, annotation or service account. Pure.

The Pod reconciler asks it. What makes the claim itself is in ``podentry``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from api.core import Pod
from registrar.claims.claim import Claim
from registrar.claims.dnsnames import ServiceAddress
from registrar.claims.federationannotation import annotated_federation
from registrar.claims.podentry import PodEntries, pod_claim
from registrar.claims.podrules import (
    INVALID_FEDERATION,
    INVALID_IDENTITY,
    NAME_OF_ANOTHER_SERVICE,
    SERVICES_UNREADABLE,
    Wanted,
    wrong,
)
from registrar.claims.servicenames import Shared
from registrar.claims.unmet import Unmet
from registrar.errors import InvalidField


@dataclass(frozen=True, slots=True, kw_only=True)
class PodEntryView:
    """What is known of one Pod.

    ``unreadable`` says why its addresses in services cannot be read, empty where they can.
    ``taken`` are those of its names by which a service is known that is there and not behind
    it. ``last_good`` is what the very Pod claimed before, or the SPIRE server holds for it; it
    is only given where the services are ``unreadable``.
    """

    pod: Pod
    addresses: tuple[ServiceAddress, ...] = ()
    unreadable: str = ""
    taken: Sequence[Shared] = ()
    namespace_uid: str = ""
    last_good: Sequence[Claim] = ()


class PodEntryRules:
    """The rule; ``entries`` says how the entries of the mode look."""

    def __init__(self, entries: PodEntries) -> None:
        self._entries = entries

    async def want(self, view: PodEntryView) -> Wanted:
        """One claim, or none where the Pod asks for none."""
        pod = view.pod
        try:
            claim = pod_claim(
                pod,
                self._entries,
                addresses=view.addresses,
                namespace_uid=view.namespace_uid,
                without=frozenset(shared.name for shared in view.taken),
            )
        except InvalidField as error:
            return wrong(INVALID_IDENTITY, str(error))
        if isinstance(claim, Unmet):
            nothing = (INVALID_IDENTITY, INVALID_FEDERATION, NAME_OF_ANOTHER_SERVICE)
            return Wanted(unmet=claim, warnings=dict.fromkeys(nothing, ""))
        annotated = annotated_federation(pod.metadata.annotations, self._entries.trust_domain)
        if view.unreadable:
            claim = with_names_of(claim, view.last_good)
        return Wanted(
            claims=(claim,),
            warnings={
                INVALID_IDENTITY: "",
                INVALID_FEDERATION: annotated.problem,
                NAME_OF_ANOTHER_SERVICE: taken_names(view.taken),
                SERVICES_UNREADABLE: view.unreadable,
            },
        )


def with_names_of(claim: Claim, before: Iterable[Claim]) -> Claim:
    """The claim with the DNS names that it had, if they are those of the same address."""
    names = claim.attributes.dns_names
    for known in before:
        is_same = known.key == claim.key and set(names) <= set(known.attributes.dns_names)
        if names and is_same:
            attributes = replace(claim.attributes, dns_names=known.attributes.dns_names)
            return replace(claim, attributes=attributes)
    return claim


def taken_names(taken: Sequence[Shared]) -> str:
    """What the Event says of names that are left out; empty for none."""
    if not taken:
        return ""
    name, service = taken[0]
    more = f" ({len(taken)} such names)" if len(taken) > 1 else ""
    return (
        f"left out of its DNS names: {name!r}, by which the service {service} is known{more}; "
        "rename the Pod's hostname or its service if it should have a name like that"
    )
