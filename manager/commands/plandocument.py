"""What a preview says, as a document for programs."""

from collections.abc import Mapping, Sequence

from api.codec import JSONObject, JSONValue
from manager.caches.cache import Unread
from manager.preview.findings import Finding
from manager.preview.model import Action, Change, FederationChange, Outlook
from registrar.claims.claim import Claim, Claimant
from registrar.errors import printable
from registrar.identity.entry import ATTRIBUTE_NAMES, Attributes

_NAMES = {
    "x509_svid_ttl": "x509SvidTtl",
    "jwt_svid_ttl": "jwtSvidTtl",
    "federates_with": "federatesWith",
    "dns_names": "dnsNames",
    "admin": "admin",
    "downstream": "downstream",
    "store_svid": "storeSvid",
    "hint": "hint",
    "expires_at": "expiresAt",
}


def field_name(name: str) -> str:
    """What a field of an entry is called for people and programs."""
    return _NAMES.get(name, name)


def document_of(outlook: Outlook, *, shows_kept: bool) -> JSONObject:
    """The document. ``shows_kept``: the entries that stay as they are too."""
    entries = outlook.entries if shows_kept else outlook.changes
    federation = [c for c in outlook.relationships if shows_kept or c.action is not Action.KEEP]
    return {
        "mode": outlook.mode,
        "prefix": outlook.prefix,
        "waitsBecause": printable(outlook.held_by),
        "counts": {
            "entries": _numbers(outlook.counts.entries),
            "federation": _numbers(outlook.counts.relationships),
            "ownEntries": outlook.counts.own,
            "foreignEntries": outlook.counts.foreign,
            "objects": dict(outlook.counts.objects),
        },
        "leftOut": outlook.left_out,
        "withheldBecause": printable(outlook.withheld),
        "entries": [entry_document(change) for change in entries],
        "federation": [_federation(change) for change in federation],
        "findings": [_finding(finding) for finding in outlook.findings],
        "unread": unread_document(outlook.unread),
    }


def _numbers(counts: Mapping[Action, int]) -> JSONObject:
    return {action.value: counts.get(action, 0) for action in Action}


def entry_document(change: Change) -> JSONObject:
    """What becomes of one entry."""
    return {
        "action": change.action.value,
        "id": printable(change.entry_id),
        "spiffeId": printable(change.key.spiffe_id),
        "parentId": printable(change.key.parent_id),
        "selectors": [printable(str(selector)) for selector in change.key.selectors],
        "before": _attributes(change.before),
        "after": _attributes(change.after),
        "fields": [field_name(name) for name in change.fields],
        "claims": [_claim(claim) for claim in change.claims],
        "recordedFor": [_object(object_) for object_ in change.recorded_for],
        "pendingFederation": [*change.pending],
        "why": printable(change.why),
    }


def _attributes(attributes: Attributes | None) -> JSONValue:
    if attributes is None:
        return None
    return {_NAMES[name]: _value(getattr(attributes, name)) for name in ATTRIBUTE_NAMES}


def _value(value: str | int | tuple[str, ...]) -> JSONValue:
    if isinstance(value, tuple):
        return [printable(item) for item in value]
    return printable(value) if isinstance(value, str) else value


def _claim(claim: Claim) -> JSONObject:
    template = None if claim.template is None or claim.is_made else _object(claim.template)
    return {"object": _object(claim.holder), "template": template}


def _object(object_: Claimant) -> JSONObject:
    return {"kind": object_.kind, "namespace": object_.namespace, "name": object_.name}


def _federation(change: FederationChange) -> JSONObject:
    return {
        "action": change.action.value,
        "trustDomain": change.trust_domain,
        "what": change.what,
        "before": printable(change.before),
        "after": printable(change.after),
        "givesBundle": change.gives_bundle,
        "objects": [_object(object_) for object_ in change.objects],
    }


def _finding(finding: Finding) -> JSONObject:
    return {
        "object": _object(finding.object),
        "reason": printable(finding.reason),
        "message": printable(finding.message),
    }


def unread_document(unread: Sequence[Unread]) -> JSONValue:
    """What could not be read."""
    return [
        {
            "resource": u.resource,
            "why": printable(u.why),
            "remedy": u.remedy,
            "missingRight": u.is_right,
            "stops": u.stops,
        }
        for u in unread
    ]
