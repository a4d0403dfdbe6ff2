"""The one sentence that an explanation ends with. Pure."""

from collections.abc import Sequence

from api.meta import ObjectKey
from manager.explain.model import MASKED, Considered, Explanation, Identity
from registrar.claims.unmet import (
    ANOTHER_APPLIES,
    BEING_DELETED,
    NAMESPACE_SELECTOR,
    NOT_BOUND,
    OTHER_CLASS,
    POD_SELECTOR,
    SELECTORS,
)

_NEAREST_FIRST = (
    NOT_BOUND,
    ANOTHER_APPLIES,
    NAMESPACE_SELECTOR,
    POD_SELECTOR,
    SELECTORS,
    BEING_DELETED,
    OTHER_CLASS,
)
"""Reasons by how little is missing; what is not here concerns the Pod itself and comes before."""


def closest(one: Considered) -> tuple[int, int, str]:
    """Sorts objects by how nearly they give something: what is wrong with one comes first."""
    if one.unmet is None:
        return (0 if one.reason != MASKED else 1, 0, str(one.by))
    reason = one.unmet.reason
    return (2, _NEAREST_FIRST.index(reason) + 1 if reason in _NEAREST_FIRST else 0, str(one.by))


def verdict_of_pod(
    explanation: Explanation, key: ObjectKey, *, is_there: bool, doubts: Sequence[str]
) -> str:
    """Whether the Pod gets an identity, or the first thing that keeps it from it and the remedy.

    ``doubts`` is what could not be read and may decide it.
    """
    is_unknown = explanation.has_identity is None
    doubt = doubts[0] if doubts else "not all can be read"
    if not is_there:
        if is_unknown:
            return f"nobody can tell what {key.name} gets: {doubt}"
        return f"there is no Pod {key}: name one that is there, and its namespace with -n"
    served = [identity for identity in explanation.identities if identity.is_served]
    if served:
        return f"{key.name} gets {_ids(served)}{_but(served[0])}"
    perhaps = [identity for identity in explanation.identities if identity.may_be_served]
    if perhaps:
        return f"nobody can tell whether {key.name} gets {_ids(perhaps)}: {doubt}"
    if is_unknown:
        why = _why_nothing(explanation, is_unknown=True)
        return f"nobody can tell what {key.name} gets: {doubt}; as far as is known nothing, {why}"
    return f"{key.name} gets nothing, {_why_nothing(explanation)}"


def _ids(identities: Sequence[Identity]) -> str:
    return " and ".join(dict.fromkeys(identity.key.spiffe_id for identity in identities))


def _why_nothing(explanation: Explanation, *, is_unknown: bool = False) -> str:
    """The reason, after a comma."""
    if is_unknown and not explanation.considered and not explanation.identities:
        return "for nothing that can be read asks for it"
    return f"because {_reason(explanation)}"


def _reason(explanation: Explanation) -> str:
    asked = [identity for identity in explanation.identities if identity.by is not None]
    if asked:
        return why_not_served(asked[0])
    for one in explanation.considered:
        return because(one)
    if explanation.identities:
        return why_not_served(explanation.identities[0])
    if explanation.unknown:
        return (
            f"nothing is known that asks for it, but not all can be read: {explanation.unknown[0]}"
        )
    return "no object asks for an identity for it: write one that selects it"


def because(one: Considered) -> str:
    """Why an object gives nothing: what to do, after a colon."""
    by = "" if one.by.kind == "Pod" else f"for {one.by}, "
    return f"{by}{one.why}" + (f": {one.remedy}" if one.remedy else "")


def why_not_served(identity: Identity) -> str:
    """What keeps a workload from an identity that somebody asks for: what to do, after a colon."""
    entry, spiffe_id = identity.entry, identity.key.spiffe_id
    if not entry.is_there:
        why = entry.why or "nothing is wrong with it"
        remedy = f": {entry.remedy}" if entry.remedy else ""
        return f"the SPIRE server has no entry of {spiffe_id} for it, and {why}{remedy}"
    if identity.serving is not None and identity.serving.unmet is not None:
        unmet = identity.serving.unmet
        return f"nobody would serve the entry of {spiffe_id}: {unmet.message}: {unmet.remedy}"
    if identity.fit is not None and identity.fit.missing:
        missing = ", ".join(map(str, identity.fit.missing))
        return (
            f"it has not the selectors {missing} of its entry of {spiffe_id}: change what the "
            "object selects"
        )
    return f"of {spiffe_id} nobody can tell"


def _but(identity: Identity) -> str:
    """What is not quite right with what it gets."""
    if identity.entry.state == "differs":
        names = ", ".join(one.field for one in identity.entry.differences)
        return f", but its entry differs in {names}: {identity.entry.why or identity.entry.remedy}"
    if identity.entry.state == "foreign" and identity.by is not None:
        return f", by entry {identity.entry.id} that somebody else made: {identity.entry.why}"
    if identity.fit is not None and identity.fit.unknown:
        return f", if its agent finds {', '.join(map(str, identity.fit.unknown))}"
    if identity.entry.state in {"refused", "failed", "withheld", "unclaimed"}:
        return f", but {identity.entry.why}"
    if identity.pending:
        names = ", ".join(identity.pending)
        return f", without federation with {names}, whose bundle the SPIRE server does not hold"
    return ""
