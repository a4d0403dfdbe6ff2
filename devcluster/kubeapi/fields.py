"""Sets of field paths: which fields a document has, which changed, which a manager owns.

A path is a tuple of steps as FieldsV1 spells them: `f:name`, `k:{"key":"value"}`, `v:"item"`.
"""

from collections.abc import Iterable
from typing import TypeAlias

from devcluster.kubeapi.documents import JSONObject, JSONValue, encode, make_child, obj
from devcluster.kubeapi.schema import ANYTHING, Schema
from devcluster.kubeapi.validation import item_key

Path: TypeAlias = tuple[str, ...]

_UNOWNED = frozenset(
    {
        ("f:apiVersion",),
        ("f:kind",),
        ("f:metadata",),
        ("f:metadata", "f:name"),
        ("f:metadata", "f:namespace"),
        ("f:metadata", "f:creationTimestamp"),
        ("f:metadata", "f:selfLink"),
        ("f:metadata", "f:uid"),
        ("f:metadata", "f:generation"),
        ("f:metadata", "f:resourceVersion"),
        ("f:metadata", "f:generateName"),
        ("f:metadata", "f:deletionTimestamp"),
        ("f:metadata", "f:deletionGracePeriodSeconds"),
        ("f:metadata", "f:managedFields"),
    }
)


def step_of(item: JSONValue, schema: Schema) -> str:
    """The step that leads to an item of a list of kind map or set."""
    if schema.list_type == "set" or not isinstance(item, dict):
        return f"v:{encode(item).decode()}"
    key = obj(item_key(item, schema))
    return f"k:{encode({name: key[name] for name in sorted(key)}).decode()}"


def _is_leaf_list(value: list[JSONValue], schema: Schema) -> bool:
    return schema.list_type == "atomic" or not value


def field_set(document: JSONObject, schema: Schema) -> set[Path]:
    """The paths of everything that the document says, as an applier owns it."""
    found: set[Path] = set()
    _collect(document, schema, (), found)
    return {path for path in found if not _is_unowned(path)}


def _is_unowned(path: Path) -> bool:
    return path in _UNOWNED or path[:2] == ("f:metadata", "f:managedFields")


def _collect(value: JSONValue, schema: Schema, path: Path, found: set[Path]) -> None:
    if isinstance(value, dict) and value and not schema.atomic_map:
        for key, item in value.items():
            known = schema.fields.get(key)
            below = (*path, f"f:{key}")
            if known is None:
                found.add(below)
                known = schema.values or ANYTHING
            _collect(item, known, below, found)
    elif isinstance(value, list) and not _is_leaf_list(value, schema):
        for item in value:
            below = (*path, step_of(item, schema))
            found.add(below)
            _collect(item, schema.items or ANYTHING, below, found)
    elif path:
        found.add(path)


def changes(before: JSONObject, after: JSONObject, schema: Schema) -> tuple[set[Path], set[Path]]:
    """The paths that a write added or modified, and those that it removed."""
    touched: set[Path] = set()
    removed: set[Path] = set()
    _compare(before, after, schema, (), (touched, removed))
    return (
        {path for path in touched if not _is_unowned(path)},
        {path for path in removed if not _is_unowned(path)},
    )


def _compare(
    before: JSONValue,
    after: JSONValue,
    schema: Schema,
    path: Path,
    found: tuple[set[Path], set[Path]],
) -> None:
    if before == after and type(before) is type(after):
        return
    touched, removed = found
    if isinstance(before, dict) and isinstance(after, dict) and not schema.atomic_map:
        for key, item in before.items():
            if key not in after:
                _all(
                    item,
                    schema.fields.get(key, schema.values or ANYTHING),
                    (*path, f"f:{key}"),
                    removed,
                )
        for key, item in after.items():
            known = schema.fields.get(key, schema.values or ANYTHING)
            below = (*path, f"f:{key}")
            if key in before:
                _compare(before[key], item, known, below, found)
            else:
                _all(item, known, below, touched)
    elif isinstance(before, list) and isinstance(after, list) and schema.list_type != "atomic":
        _compare_lists(before, after, schema, path, found)
    else:
        touched.add(path)


def _compare_lists(
    before: list[JSONValue],
    after: list[JSONValue],
    schema: Schema,
    path: Path,
    found: tuple[set[Path], set[Path]],
) -> None:
    items = schema.items or ANYTHING
    old = {step_of(item, schema): item for item in before}
    new = {step_of(item, schema): item for item in after}
    for step, item in old.items():
        if step not in new:
            _all(item, items, (*path, step), found[1])
    for step, item in new.items():
        if step in old:
            _compare(old[step], item, items, (*path, step), found)
        else:
            _all(item, items, (*path, step), found[0])


def _all(value: JSONValue, schema: Schema, path: Path, found: set[Path]) -> None:
    """The path and everything below it.

    A part of a built-in kind that is never absent (its default is an empty object) is nobody's.
    """
    if not (value and schema.has_default and schema.default == {}):
        found.add(path)
    if isinstance(value, dict) and not schema.atomic_map:
        for key, item in value.items():
            _all(
                item, schema.fields.get(key, schema.values or ANYTHING), (*path, f"f:{key}"), found
            )
    elif isinstance(value, list) and schema.list_type != "atomic":
        for item in value:
            _all(item, schema.items or ANYTHING, (*path, step_of(item, schema)), found)


def to_fields_v1(paths: Iterable[Path]) -> JSONObject:
    """The set as managedFields holds it."""
    owned = set(paths)
    tree: JSONObject = {}
    for path in sorted(owned):
        node = tree
        for step in path:
            node = make_child(node, step)
    for path in owned:
        node = tree
        for step in path:
            node = obj(node[step])
        if node:
            node["."] = {}
    return tree


def from_fields_v1(tree: JSONValue) -> set[Path]:
    """The set that managedFields tells of."""
    found: set[Path] = set()
    _read(obj(tree), (), found)
    return found


def _read(node: JSONObject, path: Path, found: set[Path]) -> None:
    for step, below in node.items():
        if step == ".":
            if path:
                found.add(path)
            continue
        deeper = (*path, step)
        if isinstance(below, dict) and below:
            _read(below, deeper, found)
        else:
            found.add(deeper)
