"""Writes devcluster/kubeapi/builtin.json: the shapes of the built-in kinds, as facts only.

Asks a running API server (`kubectl proxy` or any plain URL without authentication) for its
OpenAPI v3 documents and keeps field names, types, list and map kinds, merge keys and
required fields of the kinds that the embedded server serves. Descriptions are left out.

    python hack/kube_schemas.py http://127.0.0.1:8001
"""

import json
import pathlib
import sys
import urllib.request
from typing import TypeAlias

JSONValue: TypeAlias = "dict[str, JSONValue] | list[JSONValue] | str | int | float | bool | None"

OUTPUT = pathlib.Path(__file__).parent.parent / "devcluster" / "kubeapi" / "builtin.json"
PREFIX = "#/components/schemas/"
KINDS = {
    "api/v1": "ConfigMap Endpoints Event Namespace Node Pod Secret Service ServiceAccount",
    "apis/admissionregistration.k8s.io/v1": "ValidatingWebhookConfiguration",
    "apis/apiextensions.k8s.io/v1": "CustomResourceDefinition",
    "apis/apps/v1": "DaemonSet Deployment ReplicaSet StatefulSet",
    "apis/batch/v1": "Job",
    "apis/coordination.k8s.io/v1": "Lease",
    "apis/discovery.k8s.io/v1": "EndpointSlice",
    "apis/events.k8s.io/v1": "Event",
    "apis/networking.k8s.io/v1": "NetworkPolicy",
    "apis/policy/v1": "PodDisruptionBudget",
    "apis/rbac.authorization.k8s.io/v1": "ClusterRole ClusterRoleBinding Role RoleBinding",
    "apis/scheduling.k8s.io/v1": "PriorityClass",
    "apis/storage.k8s.io/v1": "CSIDriver",
}
# The schema of a schema refers to itself; what lies below is kept as it comes.
OPAQUE = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
KEPT = {
    "$ref",
    "additionalProperties",
    "allOf",
    "default",
    "enum",
    "format",
    "items",
    "oneOf",
    "properties",
    "required",
    "type",
    "x-kubernetes-group-version-kind",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-patch-strategy",
}


def facts(schema: JSONValue) -> JSONValue:
    """The schema with the keywords that say something about shape, and no prose."""
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, JSONValue] = {}
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            kept[key] = {name: facts(field) for name, field in value.items()}
        elif key in {"items", "additionalProperties"}:
            kept[key] = facts(value)
        elif key in {"allOf", "oneOf"} and isinstance(value, list):
            kept[key] = [facts(part) for part in value]
        elif key == "default" and value != {}:
            continue
        elif key in KEPT:
            kept[key] = value
    return kept


def references(schema: JSONValue) -> set[str]:
    """The names of the schemas that this one refers to."""
    if isinstance(schema, list):
        return {name for part in schema for name in references(part)}
    if not isinstance(schema, dict):
        return set()
    found = {name for value in schema.values() for name in references(value)}
    target = schema.get("$ref")
    if isinstance(target, str):
        found.add(target.removeprefix(PREFIX))
    return found


def is_kind(schema: JSONValue, path: str, kinds: list[str]) -> bool:
    """Whether the schema is one of the kinds, in the group version of the path."""
    if not isinstance(schema, dict):
        return False
    known = schema.get("x-kubernetes-group-version-kind")
    group, _, version = path.removeprefix("apis/").removeprefix("api/").rpartition("/")
    return isinstance(known, list) and any(
        {"group": group, "version": version, "kind": kind} in known for kind in kinds
    )


def collect(server: str) -> dict[str, JSONValue]:
    """Every schema that the served kinds need, by its full name."""
    collected: dict[str, JSONValue] = {}
    for path, words in KINDS.items():
        with urllib.request.urlopen(f"{server}/openapi/v3/{path}", timeout=30) as answer:  # noqa: S310 - the operator's own server
            schemas: dict[str, JSONValue] = json.load(answer)["components"]["schemas"]
        wanted = {name for name, body in schemas.items() if is_kind(body, path, words.split())}
        while wanted:
            name = wanted.pop()
            if name in collected:
                continue
            opaque: JSONValue = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            collected[name] = opaque if name == OPAQUE else facts(schemas[name])
            wanted |= references(collected[name])
    return collected


def main() -> None:
    """Collects from the server named on the command line and writes one schema a line."""
    collected = collect(sys.argv[1].rstrip("/"))
    lines = [
        f"{json.dumps(name)}: {json.dumps(collected[name], sort_keys=True, separators=(',', ':'))}"
        for name in sorted(collected)
    ]
    OUTPUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
