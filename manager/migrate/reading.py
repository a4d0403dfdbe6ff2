"""Reads raw objects of the API server without believing their shape: what is missing is empty."""

from api.codec import JSONObject, JSONValue
from api.meta import ObjectKey


def mapping(value: JSONValue) -> JSONObject:
    """The object, empty where it is none."""
    return value if isinstance(value, dict) else {}


def mappings(value: JSONValue) -> list[JSONObject]:
    """The objects of a list, none where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def words(value: JSONValue) -> list[str]:
    """The texts of a list, none where it is no list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def text(value: JSONValue) -> str:
    """The text, empty where it is none."""
    return value if isinstance(value, str) else ""


def number(value: JSONValue, default: int = 0) -> int:
    """The whole number, the default where it is none."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and isinstance(value, int) else default


def at(document: JSONValue, *path: str) -> JSONValue:
    """What lies at a path of keys, None where there is nothing."""
    for key in path:
        document = mapping(document).get(key)
    return document


def key_of(document: JSONObject) -> ObjectKey:
    """Namespace and name of an object."""
    metadata = mapping(document.get("metadata"))
    return ObjectKey(text(metadata.get("namespace")), text(metadata.get("name")))


def portable(document: JSONObject) -> JSONObject:
    """The object as it can be created anew: without what only the API server sets."""
    metadata = mapping(document.get("metadata"))
    annotations = {
        name: value
        for name, value in mapping(metadata.get("annotations")).items()
        if name not in _NOT_KEPT
    }
    kept = {name: metadata[name] for name in _METADATA if metadata.get(name)}
    if annotations:
        kept["annotations"] = annotations
    rest = {name: value for name, value in document.items() if name not in {"metadata", "status"}}
    return {**rest, "metadata": kept}


_METADATA = ("name", "namespace", "labels", "finalizers")
_NOT_KEPT = frozenset(
    {"kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision"}
)
