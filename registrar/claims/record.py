"""Claims and outcome to SpireEntry, and back: what is recorded in Kubernetes."""

from collections.abc import Sequence

import msgspec

from api.kinds import NAMESPACE, SPIRE_ENTRY
from api.meta import Condition, ObjectMeta, OwnerReference, set_condition
from api.spiffeid.v1beta1.spireentry import (
    INSTANCE_LABEL,
    Holder,
    SpireEntry,
    SpireEntrySpec,
    SpireEntryStatus,
)
from registrar.claims.claim import Claim, Claimant
from registrar.claims.outcome import Outcome
from registrar.errors import InvalidField
from registrar.identity.entry import EntryKey
from registrar.identity.selectors import parse_selector

READY = "Ready"


def key_of(obj: SpireEntry) -> EntryKey | None:
    """The key that a SpireEntry records, or None when somebody wrote nonsense into it."""
    try:
        selectors = [parse_selector(text, path="spec.selectors") for text in obj.spec.selectors]
    except InvalidField:
        return None
    return EntryKey.of(obj.spec.spiffe_id, obj.spec.parent_id, selectors)


def record(  # noqa: PLR0913 - all by keyword
    *,
    name: str,
    instance: str,
    claims: Sequence[Claim],
    outcome: Outcome,
    old: SpireEntry | None,
    now: str,
    extra: Sequence[Condition] = (),
    outlives_owners: bool = False,
) -> SpireEntry:
    """The SpireEntry as it should be: the winner's spec, all owners, the outcome.

    ``instance`` is the label of the registrar, see Instance. ``claims`` has the winner first.
    ``now`` is an RFC 3339 time, used for conditions that change. Metadata that others added to
    ``old`` stays. With ``outlives_owners`` all owners are holders: the garbage collector must
    not take what alone tells that the entry is ours.
    """
    winner = claims[0]
    key, attributes = winner.key, winner.attributes
    before = () if old is None else old.status.conditions
    wanted = (
        Condition(
            type=READY,
            status="True" if outcome.is_set else "False",
            reason=outcome.reason,
            message=outcome.message,
            last_transition_time=now,
        ),
        *extra,
    )
    types = {condition.type for condition in wanted}
    conditions = tuple(c for c in before if c.type in types)
    for condition in wanted:
        conditions = set_condition(conditions, condition)
    meta = old.metadata if old is not None else ObjectMeta(name=name)
    labels = {**meta.labels, INSTANCE_LABEL: instance}
    owners = () if outlives_owners else _owners(claims)
    return SpireEntry(
        api_version=SPIRE_ENTRY.api_version,
        kind=SPIRE_ENTRY.kind,
        metadata=msgspec.structs.replace(meta, labels=labels, owner_references=owners),
        spec=SpireEntrySpec(
            spiffe_id=key.spiffe_id,
            parent_id=key.parent_id,
            selectors=tuple(str(selector) for selector in key.selectors),
            ttl=attributes.x509_svid_ttl,
            jwt_ttl=attributes.jwt_svid_ttl,
            federates_with=attributes.federates_with,
            dns_names=attributes.dns_names,
            admin=attributes.admin,
            downstream=attributes.downstream,
            hint=attributes.hint,
            store_svid=attributes.store_svid,
            holders=_holders(claims, are_all=outlives_owners),
        ),
        status=SpireEntryStatus(entry_id=outcome.entry_id, conditions=conditions),
    )


def is_same(wanted: SpireEntry, stored: SpireEntry) -> bool:
    """Whether recording ``wanted`` over ``stored`` would change anything but a time."""
    return (
        wanted.spec == stored.spec
        and wanted.metadata.labels == stored.metadata.labels
        and wanted.metadata.owner_references == stored.metadata.owner_references
        and wanted.status == stored.status
    )


def _owners(claims: Sequence[Claim]) -> tuple[OwnerReference, ...]:
    """Claimants that exist, each once: cluster-scoped ones, and the Namespaces of others.

    A cluster-scoped object cannot have a namespaced owner; its Namespace can be one, so that
    the garbage collector removes the record with it.
    """
    owners = []
    for claim in sorted(claims, key=lambda c: c.holder):
        if claim.subject.namespace and claim.namespace_uid:
            owners.append(
                OwnerReference(
                    api_version=NAMESPACE.api_version,
                    kind=NAMESPACE.kind,
                    name=claim.subject.namespace,
                    uid=claim.namespace_uid,
                )
            )
        elif claim.uid and not claim.subject.namespace:
            owners.append(
                OwnerReference(
                    api_version=claim.api_version,
                    kind=claim.subject.kind,
                    name=claim.subject.name,
                    uid=claim.uid,
                )
            )
    return tuple(dict.fromkeys(owners))


def _holders(claims: Sequence[Claim], *, are_all: bool) -> tuple[Holder, ...]:
    """Claimants that an ownerReference of a cluster-scoped object cannot name, or all of them."""
    holders = []
    for claim in sorted(claims, key=lambda c: c.holder):
        if claim.holder.namespace or claim.is_own or are_all:
            holders.append(_holder(claim.holder, claim.holder_uid))
        if claim.template is not None and not claim.is_made and are_all:
            holders.append(_holder(claim.template, claim.uid))
    return tuple(dict.fromkeys(holders))


def _holder(source: Claimant, uid: str) -> Holder:
    return Holder(kind=source.kind, namespace=source.namespace, name=source.name, uid=uid)
