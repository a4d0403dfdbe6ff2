"""Makes a document fit its schema's shape: drops unknown fields, fills in defaults.

Both work in place on a document that nobody else holds yet.
"""

from devcluster.kubeapi.documents import JSONObject, JSONValue, copy_of
from devcluster.kubeapi.schema import Schema

_RESOURCE_FIELDS = frozenset({"apiVersion", "kind", "metadata"})


def prune(document: JSONObject, schema: Schema) -> list[str]:
    """Drops what the schema does not know; the paths of what was dropped, sorted by place."""
    dropped: list[str] = []
    _prune(document, schema, "", dropped)
    return dropped


def _prune(value: JSONValue, schema: Schema, path: str, dropped: list[str]) -> None:
    if isinstance(value, dict):
        _prune_object(value, schema, path, dropped)
    elif isinstance(value, list) and schema.items is not None:
        items = schema.items
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                _prune(item, items, f"{path}[{index}]", dropped)


def _prune_object(value: JSONObject, schema: Schema, path: str, dropped: list[str]) -> None:
    prefix = f"{path}." if path else ""
    fields = schema.fields
    unknown: list[str] = []
    for key, item in value.items():
        known = fields.get(key)
        if known is None:
            if schema.embedded and key in _RESOURCE_FIELDS:
                continue
            known = schema.values
        if known is None:
            if not schema.preserve:
                unknown.append(key)
        elif isinstance(item, dict | list):
            _prune(item, known, f"{prefix}{key}", dropped)
    for key in unknown:
        del value[key]
        dropped.append(f"{prefix}{key}")


def fill_defaults(value: JSONValue, schema: Schema) -> None:
    """Puts the schema's defaults where nothing stands, also inside what a default put there."""
    if isinstance(value, dict):
        for key, known in schema.fields.items():
            is_absent = key not in value or (value[key] is None and not known.nullable)
            if is_absent and known.has_default:
                value[key] = _fresh(known.default)
            _fill_below(value.get(key), known)
        if schema.values is not None:
            for key, item in value.items():
                if key not in schema.fields:
                    _fill_below(item, schema.values)
    elif isinstance(value, list) and schema.items is not None:
        for item in value:
            _fill_below(item, schema.items)


def _fill_below(value: JSONValue, schema: Schema) -> None:
    if isinstance(value, dict | list):
        fill_defaults(value, schema)


def _fresh(default: JSONValue) -> JSONValue:
    return copy_of({"": default})[""] if isinstance(default, dict | list) else default
