"""Between the version in which an object is stored and the version in which it is asked for.

A CRD's versions differ in their apiVersion only (conversion strategy None). Events of
events.k8s.io are the core Events under other field names.
"""

from collections.abc import Mapping

from devcluster.kubeapi.documents import JSONObject, encode
from devcluster.kubeapi.resources import Resource
from devcluster.kubeapi.storage import Stored

_EVENT_FIELDS: Mapping[str, str] = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_CORE_FIELDS: Mapping[str, str] = {new: old for old, new in _EVENT_FIELDS.items()}


def _renamed(document: JSONObject, names: Mapping[str, str]) -> JSONObject:
    return {names.get(key, key): value for key, value in document.items()}


def to_stored(resource: Resource, document: JSONObject) -> JSONObject:
    """The document as it is stored; the given one may be reused."""
    if resource.group == "events.k8s.io":
        document = _renamed(document, _CORE_FIELDS)
    if resource.stored_version != resource.api_version:
        document["apiVersion"] = resource.stored_version
    return document


def from_stored(resource: Resource, document: JSONObject) -> JSONObject:
    """The stored document as the resource's version shows it; the given one stays as it is."""
    if resource.stored_version == resource.api_version:
        return document
    if resource.group == "events.k8s.io":
        shown = _renamed(document, _EVENT_FIELDS)
    else:
        shown = dict(document)
    shown["apiVersion"] = resource.api_version
    return shown


def raw(resource: Resource, stored: Stored) -> bytes:
    """The bytes of the object in the resource's version."""
    if resource.stored_version == resource.api_version:
        return stored.raw
    return encode(from_stored(resource, stored.document))


def raw_item(resource: Resource, stored: Stored) -> bytes:
    """The bytes of the object inside a list, where built-in kinds name neither kind nor version."""
    if resource.custom:
        return raw(resource, stored)
    shown = from_stored(resource, stored.document)
    head = encode({"kind": shown.get("kind"), "apiVersion": shown.get("apiVersion")})
    whole = raw(resource, stored)
    if whole.startswith(head[:-1] + b","):
        return b"{" + whole[len(head) :]
    return encode({key: value for key, value in shown.items() if key not in _TYPE})


_TYPE = frozenset({"kind", "apiVersion"})
