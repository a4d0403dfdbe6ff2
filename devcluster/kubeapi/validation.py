"""Says what is wrong with a document: the schema's types and limits, as the causes of a Status.

What a value was before an update it may stay, right or wrong, as a real server has it: a check
that came later stops nobody from changing the rest. Rules in CEL are another matter: see
`rules.py`.
"""

import datetime as dt
import ipaddress
import re
from collections.abc import Callable, Mapping

from devcluster.kubeapi.documents import JSONObject, JSONValue, encode
from devcluster.kubeapi.schema import Branch, Limits, Schema
from devcluster.kubeapi.status import Cause

_UUID = re.compile(r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")
_BASE64 = re.compile(r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")


def validate(
    value: JSONValue, schema: Schema, path: str = "", before: JSONValue = None
) -> list[Cause]:
    """Everything that the schema refuses in the value, in the order of the document.

    `before` is what stood there until now, None for nothing.
    """
    causes: list[Cause] = []
    _validate(value, before, schema, path, causes)
    return causes


def is_unchanged(value: JSONValue, before: JSONValue) -> bool:
    """Whether an update leaves the value as it was; what was not there before is a change."""
    # Python takes true for 1, JSON does not.
    return before is not None and value == before and encode(value) == encode(before)


def old_item(item: JSONValue, before: JSONValue, schema: Schema) -> JSONValue:
    """The earlier state of a list's item, where the list's kind lets one say which that was."""
    if not isinstance(before, list) or schema.list_type != "map":
        return None
    key = item_key(item, schema)
    return next((other for other in before if item_key(other, schema) == key), None)


def type_name(value: JSONValue) -> str:
    """The JSON schema name of the value's type."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def fits(value: JSONValue, schema: Schema) -> bool:
    """Whether the value has the type that the schema wants."""
    if value is None:
        return schema.nullable or not (schema.type or schema.int_or_string)
    if schema.int_or_string:
        return isinstance(value, int | str) and not isinstance(value, bool)
    found = type_name(value)
    return not schema.type or found == schema.type or (schema.type, found) == ("number", "integer")


def _wrong_type(value: JSONValue, schema: Schema, path: str) -> Cause:
    wanted = "integer,string" if schema.int_or_string else schema.type
    found = type_name(value)
    where = path or "<nil>"
    return Cause(
        "FieldValueTypeInvalid",
        f'Invalid value: "{found}": {where} in body must be of type {wanted}: "{found}"',
        path,
    )


def _validate(
    value: JSONValue, before: JSONValue, schema: Schema, path: str, causes: list[Cause]
) -> None:
    if is_unchanged(value, before):
        return
    if not fits(value, schema):
        causes.append(_wrong_type(value, schema, path))
        return
    if isinstance(value, dict):
        _validate_object(value, before, schema, path, causes)
    elif isinstance(value, list):
        _validate_list(value, before, schema, path, causes)
    elif isinstance(value, str):
        _check_text(value, schema.limits, path, causes)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _check_number(value, schema.limits, path, causes)
    if schema.limits.enum and value is not None and value not in schema.limits.enum:
        options = ", ".join(encode(option).decode() for option in schema.limits.enum)
        shown = encode(value).decode()
        causes.append(
            Cause(
                "FieldValueNotSupported",
                f"Unsupported value: {shown}: supported values: {options}",
                path,
            )
        )
    if schema.all_of or schema.any_of or schema.one_of:
        _check_branches(value, schema, path, causes)


def _validate_object(
    value: JSONObject, before: JSONValue, schema: Schema, path: str, causes: list[Cause]
) -> None:
    olds = before if isinstance(before, dict) else {}
    prefix = f"{path}." if path else ""
    causes.extend(
        Cause("FieldValueRequired", "Required value", f"{prefix}{name}")
        for name in schema.required
        if name not in value
    )
    for key, item in value.items():
        known = schema.fields.get(key, schema.values)
        if known is not None:
            _validate(item, olds.get(key), known, f"{prefix}{key}", causes)
    limits = schema.limits
    if limits.max_properties is not None and len(value) > limits.max_properties:
        text = f"must have at most {limits.max_properties} properties"
        causes.append(Cause("FieldValueTooMany", f"Too many: {len(value)}: {text}", path))
    if limits.min_properties is not None and len(value) < limits.min_properties:
        text = f"should have at least {limits.min_properties} properties"
        causes.append(
            Cause("FieldValueInvalid", f"Invalid value: {len(value)}: {path} {text}", path)
        )


def _validate_list(
    value: list[JSONValue], before: JSONValue, schema: Schema, path: str, causes: list[Cause]
) -> None:
    limits = schema.limits
    if schema.items is not None:
        for index, item in enumerate(value):
            old = old_item(item, before, schema)
            _validate(item, old, schema.items, f"{path}[{index}]", causes)
    if limits.max_items is not None and len(value) > limits.max_items:
        text = f"Too many: {len(value)}: must have at most {limits.max_items} items"
        causes.append(Cause("FieldValueTooMany", text, path))
    if limits.min_items is not None and len(value) < limits.min_items:
        text = f"should have at least {limits.min_items} items"
        causes.append(
            Cause("FieldValueInvalid", f"Invalid value: {len(value)}: {path} in body {text}", path)
        )
    if schema.list_type != "atomic":
        _check_duplicates(value, schema, path, causes)


def item_key(item: JSONValue, schema: Schema) -> JSONValue:
    """What tells an item of a list of kind map or set from its neighbours.

    A key field that is missing counts with its default.
    """
    if schema.list_type == "set" or not isinstance(item, dict):
        return item
    key: JSONObject = {}
    for name in schema.list_keys:
        if name in item:
            key[name] = item[name]
        elif schema.items is not None:
            declared = schema.items.fields.get(name)
            if declared is not None and declared.has_default:
                key[name] = declared.default
    return key


def _check_duplicates(
    value: list[JSONValue], schema: Schema, path: str, causes: list[Cause]
) -> None:
    seen: set[bytes] = set()
    for index, item in enumerate(value):
        key = encode(item_key(item, schema))
        if key in seen:
            causes.append(
                Cause(
                    "FieldValueDuplicate",
                    f"Duplicate value: {key.decode()}",
                    f"{path}[{index}]",
                )
            )
        seen.add(key)


def _check_text(value: str, limits: Limits, path: str, causes: list[Cause]) -> None:
    if limits.max_length is not None and len(value) > limits.max_length:
        text = f"Too long: may not be more than {limits.max_length} bytes"
        causes.append(Cause("FieldValueTooLong", text, path))
    shown = encode(value).decode()
    if limits.min_length is not None and len(value) < limits.min_length:
        text = f"{path} in body should be at least {limits.min_length} chars long"
        causes.append(Cause("FieldValueInvalid", f"Invalid value: {shown}: {text}", path))
    if limits.pattern is not None and not limits.pattern.search(value):
        text = f"{path} in body should match '{limits.pattern.pattern}'"
        causes.append(Cause("FieldValueInvalid", f"Invalid value: {shown}: {text}", path))
    check = _FORMATS.get(limits.format)
    if check is not None and not check(value):
        text = f"{path} in body must be of type {limits.format}: {shown}"
        causes.append(Cause("FieldValueInvalid", f"Invalid value: {shown}: {text}", path))


def _check_number(value: float, limits: Limits, path: str, causes: list[Cause]) -> None:
    problems: list[str] = []
    low, high = limits.minimum, limits.maximum
    if low is not None and (value < low or (limits.exclusive_minimum and value == low)):
        words = "greater than" if limits.exclusive_minimum else "greater than or equal to"
        problems.append(f"should be {words} {low:g}")
    if high is not None and (value > high or (limits.exclusive_maximum and value == high)):
        words = "less than" if limits.exclusive_maximum else "less than or equal to"
        problems.append(f"should be {words} {high:g}")
    if limits.multiple_of and value % limits.multiple_of:
        problems.append(f"should be a multiple of {limits.multiple_of:g}")
    bits = {"int32": 31, "int64": 63}.get(limits.format)
    if bits is not None and not -(1 << bits) <= value < 1 << bits:
        problems.append(f"must be of type {limits.format}: {value}")
    causes.extend(
        Cause("FieldValueInvalid", f"Invalid value: {value}: {path} in body {problem}", path)
        for problem in problems
    )


def _holds(value: JSONValue, branch: Branch, path: str) -> bool:
    return bool(validate(value, branch.schema, path)) == branch.negated


def _check_branches(value: JSONValue, schema: Schema, path: str, causes: list[Cause]) -> None:
    for branch in schema.all_of:
        if branch.negated and not _holds(value, branch, path):
            text = f"{path} in body must not validate the schema (not)"
            causes.append(Cause("FieldValueInvalid", f'Invalid value: "": {text}', path))
        elif not branch.negated:
            causes.extend(validate(value, branch.schema, path))
    for branches, word in ((schema.any_of, "at least one"), (schema.one_of, "one and only one")):
        matching = sum(_holds(value, branch, path) for branch in branches)
        if branches and (matching == 0 or (word != "at least one" and matching != 1)):
            text = f"{path} in body must validate {word} schema"
            causes.append(Cause("FieldValueInvalid", f'Invalid value: "": {text}', path))


def _is_time(value: str) -> bool:
    try:
        return dt.datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_date(value: str) -> bool:
    try:
        dt.date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_address(version: int) -> Callable[[str], bool]:
    def check(value: str) -> bool:
        try:
            return ipaddress.ip_address(value).version == version
        except ValueError:
            return False

    return check


def _is_network(value: str) -> bool:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return "/" in value


_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date-time": _is_time,
    "date": _is_date,
    "uuid": lambda value: bool(_UUID.match(value)),
    "byte": lambda value: bool(_BASE64.match(value)),
    "ipv4": _is_address(4),
    "ipv6": _is_address(6),
    "cidr": _is_network,
}
