"""Server-side apply: merges what a manager applies, keeps what others own, names conflicts."""

from dataclasses import dataclass

from devcluster.kubeapi import fields, metadata, ownership
from devcluster.kubeapi.documents import JSONObject, JSONValue, copy_of, decode, obj
from devcluster.kubeapi.fields import Path, step_of
from devcluster.kubeapi.ownership import Manager, Owned
from devcluster.kubeapi.schema import ANYTHING, Schema
from devcluster.kubeapi.status import APIError, Cause


@dataclass(frozen=True, slots=True)
class Applied:
    """What came out of an apply: the document, and who owns what in it."""

    document: JSONObject
    managers: dict[Manager, Owned]


def apply(
    live: JSONObject, config: JSONObject, schema: Schema, manager: Manager, *, force: bool
) -> Applied:
    """The live document (empty for one that is made) with the configuration in it.

    Raises:
        APIError: Others own fields that would change, and it is not forced.
    """
    managers = ownership.read(live)
    applied = fields.field_set(config, schema)
    merged = obj(_merge(copy_of(live), config, schema))
    touched, _ = fields.changes(live, merged, schema)
    conflicts = {
        other: owned.paths & touched & applied
        for other, owned in managers.items()
        if other != manager and owned.paths & touched & applied
    }
    if conflicts and not force:
        raise _conflict(conflicts)
    for other, paths in conflicts.items():
        managers[other] = ownership.without(managers[other], paths)
    before = managers.pop(manager, Owned(frozenset(), ""))
    others = {path for owned in managers.values() for path in owned.paths}
    _remove(merged, schema, before.paths - applied, others | applied)
    paths = frozenset(applied)
    time = before.time if paths == before.paths and not touched else metadata.now()
    managers[manager] = Owned(paths, time)
    return Applied(document=merged, managers=managers)


def _merge(live: JSONValue, config: JSONValue, schema: Schema) -> JSONValue:
    if isinstance(live, dict) and isinstance(config, dict) and not schema.atomic_map:
        for key, value in config.items():
            known = schema.fields.get(key, schema.values or ANYTHING)
            live[key] = _merge(live[key], value, known) if key in live else value
        return live
    if isinstance(live, list) and isinstance(config, list) and schema.list_type != "atomic":
        places = {step_of(item, schema): place for place, item in enumerate(live)}
        for item in config:
            place = places.get(step_of(item, schema))
            if place is None:
                live.append(item)
            else:
                live[place] = _merge(live[place], item, schema.items or ANYTHING)
        return live
    return config


def _remove(
    document: JSONObject, schema: Schema, gone: set[Path] | frozenset[Path], kept: set[Path]
) -> None:
    """Takes the paths out of the document, except where someone owns them or what is below."""
    needed = {path[:length] for path in kept for length in range(1, len(path) + 1)}
    for path in sorted(gone - needed, key=lambda path: (len(path), path)):
        _remove_path(document, schema, path)
        for length in range(len(path) - 1, 1, -1):
            if path[:length] in needed or not _is_empty(document, schema, path[:length]):
                break
            _remove_path(document, schema, path[:length])


def _descend(value: JSONValue, schema: Schema, step: str) -> tuple[JSONValue, Schema]:
    if step.startswith("f:"):
        key = step[2:]
        return obj(value).get(key), schema.fields.get(key, schema.values or ANYTHING)
    if isinstance(value, list):
        for item in value:
            if step_of(item, schema) == step:
                return item, schema.items or ANYTHING
    return None, ANYTHING


def _is_empty(document: JSONObject, schema: Schema, path: Path) -> bool:
    value: JSONValue = document
    for step in path:
        value, schema = _descend(value, schema, step)
    return value in ({}, [])


def _remove_path(document: JSONObject, schema: Schema, path: Path) -> None:
    value: JSONValue = document
    for step in path[:-1]:
        value, schema = _descend(value, schema, step)
    last = path[-1]
    if isinstance(value, dict) and last.startswith("f:"):
        value.pop(last[2:], None)
    elif isinstance(value, list):
        value[:] = [item for item in value if step_of(item, schema) != last]


def spelled(path: Path) -> str:
    """The path as messages spell it: `.spec.ports[name="a"].port`."""
    written = ""
    for step in path:
        kind, _, rest = step.partition(":")
        if kind == "f":
            written += f".{rest}"
        elif kind == "k":
            keys = obj(decode(rest))
            pairs = ",".join(
                f'{key}="{value}"' if isinstance(value, str) else f"{key}={value}"
                for key, value in keys.items()
            )
            written += f"[{pairs}]"
        else:
            written += f"[={rest}]"
    return written


def _conflict(conflicts: dict[Manager, frozenset[Path]]) -> APIError:
    causes: list[Cause] = []
    parts: list[str] = []
    for manager in sorted(conflicts):
        who = f'conflict with "{manager.name}"'
        if manager.subresource:
            who += f' with subresource "{manager.subresource}"'
        if manager.operation == "Update":
            who += f" using {manager.api_version}"
        paths = sorted(spelled(path) for path in conflicts[manager])
        causes += [Cause("FieldManagerConflict", who, path) for path in paths]
        if len(paths) == 1:
            parts.append(f"{who}: {paths[0]}")
        else:
            listed = "".join(f"\n- {path}" for path in paths)
            parts.append(f"{who.replace('conflict', 'conflicts', 1)}:{listed}")
    count = len(causes)
    noun = "conflict" if count == 1 else "conflicts"
    message = f"Apply failed with {count} {noun}: " + "\n".join(parts)
    return APIError(409, "Conflict", message, {"causes": [cause.document() for cause in causes]})
