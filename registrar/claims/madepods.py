"""The rules of the modes that make an object for each Pod or Node: layered and crd mode. Pure.

The Pod reconciler asks them. The object that is made records the claim of its Pod or Node
as a SpireEntry does: the claim comes of the Pod, and the object is what people look at.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, TypeVar

from api.core import Node, Pod
from api.meta import KubeObject
from api.spiffeid.v1beta1.clusterspiffeid import ClusterSpiffeId
from api.spiffeid.v1beta1.spiffeid import SpiffeID
from registrar.claims import clusterspiffeid, spiffeid
from registrar.claims.claim import Claim, Claimant, Problem
from registrar.claims.federationannotation import annotated_federation
from registrar.claims.podentry import node_source, pod_source
from registrar.claims.podrules import (
    INVALID_DNS_NAME,
    INVALID_FEDERATION,
    INVALID_IDENTITY,
    NAME_TAKEN,
    SERVICES_UNREADABLE,
    Wanted,
)
from registrar.claims.pods import cluster_spiffe_id_for
from registrar.claims.podspiffeid import (
    SpiffeIDRules,
    service_name,
    spiffe_id_for_node,
    spiffe_id_for_pod,
)
from registrar.claims.unmet import Unmet
from registrar.errors import InvalidField
from registrar.settings.model import PodIdentity

P = TypeVar("P", bound=KubeObject)
T = TypeVar("T", bound=KubeObject)


class Stored(NamedTuple):
    """What an object that was made has in the API server; empty while it is not stored.

    Its ``name`` is the same text in memory, tens of thousands of times, as that of the object.
    """

    uid: str = ""
    created: str = ""
    name: str = ""


NOT_STORED = Stored()


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeView(Generic[P]):
    """What is known of one Pod or Node, its ``owner``.

    ``stored`` is of the object that was made for that very one. ``is_taken``: somebody wrote
    an object that has its name. ``services`` are those that name a Pod, ready; ``unreadable``
    says why they cannot be read. ``namespace_uid`` is that of the Namespace of the object.
    ``last_good`` is what the very owner claimed before, or is recorded for it; it is only given
    where the services are ``unreadable``.
    """

    owner: P
    stored: Stored = NOT_STORED
    is_taken: bool = False
    services: frozenset[str] = frozenset()
    unreadable: str = ""
    namespace_uid: str = ""
    last_good: Sequence[Claim] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeWanted(Wanted, Generic[T]):
    """What one Pod or Node should have: ``made`` is the object that records its claim."""

    made: T | None = None


def as_made(claim: Claim, owner: Claimant, owner_uid: str) -> Claim:
    """The claim of an object that was made for a Pod or Node, as that one's."""
    return replace(claim, source=owner, template=claim.source, source_uid=owner_uid, is_made=True)


class LayeredPodRules:
    """A ClusterSpiffeId for each Pod that asks for an identity."""

    def __init__(
        self, identity: PodIdentity, *, trust_domain: str, cluster: str, class_name: str
    ) -> None:
        self._identity = identity
        self._trust_domain = trust_domain
        self._cluster = cluster
        self._class_name = class_name

    async def want(self, view: MadeView[Pod]) -> MadeWanted[ClusterSpiffeId]:
        """One claim, or none where the Pod asks for none."""
        pod = view.owner
        try:
            obj = cluster_spiffe_id_for(
                pod,
                self._identity,
                trust_domain=self._trust_domain,
                class_name=self._class_name,
            )
        except InvalidField as error:
            return _wrong(str(error))
        if isinstance(obj, Unmet):
            return MadeWanted(unmet=obj, warnings={INVALID_IDENTITY: ""})
        source = pod_source(pod.key)
        return _claimed(obj, view, source, claim_of=self._claim_of, said={INVALID_IDENTITY: ""})

    def _claim_of(self, obj: ClusterSpiffeId) -> Claim:
        return clusterspiffeid.claim_of(obj, trust_domain=self._trust_domain, cluster=self._cluster)


class CRDRules:
    """How SpiffeIDs are made into claims; ``allows_downstream`` is for those that people write."""

    def __init__(self, rules: SpiffeIDRules, *, allows_downstream: bool) -> None:
        self.rules = rules
        self._allows_downstream = allows_downstream

    def claim_of(self, obj: SpiffeID) -> Claim:
        """The claim of a SpiffeID. Raises InvalidField."""
        return spiffeid.claim_of(
            obj,
            trust_domain=self.rules.trust_domain,
            own_namespace=self.rules.own_namespace,
            allows_downstream=self._allows_downstream,
        )


class CRDPodRules:
    """A SpiffeID for each Pod that should have one."""

    def __init__(self, crd: CRDRules) -> None:
        self._crd = crd

    async def want(self, view: MadeView[Pod]) -> MadeWanted[SpiffeID]:
        """One claim, or none where the Pod should have none or another has its name."""
        pod, rules = view.owner, self._crd.rules
        services: Iterable[str] = view.services
        if view.unreadable:
            services = services_of(view.last_good, pod.metadata.namespace)
        try:
            obj, dns_problem = spiffe_id_for_pod(pod, rules, services)
        except InvalidField as error:
            return _wrong(str(error))
        said = {INVALID_IDENTITY: "", INVALID_DNS_NAME: dns_problem}
        if isinstance(obj, Unmet):
            nothing = (SERVICES_UNREADABLE, INVALID_FEDERATION, NAME_TAKEN)
            return MadeWanted(unmet=obj, warnings={**said, **dict.fromkeys(nothing, "")})
        annotated = annotated_federation(pod.metadata.annotations, rules.trust_domain)
        said |= {
            SERVICES_UNREADABLE: view.unreadable,
            INVALID_FEDERATION: annotated.problem,
            NAME_TAKEN: _taken(obj, "this Pod gets none of its own") if view.is_taken else "",
        }
        if view.is_taken:
            return MadeWanted(warnings=said)
        return _claimed(obj, view, pod_source(pod.key), claim_of=self._crd.claim_of, said=said)


class CRDNodeRules:
    """A SpiffeID for each Node."""

    def __init__(self, crd: CRDRules) -> None:
        self._crd = crd

    async def want(self, view: MadeView[Node]) -> MadeWanted[SpiffeID]:
        """One claim, or none where another has its name."""
        node = view.owner
        obj = spiffe_id_for_node(node, self._crd.rules)
        if view.is_taken:
            why = "the Pods on this Node have no parent"
            return MadeWanted(warnings={NAME_TAKEN: _taken(obj, why)})
        source = node_source(node.metadata.name)
        return _claimed(obj, view, source, claim_of=self._crd.claim_of, said={NAME_TAKEN: ""})


def services_of(claims: Iterable[Claim], namespace: str) -> set[str]:
    """The services by which claims have DNS names."""
    end = service_name("", namespace)
    names = {name for claim in claims for name in claim.attributes.dns_names}
    return {name.removesuffix(end) for name in names if name.endswith(end)}


def _wrong(message: str) -> MadeWanted[T]:
    """What comes of a Pod that is wrong as a whole."""
    return MadeWanted(
        problem=Problem(INVALID_IDENTITY, message), warnings={INVALID_IDENTITY: message}
    )


def _claimed(
    obj: T,
    view: MadeView[P],
    owner: Claimant,
    *,
    claim_of: Callable[[T], Claim],
    said: Mapping[str, str],
) -> MadeWanted[T]:
    """What comes of an owner that should have this object."""
    try:
        claim = as_made(claim_of(obj), owner, view.owner.metadata.uid)
    except InvalidField as error:
        problem = Problem("InvalidSpec", str(error))
        return MadeWanted(made=obj, problem=problem, is_shown=True, warnings=said)
    stored, template = view.stored, claim.subject
    claim = replace(
        claim,
        uid=stored.uid,
        created=stored.created,
        template=template._replace(name=stored.name) if stored.name else template,
        namespace_uid=view.namespace_uid,
    )
    return MadeWanted(made=obj, claims=(claim,), warnings=said)


def _taken(obj: SpiffeID, what_follows: str) -> str:
    return f"somebody wrote a SpiffeID {obj.key}, so {what_follows}: give that one another name"
