"""An explanation as JSON or YAML has it."""

from datetime import UTC, datetime

from api.codec import JSONObject, JSONValue
from manager.explain.model import Considered, EntryState, Explanation, Identity
from registrar.claims.claim import Claimant
from registrar.claims.serving import Serving
from registrar.claims.unmet import Unmet


def document_of(explanation: Explanation) -> JSONObject:
    """Everything that the explanation says."""
    return {
        "subject": explanation.subject,
        "verdict": explanation.verdict,
        "hasIdentity": explanation.has_identity,
        "facts": dict(explanation.facts),
        "identities": [_identity(one) for one in explanation.identities],
        "considered": [_considered(one) for one in explanation.considered],
        "consideredLeftOut": explanation.left_out,
        "events": [
            {
                "on": one.on,
                "at": one.at,
                "type": one.type,
                "reason": one.reason,
                "message": one.message,
            }
            for one in explanation.events
        ],
        "unknown": list(explanation.unknown),
    }


def time_of(seconds: int) -> str:
    """A Unix time as RFC 3339; empty for none."""
    if not seconds:
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _identity(one: Identity) -> JSONObject:
    attributes = one.attributes
    return {
        "spiffeID": one.key.spiffe_id,
        "parentID": one.key.parent_id,
        "selectors": [str(selector) for selector in one.key.selectors],
        "federatesWith": list(attributes.federates_with),
        "federationPending": list(one.pending),
        "dnsNames": list(attributes.dns_names),
        "x509SVIDTTL": attributes.x509_svid_ttl,
        "jwtSVIDTTL": attributes.jwt_svid_ttl,
        "hint": attributes.hint,
        "admin": attributes.admin,
        "downstream": attributes.downstream,
        "askedForBy": _object(one.by),
        "masks": [_object(other.by) for other in one.masked],
        "entry": _entry(one.entry),
        "missingSelectors": [] if one.fit is None else [str(s) for s in one.fit.missing],
        "unknownSelectors": [] if one.fit is None else [str(s) for s in one.fit.unknown],
        "servedBy": _serving(one.serving),
        "isServed": None if one.in_doubt and one.may_be_served else one.is_served,
        "notes": dict(one.notes),
    }


def _entry(entry: EntryState) -> JSONObject:
    return {
        "state": entry.state,
        "id": entry.id,
        "createdAt": time_of(entry.created_at),
        "differences": [
            {"field": one.field, "wanted": one.wanted, "found": one.found}
            for one in entry.differences
        ],
        "why": entry.why,
        "remedy": entry.remedy,
    }


def _serving(serving: Serving | None) -> JSONValue:
    if serving is None:
        return None
    return {
        "agent": serving.agent,
        "by": "" if serving.alias is None else serving.alias.id,
        "unmet": _unmet(serving.unmet),
    }


def _considered(one: Considered) -> JSONObject:
    return {
        "object": _object(one.by),
        "reason": one.word,
        "message": one.why,
        "remedy": one.remedy,
        "unmet": _unmet(one.unmet),
    }


def _unmet(unmet: Unmet | None) -> JSONValue:
    if unmet is None:
        return None
    return {
        "reason": unmet.reason,
        "field": unmet.field,
        "wanted": unmet.wanted,
        "found": unmet.found,
        "message": unmet.message,
        "remedy": unmet.remedy,
    }


def _object(one: Claimant | None) -> JSONValue:
    if one is None:
        return None
    return {"kind": one.kind, "namespace": one.namespace, "name": one.name}
