"""OpenAPI v3: one document per group version, made when asked for, enough for kubectl.

kubectl reads the schemas for `explain` and the paths to learn that a kind knows server-side
field validation.
"""

import hashlib
import uuid

from devcluster.kubeapi.builtin import OBJECT_META, Builtins
from devcluster.kubeapi.documents import JSONObject, JSONValue, encode, obj, text
from devcluster.kubeapi.resources import Registry, Resource

_REF = "#/components/schemas/"
_INFO: JSONObject = {"title": "Kubernetes", "version": "v1.36.3"}


def _references(schema: JSONValue) -> set[str]:
    if isinstance(schema, list):
        return {name for part in schema for name in _references(part)}
    if not isinstance(schema, dict):
        return set()
    found = {name for value in schema.values() for name in _references(value)}
    target = text(schema, "$ref")
    if target:
        found.add(target.removeprefix(_REF))
    return found


def _query(name: str) -> JSONObject:
    return {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}


def _operation(resource: Resource, action: str, *, write: bool) -> JSONObject:
    reference: JSONObject = {"$ref": f"{_REF}{resource.schema_name}"}
    operation: JSONObject = {
        "responses": {"200": {"content": {"application/json": {"schema": reference}}}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "version": resource.version,
            "kind": resource.kind,
        },
    }
    if write:
        names = ["dryRun", "fieldManager", "fieldValidation"]
        operation["parameters"] = [_query(name) for name in names]
        kind = "application/json" if action != "patch" else "application/merge-patch+json"
        operation["requestBody"] = {"content": {kind: {"schema": reference}}}
    return operation


def _paths(resource: Resource) -> JSONObject:
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    collection = f"{resource.prefix}{scope}/{resource.plural}"
    paths: JSONObject = {
        collection: {
            "get": _operation(resource, "list", write=False),
            "post": _operation(resource, "post", write=True),
        },
        f"{collection}/{{name}}": {
            "get": _operation(resource, "get", write=False),
            "put": _operation(resource, "put", write=True),
            "patch": _operation(resource, "patch", write=True),
            "delete": _operation(resource, "delete", write=False),
        },
    }
    return paths


class OpenAPI:
    """The OpenAPI documents of a registry."""

    def __init__(self, registry: Registry, builtins: Builtins) -> None:
        self._registry = registry
        self._builtins = builtins
        # Clients keep documents by this hash, so another server must not give the same one.
        self._salt = uuid.uuid4().hex
        self._made = -1
        self._pages: dict[str, bytes] = {}

    def page(self, path: str, accept: str) -> bytes | None:
        """The document of a path, None if it is not an OpenAPI path."""
        del accept
        if not path.startswith("/openapi/"):
            return None
        if self._made != self._registry.generation:
            self._pages = {}
            self._made = self._registry.generation
        if path not in self._pages:
            made = self._make(path)
            if made is None:
                return None
            self._pages[path] = encode(made)
        return self._pages[path]

    def _make(self, path: str) -> JSONObject | None:
        if path == "/openapi/v2":
            return {"swagger": "2.0", "info": _INFO, "paths": {}, "definitions": {}}
        if path == "/openapi/v3":
            return self._index()
        prefix = path.removeprefix("/openapi/v3")
        served = [resource for resource in self._registry if resource.prefix == prefix]
        return self._document(served) if served else None

    def _index(self) -> JSONObject:
        paths: JSONObject = {}
        for prefix in sorted({resource.prefix for resource in self._registry}):
            mark = f"{self._salt} {prefix} {self._registry.generation}".encode()
            digest = hashlib.sha256(mark).hexdigest().upper()
            paths[prefix.lstrip("/")] = {"serverRelativeURL": f"/openapi/v3{prefix}?hash={digest}"}
        return {"paths": paths}

    def _document(self, served: list[Resource]) -> JSONObject:
        paths: JSONObject = {}
        schemas: JSONObject = {}
        wanted = {OBJECT_META}
        for resource in served:
            paths.update(_paths(resource))
            schemas[resource.schema_name] = resource.schema_source
            wanted |= _references(resource.schema_source)
        while wanted:
            name = wanted.pop()
            if name not in schemas:
                schemas[name] = obj(self._builtins.sources.get(name))
                wanted |= _references(schemas[name])
        return {
            "openapi": "3.0.0",
            "info": _INFO,
            "paths": paths,
            "components": {"schemas": schemas},
        }
