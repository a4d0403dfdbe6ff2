"""From the bytes of a request to a document that fits its kind."""

from collections.abc import Sequence

import yaml

from devcluster.kubeapi import shaping, validation
from devcluster.kubeapi.documents import (
    DecodeError,
    JSONObject,
    JSONValue,
    decode,
    encode,
    make_child,
    text,
)
from devcluster.kubeapi.resources import Resource
from devcluster.kubeapi.schema import ANYTHING, Schema
from devcluster.kubeapi.status import APIError, Cause, bad_request, invalid

_GO_TYPES = {"string": "string", "integer": "int64", "boolean": "bool", "number": "float64"}
_OPTIONAL_METADATA = ("labels", "annotations", "finalizers", "ownerReferences", "managedFields")
_GO_VALUES = {"integer": "number", "boolean": "bool", "null": "nil"}


def read_json(body: bytes, content_type: str) -> JSONValue:
    """The body as a document, from JSON or YAML as its content type says.

    Raises:
        APIError: It is neither.
    """
    try:
        if "yaml" in content_type:
            loaded: JSONValue = yaml.load(body, Loader=yaml.CSafeLoader)
            # Through JSON once, so that dates and the like cannot hide inside.
            return decode(encode(loaded))
        return decode(body)
    except (DecodeError, yaml.YAMLError, TypeError) as error:
        shown = body[:60].decode(errors="replace")
        raise bad_request(
            "the object provided is unrecognized (must be of type Status): couldn't get"
            f" version/kind; json parse error: {error} ({shown})"
        ) from error


def read_object(resource: Resource, body: bytes, content_type: str) -> JSONObject:
    """The body as an object of the resource.

    Raises:
        APIError: It cannot be read, or is of another kind or version.
    """
    value = read_json(body, content_type)
    if not isinstance(value, dict):
        raise bad_request(f"the object provided is unrecognized (must be of type {resource.kind})")
    check_type(resource, value)
    return value


def check_type(resource: Resource, document: JSONObject) -> None:
    """Sees to it that kind and apiVersion are the resource's; built-in kinds may leave them out.

    Raises:
        APIError: They say something else.
    """
    kind, version = text(document, "kind"), text(document, "apiVersion")
    if resource.custom and not (kind and version):
        missing = "Kind" if not kind else "apiVersion"
        shown = encode(document).decode()
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}):"
            f" Object '{missing}' is missing in '{shown}'"
        )
    if kind and kind != resource.kind and resource.custom:
        cause = Cause(
            "FieldValueInvalid", f'Invalid value: "{kind}": must be {resource.kind}', "kind"
        )
        raise invalid(resource.group, kind, text(document, "metadata", "name"), [cause])
    if kind and kind != resource.kind:
        raise bad_request(
            f'{kind} in version "{version}" cannot be handled as a {resource.kind}:'
            f" no kind matches {resource.kind}"
        )
    if version and version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version"
            f" ({resource.api_version})"
        )
    if not kind or not version or next(iter(document)) != "kind":
        rest = {key: item for key, item in document.items() if key not in {"kind", "apiVersion"}}
        document.clear()
        document.update({"kind": resource.kind, "apiVersion": resource.api_version})
        document.update(rest)


def shape(resource: Resource, document: JSONObject, field_validation: str) -> list[str]:
    """Prunes the document; the warnings to send, none if the sender ignores unknown fields.

    Raises:
        APIError: There are unknown fields and the sender is strict, or a field of a built-in
            kind holds a value of the wrong type.
    """
    meta = make_child(document, "metadata")
    for name in _OPTIONAL_METADATA:
        if meta.get(name) in (None, [], {}):
            meta.pop(name, None)
    if resource.custom:
        dropped = shaping.prune(document, resource.schema)
        _drop_nulls(document, resource.schema)
    else:
        _check_types(resource, document)
        dropped = shaping.prune(document, resource.schema)
        _tidy(document, resource.schema)
    problems = [f'unknown field "{path}"' for path in sorted(dropped)]
    if problems and field_validation == "Strict":
        raise strict_error(resource, problems)
    return problems if field_validation != "Ignore" else []


def strict_error(resource: Resource, problems: Sequence[str]) -> APIError:
    """The refusal of a document with unknown fields."""
    return bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a'
        f" {resource.kind}: strict decoding error: {', '.join(problems)}"
    )


def _check_types(resource: Resource, document: JSONObject) -> None:
    for path, value, schema in _misfits(document, resource.schema, ""):
        found = validation.type_name(value)
        wanted = _GO_TYPES.get(schema.type, schema.type)
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a'
            f" {resource.kind}: json: cannot unmarshal {_GO_VALUES.get(found, found)} into Go"
            f" struct field {resource.kind}.{path} of type {wanted}"
        )


def _misfits(value: JSONValue, schema: Schema, path: str) -> list[tuple[str, JSONValue, Schema]]:
    if value is None:
        return []
    if not validation.fits(value, schema):
        return [(path, value, schema)]
    found: list[tuple[str, JSONValue, Schema]] = []
    if isinstance(value, dict):
        for key, item in value.items():
            known = schema.fields.get(key, schema.values)
            if known is not None:
                found += _misfits(item, known, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and schema.items is not None:
        for item in value:
            found += _misfits(item, schema.items, path)
    return found


def _tidy(value: JSONValue, schema: Schema) -> None:
    """Takes out what a built-in kind does not tell from an absent field.

    These are nulls, and empty lists and maps that are not required.
    """
    if isinstance(value, dict):
        for key, item in list(value.items()):
            known = schema.fields.get(key, schema.values or ANYTHING)
            is_bag = known.values is not None or known.items is not None
            if item is None or (not item and is_bag and key not in schema.required):
                del value[key]
            elif isinstance(item, dict | list):
                _tidy(item, known)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list):
                _tidy(item, schema.items or ANYTHING)


def _drop_nulls(value: JSONValue, schema: Schema) -> None:
    """Takes out nulls where the schema wants a value: they count as absent."""
    if isinstance(value, dict):
        for key, item in list(value.items()):
            known = schema.fields.get(key, schema.values)
            if known is None:
                continue
            if item is None and (known.type or known.int_or_string) and not known.nullable:
                del value[key]
            elif isinstance(item, dict | list):
                _drop_nulls(item, known)
    elif isinstance(value, list) and schema.items is not None:
        for item in value:
            if isinstance(item, dict | list):
                _drop_nulls(item, schema.items)
