"""What to do on the SPIRE server for one entry: desired state against observed."""

from dataclasses import dataclass
from typing import TypeAlias

from registrar.claims.claim import Claim, Origin, Problem
from registrar.claims.index import ClaimIndex
from registrar.identity.entry import Attributes, Entry, differing

ID_IN_USE = "IDInUse"
"""Reason for which a privilege is refused; an entry without it may stay."""


@dataclass(frozen=True, slots=True)
class Create:
    """The entry is missing."""

    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Update:
    """The entry differs in these attributes."""

    entry_id: str
    attributes: Attributes
    fields: frozenset[str]


@dataclass(frozen=True, slots=True)
class Keep:
    """The entry is as it should be."""

    entry_id: str


@dataclass(frozen=True, slots=True)
class Release:
    """Nobody claims the entry, or nobody may."""

    problem: Problem | None = None


Plan: TypeAlias = Create | Update | Keep | Release


def plan(
    claim: Claim | None,
    seen: Entry | None,
    *,
    refused: Problem | None = None,
    dropped_fields: frozenset[str] = frozenset(),
) -> Plan:
    """Decide for one key.

    ``claim`` is the winning one, ``seen`` what the server holds under the key,
    ``refused`` why the claim may not be served. Attributes that the server is
    known to drop are left out of the comparison, or it would never end.
    """
    if claim is None or refused is not None:
        return Release(refused)
    if seen is None:
        return Create(claim.attributes)
    fields = differing(claim.attributes, seen.attributes) - dropped_fields
    if seen.expires_at:
        # Nobody asked for an end: without this the server would prune a working entry.
        fields |= {"expires_at"}
    if fields:
        return Update(seen.id, claim.attributes, fields)
    return Keep(seen.id)


def refusal(
    claim: Claim | None,
    index: ClaimIndex,
    *,
    privileged_elsewhere: bool,
    used_elsewhere: str = "",
) -> Problem | None:
    """Why a claim that whoever may write in a namespace made may not be served, or None.

    SPIRE makes every workload with the SPIFFE ID of an ``admin`` entry an
    administrator, whichever entry gave it the ID; so an ID that a Pod's label,
    annotation or service account chose must not be one of those.
    ``privileged_elsewhere``: the SPIRE server holds such an entry. The other way
    round such a claim may not make an ID privileged that others have without:
    see ``ClaimIndex.yields_to``. ``used_elsewhere`` is the ID of an entry on the
    SPIRE server, not ours, that has it without.
    """
    if claim is None or claim.origin is not Origin.POD:
        return None
    spiffe_id = claim.key.spiffe_id
    if privileged_elsewhere or index.is_privileged(spiffe_id):
        return Problem(
            "PrivilegedID",
            f"{spiffe_id} belongs to an admin or downstream entry, so a Pod may not choose "
            "it by label, annotation or service account: give the Pod another identity, or write "
            "a ClusterSpiffeId for it",
        )
    other = index.yields_to(claim)
    if other is None and not used_elsewhere:
        return None
    who = f"entry {used_elsewhere!r} on the SPIRE server" if other is None else str(other.holder)
    return Problem(
        ID_IN_USE,
        f"{who} has {spiffe_id} without downstream, and would get the privilege too: a SpiffeID "
        "of a namespace may not take it there, so choose another spec.spiffeId, or let an "
        "administrator write the SpiffeID in the registrar's own namespace",
    )
