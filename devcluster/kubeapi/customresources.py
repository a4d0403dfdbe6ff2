"""Custom resources: from a CustomResourceDefinition to served kinds, and its conditions."""

from collections.abc import Mapping

from devcluster.kubeapi import metadata
from devcluster.kubeapi.builtin import OBJECT_META, Builtins
from devcluster.kubeapi.documents import (
    JSONObject,
    JSONValue,
    child,
    copy_of,
    make_child,
    objects,
    seq,
    text,
    texts,
)
from devcluster.kubeapi.prepare import CRD_FINALIZER
from devcluster.kubeapi.resources import Column, Registry, Resource, StoreKey
from devcluster.kubeapi.schema import Schema, parse
from devcluster.kubeapi.storage import Change, Store

CRDS: StoreKey = ("apiextensions.k8s.io", "customresourcedefinitions")
_AGE = Column(
    name="Age",
    type="date",
    path=".metadata.creationTimestamp",
    description="When the object was created.",
)
_TYPE_META: Mapping[str, JSONValue] = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"$ref": f"#/components/schemas/{OBJECT_META}"},
}


def _columns(version: JSONObject) -> tuple[Column, ...]:
    columns = []
    for entry in objects(version, "additionalPrinterColumns"):
        priority = entry.get("priority")
        path = text(entry, "jsonPath")
        columns.append(
            Column(
                name=text(entry, "name"),
                type=text(entry, "type"),
                path=path,
                format=text(entry, "format"),
                description=text(entry, "description") or f"What stands at {path}.",
                priority=priority if isinstance(priority, int) else 0,
            )
        )
    return tuple(columns) or (_AGE,)


def _schema_source(version: JSONObject, group: str, kind: str) -> JSONObject:
    source = copy_of(child(version, "schema", "openAPIV3Schema"))
    if text(source, "type") == "object":
        properties = make_child(source, "properties")
        properties.update(_TYPE_META)
    source["x-kubernetes-group-version-kind"] = [
        {"group": group, "version": text(version, "name"), "kind": kind}
    ]
    return source


def resources_of(crd: JSONObject, builtins: Builtins) -> list[Resource]:
    """The served kinds of a CRD, one per version."""
    spec = child(crd, "spec")
    names = child(spec, "names")
    group, plural, kind = text(spec, "group"), text(names, "plural"), text(names, "kind")
    versions = objects(spec, "versions")
    storage = next((text(v, "name") for v in versions if v.get("storage") is True), "")
    found = []
    for version in versions:
        if version.get("served") is not True:
            continue
        source = _schema_source(version, group, kind)
        schema: Schema = parse(source, builtins.schema)
        domain = ".".join(reversed(group.split(".")))
        deprecated = version.get("deprecated") is True
        name = text(version, "name")
        found.append(
            Resource(
                group=group,
                version=name,
                kind=kind,
                plural=plural,
                singular=text(names, "singular") or kind.lower(),
                namespaced=text(spec, "scope") == "Namespaced",
                schema=schema,
                schema_name=f"{domain}.{name}.{kind}",
                schema_source=source,
                stored_version=f"{group}/{storage}",
                short_names=tuple(texts(names, "shortNames")),
                categories=tuple(texts(names, "categories")),
                subresources=tuple(
                    key for key in ("status", "scale") if key in child(version, "subresources")
                ),
                columns=_columns(version),
                generation=True,
                custom=True,
                store_key=(group, plural),
                field_labels=tuple(
                    text(entry, "jsonPath").lstrip(".")
                    for entry in objects(version, "selectableFields")
                ),
                list_kind=text(names, "listKind") or f"{kind}List",
                warning=(
                    text(version, "deprecationWarning") or f"{group}/{name} {kind} is deprecated"
                )
                if deprecated
                else "",
            )
        )
    return found


def _condition(kind: str, reason: str, message: str) -> JSONObject:
    return {
        "type": kind,
        "status": "True",
        "lastTransitionTime": metadata.now(),
        "reason": reason,
        "message": message,
    }


def _established(crd: JSONObject) -> JSONObject:
    document = copy_of(crd)
    meta = make_child(document, "metadata")
    finalizers = seq(meta.get("finalizers"))
    meta["finalizers"] = [*finalizers, CRD_FINALIZER]
    versions = objects(crd, "spec", "versions")
    document["status"] = {
        "conditions": [
            _condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            _condition(
                "Established", "InitialNamesAccepted", "the initial names have been accepted"
            ),
        ],
        "acceptedNames": child(document, "spec", "names"),
        "storedVersions": [text(v, "name") for v in versions if v.get("storage") is True],
    }
    return document


class CustomResources:
    """Serves what the stored CRDs define; hears of every change of them from the store."""

    def __init__(self, store: Store, registry: Registry, builtins: Builtins) -> None:
        self._store = store
        self._registry = registry
        self._builtins = builtins
        store.observe(self._observe)

    def _observe(self, table: StoreKey, change: Change) -> None:
        if table != CRDS:
            return
        current = change.after
        gone = change.before.document if change.before and current is None else None
        if gone is not None:
            spec = child(gone, "spec")
            key = (text(spec, "group"), text(spec, "names", "plural"))
            self._registry.uninstall(*key)
            self._store.drop_table(key)
        elif current is not None:
            spec = child(current.document, "spec")
            self._registry.uninstall(text(spec, "group"), text(spec, "names", "plural"))
            self._registry.install(resources_of(current.document, self._builtins))
            if not objects(current.document, "status", "conditions"):
                self._store.put(CRDS, change.key, _established(current.document))
