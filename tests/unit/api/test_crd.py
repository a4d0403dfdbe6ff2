"""CRDs out of the types."""

import pytest

from api.codec import JSONObject, JSONValue
from api.crd import CUSTOM_KINDS, CustomKind, crd


def walk(schema: JSONValue, path: str = "") -> list[tuple[str, JSONObject]]:
    """Every schema inside a schema, with its path."""
    if not isinstance(schema, dict):
        return []
    found = [(path, schema)]
    properties = schema.get("properties")
    if isinstance(properties, dict):
        for name, inner in properties.items():
            found += walk(inner, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if name in schema:
            found += walk(schema[name], f"{path}[]")
    return found


def schema_of(custom: CustomKind) -> JSONValue:
    document = crd(custom)
    spec = document["spec"]
    assert isinstance(spec, dict)
    versions = spec["versions"]
    assert isinstance(versions, list)
    version = versions[0]
    assert isinstance(version, dict)
    schema = version["schema"]
    assert isinstance(schema, dict)
    return schema["openAPIV3Schema"]


@pytest.mark.parametrize("custom", CUSTOM_KINDS, ids=lambda custom: str(custom.kind.kind))
def test_a_schema_is_structural_and_described(custom: CustomKind) -> None:
    for path, schema in walk(schema_of(custom)):
        assert "type" in schema, path
        if path.startswith(".spec.") and "[]" not in path:
            assert schema.get("description"), path


def test_names_are_those_that_people_know() -> None:
    names = [crd(custom)["metadata"] for custom in CUSTOM_KINDS]
    assert names == [
        {"name": "clusterspiffeids.spiffeid.spiffe.io"},
        {"name": "spireentries.spiffeid.spiffe.io"},
    ]


def test_fields_keep_the_spelling_of_the_original() -> None:
    paths = {path for path, _ in walk(schema_of(CUSTOM_KINDS[0]))}
    assert {".spec.spiffeId", ".spec.selector.podLabel", ".spec.selector.agent_node_uid"} <= paths
