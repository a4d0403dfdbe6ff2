"""Widget: the custom resource of the suite, with a bit of everything in its schema."""

from devcluster.kubeapi.documents import JSONObject, JSONValue, objects, text
from tests.conformance.kube.client import CRDS, Kube
from tests.support.waiting import eventually

GROUP = "conformance.example.com"

_SPEC: JSONObject = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10, "description": "How big it is."},
        "cap": {"type": "integer"},
        "note": {"type": "string", "maxLength": 5, "pattern": "^[a-z]*$", "default": "abc"},
        "mode": {"type": "string", "enum": ["a", "b"]},
        "maybe": {"type": "integer", "nullable": True},
        "tags": {
            "type": "array",
            "items": {"type": "string", "maxLength": 20},
            "maxItems": 3,
            "x-kubernetes-list-type": "set",
        },
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "port": {"type": "integer", "default": 80},
                },
            },
        },
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "either": {"x-kubernetes-int-or-string": True},
        "uri": {
            "type": "string",
            "x-kubernetes-validations": [
                {
                    "rule": "!self.matches('/[.]{1,2}(/|$)')",
                    "message": "must not have dot segments",
                },
            ],
        },
        "fixed": {
            "type": "string",
            "x-kubernetes-validations": [
                {"rule": "self == oldSelf", "message": "must not change"},
            ],
        },
    },
    "x-kubernetes-validations": [
        {"rule": "!has(self.cap) || self.size <= self.cap", "message": "size must fit the cap"},
        {"rule": "!has(self.tags) || self.tags.all(t, t.startsWith('x'))"},
    ],
}
_STATUS: JSONObject = {
    "type": "object",
    "properties": {
        "seen": {"type": "integer"},
        "conditions": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            "items": {
                "type": "object",
                "required": ["type"],
                "properties": {"type": {"type": "string"}, "status": {"type": "string"}},
            },
        },
    },
}
_COLUMNS: list[JSONValue] = [
    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
    {
        "name": "Ready",
        "type": "string",
        "jsonPath": '.status.conditions[?(@.type=="Ready")].status',
    },
    {"name": "Note", "type": "string", "jsonPath": ".spec.note", "priority": 1},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]


def crd(plural: str = "widgets", kind: str = "Widget", group: str = GROUP) -> JSONObject:
    """A definition of widgets, by this or another name."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "labels": {"suite": "kube"}},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _COLUMNS,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {"spec": _SPEC, "status": _STATUS},
                        }
                    },
                }
            ],
        },
    }


def widget(name: str, **spec: JSONValue) -> JSONObject:
    """A widget that is fine, of size 3 unless told otherwise."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": {"size": 3, **spec},
    }


async def ready(kube: Kube, definition: JSONObject) -> None:
    """Installs the definition if it is not there, and waits until its objects are served."""
    answer = await kube.post(CRDS, definition)
    assert answer.code in {201, 409}, answer.body
    name = text(definition, "metadata", "name")
    plural, _, group = name.partition(".")

    async def is_served() -> bool:
        found = await kube.get(f"{CRDS}/{name}")
        conditions = objects(found.body, "status", "conditions")
        established = any(
            (text(entry, "type"), text(entry, "status")) == ("Established", "True")
            for entry in conditions
        )
        return established and (await kube.get(f"/apis/{group}/v1/{plural}")).code == 200

    await eventually(is_served)
