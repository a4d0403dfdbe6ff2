"""SpiffeID to claim, checked by the rules of the original's webhook; and its status.

Whoever may write in a namespace may give identities to the workloads of that
namespace, and to no others: so the rules hold whether the webhook is on or not.
"""

from collections.abc import Iterable

from api.kinds import SPIFFE_ID
from api.meta import ObjectKey, ObjectMeta
from api.spiffeid.v1beta1.spiffeid import POD_UID_LABEL, SpiffeID, SpiffeIDStatus
from registrar.claims import validation
from registrar.claims.claim import Claim, Claimant, Origin, Problem
from registrar.claims.clusterspiffeid import selectors_of
from registrar.claims.outcome import Outcome
from registrar.claims.podentry import WORKLOAD_REGISTRAR, agents_of
from registrar.claims.pods import check_not_agents
from registrar.claims.status import conditions_of
from registrar.errors import InvalidField
from registrar.identity.entry import Attributes, EntryKey
from registrar.identity.spiffeid import check_spiffe_id, check_workload_id, path_of

_AGENTS = agents_of(WORKLOAD_REGISTRAR)


def source_of(key: ObjectKey) -> Claimant:
    """The source that a SpiffeID of that key is."""
    return Claimant(SPIFFE_ID.kind, key.namespace, key.name)


def origin_of(meta: ObjectMeta, own_namespace: str) -> Origin:
    """Who chose the SPIFFE ID; for one that was made for a Pod the Pod did, wherever it lies."""
    is_trusted = meta.namespace == own_namespace and POD_UID_LABEL not in meta.labels
    return Origin.WRITTEN if is_trusted else Origin.POD


def claim_of(
    obj: SpiffeID,
    *,
    trust_domain: str,
    own_namespace: str,
    namespace_uid: str = "",
    allows_downstream: bool = True,
) -> Claim:
    """The claim of one SpiffeID. Raises InvalidField for the first thing wrong with its spec.

    ``own_namespace`` is the registrar's: what lies there is trusted as what people with
    rights on the whole cluster write. ``allows_downstream``: others may ask for it too.
    """
    spec, meta = obj.spec, obj.metadata
    spiffe_id = check_workload_id(spec.spiffe_id, path="spec.spiffeId", trust_domain=trust_domain)
    parent_id = check_spiffe_id(spec.parent_id, path="spec.parentId", trust_domain=trust_domain)
    selectors = list(selectors_of(spec.selector))
    if not selectors:
        raise InvalidField(
            "spec.selector", "{}", "it selects nothing: give at least one thing to match"
        )
    if meta.namespace != own_namespace:
        _check_namespace(obj, own_namespace)
        check_not_agents(path_of(spiffe_id), path="spec.spiffeId", agents=_AGENTS)
        if spec.downstream and not allows_downstream:
            raise InvalidField(
                "spec.downstream",
                "true",
                "namespaced_downstream = false allows it in the registrar's own namespace "
                f"({own_namespace}) alone: remove it, or let an administrator write it there",
            )
    return Claim(
        source=source_of(obj.key),
        key=EntryKey.of(spiffe_id, parent_id, selectors),
        attributes=Attributes(
            x509_svid_ttl=validation.check_ttl(spec.ttl, path="spec.ttl"),
            jwt_svid_ttl=validation.check_ttl(spec.jwt_ttl, path="spec.jwtTtl"),
            federates_with=validation.check_federation(
                spec.federates_with, path="spec.federatesWith", trust_domain=trust_domain
            ),
            dns_names=validation.check_dns_names(spec.dns_names, path="spec.dnsNames"),
            downstream=spec.downstream,
            hint=validation.check_hint(spec.hint, path="spec.hint"),
        ),
        origin=origin_of(meta, own_namespace),
        api_version=SPIFFE_ID.api_version,
        uid=meta.uid,
        created=meta.creation_timestamp or "",
        namespace_uid=namespace_uid,
    )


def _check_namespace(obj: SpiffeID, own_namespace: str) -> None:
    """Whether it selects workloads of its own namespace alone. Raises InvalidField."""
    selector, namespace = obj.spec.selector, obj.metadata.namespace
    for name, value in (
        ("cluster", selector.cluster),
        ("agent_node_uid", selector.agent_node_uid),
    ):
        if value:
            where = f" ({own_namespace})" if own_namespace else ""
            raise InvalidField(
                f"spec.selector.{name}",
                value,
                f"nodes can be selected only in the registrar's own namespace{where}: remove it",
            )
    if selector.namespace != namespace:
        raise InvalidField(
            "spec.selector.namespace",
            selector.namespace,
            f"a SpiffeID selects workloads of its own namespace: write namespace: {namespace}",
        )


def status_of(
    obj: SpiffeID,
    *,
    name: str,
    outcome: Outcome,
    problem: Problem | None,
    masked: Problem | None,
    now: str,
) -> SpiffeIDStatus:
    """The status to write; ``name`` is the SpireEntry's, ``problem`` what is wrong with it."""
    generation = obj.metadata.generation
    return SpiffeIDStatus(
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


def duplicate_of(key: EntryKey, own: ObjectKey, others: Iterable[Claim]) -> str:
    """What to say of a SpiffeID that asks for what another asks for already; empty for none."""
    for claim in others:
        if claim.key == key and claim.source != source_of(own):
            return (
                f"{claim.source} asks for the same SPIFFE ID, parent and selector already: change "
                "one of the two or delete one"
            )
    return ""
