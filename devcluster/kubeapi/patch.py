"""Merge patch (RFC 7386), JSON patch (RFC 6902) and the strategic merge patch.

Each takes a document that it may change and gives the patched one. Server-side apply is in
`apply.py`.
"""

from devcluster.kubeapi.documents import JSONObject, JSONValue, copy_of, encode, obj, seq, text
from devcluster.kubeapi.schema import ANYTHING, Schema
from devcluster.kubeapi.status import APIError, bad_request, unprocessable


def merge(target: JSONObject, patch: JSONObject) -> JSONObject:
    """The target with a merge patch in it: null removes, objects merge, all else replaces."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            target[key] = merge(obj(target.get(key)), value)
        else:
            target[key] = value
    return target


def json_patch(target: JSONObject, operations: JSONValue) -> JSONObject:
    """The target after the operations, one after the other.

    Raises:
        APIError: An operation cannot be read, or not be done, or a test fails.
    """
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: a JSON patch is a list of operations")
    holder: JSONObject = {"": target}
    for operation in operations:
        if not isinstance(operation, dict):
            raise bad_request("error decoding patch: an operation is an object")
        _operate(holder, operation)
    result = holder.get("")
    if not isinstance(result, dict):
        raise unprocessable()
    return result


def _steps(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise unprocessable()
    # The holder's only key is the empty string, so the pointer's own first step leads into it.
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")]


def _index(step: str, length: int) -> int:
    if not step.isdigit() or int(step) >= length:
        raise unprocessable()
    return int(step)


def _walk(holder: JSONValue, steps: list[str]) -> JSONValue:
    value = holder
    for step in steps:
        if isinstance(value, dict):
            if step not in value:
                raise unprocessable()
            value = value[step]
        elif isinstance(value, list):
            value = value[_index(step, len(value))]
        else:
            raise unprocessable()
    return value


def _add(holder: JSONObject, pointer: str, value: JSONValue) -> None:
    steps = _steps(pointer)
    parent, last = _walk(holder, steps[:-1]), steps[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(last, len(parent) + 1), value)
    else:
        raise unprocessable()


def _remove(holder: JSONObject, pointer: str) -> JSONValue:
    steps = _steps(pointer)
    parent, last = _walk(holder, steps[:-1]), steps[-1]
    if isinstance(parent, dict) and last in parent:
        return parent.pop(last)
    if isinstance(parent, list):
        return parent.pop(_index(last, len(parent)))
    raise unprocessable()


def _replace(holder: JSONObject, pointer: str, value: JSONValue) -> None:
    steps = _steps(pointer)
    parent, last = _walk(holder, steps[:-1]), steps[-1]
    # The real server lets a replace put a field where none was.
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent[_index(last, len(parent))] = value
    else:
        raise unprocessable()


def _operate(holder: JSONObject, operation: JSONObject) -> None:
    path = operation.get("path")
    if not isinstance(path, str):
        raise unprocessable()
    value = operation.get("value")
    match operation.get("op"):
        case "add":
            _add(holder, path, value)
        case "remove":
            _remove(holder, path)
        case "replace":
            _replace(holder, path, value)
        case "move":
            _add(holder, path, _remove(holder, text(operation, "from")))
        case "copy":
            source = _walk(holder, _steps(text(operation, "from")))
            _add(holder, path, copy_of({"": source})[""])
        case "test":
            if not same(_walk(holder, _steps(path)), value):
                raise unprocessable()
        case _:
            raise unprocessable()


def same(left: JSONValue, right: JSONValue) -> bool:
    """Whether two values are the same JSON; unlike in Python, true is not 1."""
    return left == right and _shape(left) == _shape(right)


def _shape(value: JSONValue) -> JSONValue:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shape(item) for item in value]
    return "number" if isinstance(value, int | float) else type(value).__name__


_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_ITEMS = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def strategic(target: JSONObject, patch: JSONObject, schema: Schema) -> JSONObject:
    """The target with a strategic merge patch in it: lists merge by the schema's merge keys.

    Raises:
        APIError: A directive is unknown, or an item has no merge key.
    """
    directive = patch.get(_DIRECTIVE)
    if directive == "replace":
        return _clean({key: value for key, value in patch.items() if key != _DIRECTIVE})
    if directive == "delete":
        return {}
    if directive not in {None, "merge"}:
        raise bad_request(f"unknown patch type: {directive}")
    retained = patch.get(_RETAIN)
    if isinstance(retained, list):
        target = {key: value for key, value in target.items() if key in retained}
    order = _orders(patch, schema)
    keys = {name: schema.fields.get(name, ANYTHING).patch_key for name in order}
    before = {name: [_name(item, keys[name]) for item in seq(target.get(name))] for name in order}
    _delete_items(target, patch)
    for key, value in patch.items():
        if not key.startswith("$"):
            _strategic_field(target, key, value, schema.fields.get(key, schema.values or ANYTHING))
    for name, names in order.items():
        found = target.get(name)
        if isinstance(found, list):
            target[name] = _arranged(found, names, before[name], keys[name])
    return target


def _delete_items(target: JSONObject, patch: JSONObject) -> None:
    """Takes out of lists of plain values what the patch's directives name."""
    for key, value in patch.items():
        if key.startswith(_DELETE_ITEMS):
            name = key.removeprefix(_DELETE_ITEMS)
            kept = target.get(name)
            if isinstance(kept, list):
                target[name] = [item for item in kept if item not in seq(value)]


def _orders(patch: JSONObject, schema: Schema) -> dict[str, list[JSONValue]]:
    """The order that the patch gives to the items of each merged list: said, or its own."""
    orders: dict[str, list[JSONValue]] = {}
    for key, value in patch.items():
        known = schema.fields.get(key)
        if isinstance(value, list) and known is not None and known.patch_merge:
            orders[key] = [_name(item, known.patch_key) for item in value]
    for key, value in patch.items():
        if key.startswith(_ORDER) and isinstance(value, list):
            name = key.removeprefix(_ORDER)
            merge_key = schema.fields.get(name, ANYTHING).patch_key
            orders[name] = [_name(item, merge_key) for item in value]
    return orders


def _strategic_field(target: JSONObject, key: str, value: JSONValue, schema: Schema) -> None:
    if value is None:
        target.pop(key, None)
    elif isinstance(value, dict):
        target[key] = strategic(obj(target.get(key)), value, schema)
    elif isinstance(value, list) and schema.patch_merge:
        present = target.get(key)
        target[key] = _strategic_list(present if isinstance(present, list) else [], value, schema)
    else:
        target[key] = value


def _strategic_list(
    target: list[JSONValue], patch: list[JSONValue], schema: Schema
) -> list[JSONValue]:
    key = schema.patch_key
    if not key:
        return target + [item for item in patch if item not in target]
    if any(obj(item).get(_DIRECTIVE) == "replace" for item in patch):
        return [_clean(obj(item)) for item in patch if obj(item).get(_DIRECTIVE) != "replace"]
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise _no_merge_key(key, item)
        places = [
            place for place, present in enumerate(target) if obj(present).get(key) == item[key]
        ]
        if item.get(_DIRECTIVE) == "delete":
            target = [present for present in target if obj(present).get(key) != item[key]]
        elif places:
            place = places[0]
            target[place] = strategic(obj(target[place]), item, schema.items or ANYTHING)
        else:
            target.append(strategic({}, item, schema.items or ANYTHING))
    return target


def _no_merge_key(key: str, item: JSONValue) -> APIError:
    shown = encode(item).decode()
    return bad_request(f"map: {shown} does not contain declared merge key: {key}")


def _clean(value: JSONObject) -> JSONObject:
    """The patch's content without its directives and nulls, for a place where nothing stood."""
    kept: JSONObject = {}
    for key, item in value.items():
        if key.startswith("$") or item is None:
            continue
        if isinstance(item, dict):
            kept[key] = _clean(item)
        elif isinstance(item, list):
            kept[key] = [_clean(part) if isinstance(part, dict) else part for part in item]
        else:
            kept[key] = item
    return kept


def _name(item: JSONValue, key: str) -> JSONValue:
    return obj(item).get(key) if key else item


def _arranged(
    items: list[JSONValue], order: list[JSONValue], before: list[JSONValue], key: str
) -> list[JSONValue]:
    """The items that the order names, in that order, and the others between them.

    One of the others comes first only if it stood before the next named one already.
    """
    named = sorted(
        (item for item in items if _name(item, key) in order),
        key=lambda item: order.index(_name(item, key)),
    )
    others = [item for item in items if _name(item, key) not in order]
    arranged: list[JSONValue] = []
    while named and others:
        left, right = _name(others[0], key), _name(named[0], key)
        stood = left in before and right in before and before.index(left) < before.index(right)
        arranged.append(others.pop(0) if stood else named.pop(0))
    return arranged + named + others
