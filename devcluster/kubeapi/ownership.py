"""managedFields: who wrote which field last, kept at every write."""

from collections.abc import Iterable
from dataclasses import dataclass

from devcluster.kubeapi import fields, metadata
from devcluster.kubeapi.documents import JSONObject, JSONValue, child, make_child, obj, seq, text
from devcluster.kubeapi.fields import Path
from devcluster.kubeapi.schema import Schema


@dataclass(frozen=True, slots=True, order=True)
class Manager:
    """Who writes: operation (Apply or Update), name, the version spoken, the subresource."""

    operation: str
    name: str
    api_version: str
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Owned:
    """What a manager owns and since when."""

    paths: frozenset[Path]
    time: str


def read(document: JSONObject) -> dict[Manager, Owned]:
    """The managers of a document."""
    managers: dict[Manager, Owned] = {}
    for entry in seq(child(document, "metadata").get("managedFields")):
        manager = Manager(
            operation=text(entry, "operation"),
            name=text(entry, "manager"),
            api_version=text(entry, "apiVersion"),
            subresource=text(entry, "subresource"),
        )
        paths = frozenset(fields.from_fields_v1(obj(entry).get("fieldsV1")))
        if manager.operation and paths:
            managers[manager] = Owned(paths, text(entry, "time"))
    return managers


def write(document: JSONObject, managers: dict[Manager, Owned]) -> None:
    """Puts the managers into the document, those without any field left out."""
    entries: list[JSONValue] = []
    for manager, owned in sorted(
        managers.items(), key=lambda item: (item[0].operation, item[1].time, item[0])
    ):
        if not owned.paths:
            continue
        entry: JSONObject = {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": manager.api_version,
            "time": owned.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields.to_fields_v1(owned.paths),
        }
        if manager.subresource:
            entry["subresource"] = manager.subresource
        entries.append(entry)
    target = make_child(document, "metadata")
    if entries:
        target["managedFields"] = entries
    else:
        target.pop("managedFields", None)


def _is_reset(document: JSONObject) -> bool:
    return seq(child(document, "metadata").get("managedFields")) == [{}]


def without(owned: Owned, paths: Iterable[Path]) -> Owned:
    """What is left of the fields after these were taken away."""
    return Owned(owned.paths - frozenset(paths), owned.time)


def record_update(
    before: JSONObject | None, after: JSONObject, schema: Schema, manager: Manager
) -> None:
    """Writes down, in the new document, what this create, replace or patch changed."""
    base = before if before is not None else {}
    if _is_reset(after):
        write(after, {})
        return
    managers = (read(after) if before is not None else {}) or read(base)
    touched, removed = fields.changes(base, after, schema)
    if touched or removed:
        managers = {
            other: owned if other == manager else without(owned, touched | removed)
            for other, owned in managers.items()
        }
        mine = managers.get(manager, Owned(frozenset(), ""))
        paths = (mine.paths | touched) - removed
        if paths != mine.paths or not mine.time or touched:
            managers[manager] = Owned(paths, metadata.now())
    write(after, managers)
