"""CRDs out of the types."""

import pytest

from api.codec import JSONObject, JSONValue
from api.crd import CUSTOM_KINDS, CustomKind, crd
from api.documents import dump_yaml


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
        {"name": "spiffeids.spiffeid.spiffe.io"},
        {"name": "clusterspiffeids.spire.spiffe.io"},
        {"name": "clusterstaticentries.spire.spiffe.io"},
        {"name": "clusterfederatedtrustdomains.spire.spiffe.io"},
    ]


def test_fields_keep_the_spelling_of_the_original() -> None:
    paths = {path for path, _ in walk(schema_of(CUSTOM_KINDS[0]))}
    assert {".spec.spiffeId", ".spec.selector.podLabel", ".spec.selector.agent_node_uid"} <= paths


SELECTOR_FIELDS = {
    "": "object",
    ".matchLabels": "object",
    ".matchLabels[]": "string",
    ".matchExpressions": "array",
    ".matchExpressions[]": "object",
    ".matchExpressions[].key": "string",
    ".matchExpressions[].operator": "string",
    ".matchExpressions[].values": "array",
    ".matchExpressions[].values[]": "string",
}
ORIGINAL_FIELDS: dict[str, dict[str, str]] = {
    "ClusterSPIFFEID": {
        ".spec.spiffeIDTemplate": "string",
        **{f".spec.podSelector{path}": type_ for path, type_ in SELECTOR_FIELDS.items()},
        **{f".spec.namespaceSelector{path}": type_ for path, type_ in SELECTOR_FIELDS.items()},
        ".spec.dnsNameTemplates": "array",
        ".spec.dnsNameTemplates[]": "string",
        ".spec.workloadSelectorTemplates": "array",
        ".spec.workloadSelectorTemplates[]": "string",
        ".spec.ttl": "string",
        ".spec.jwtTtl": "string",
        ".spec.federatesWith": "array",
        ".spec.federatesWith[]": "string",
        ".spec.admin": "boolean",
        ".spec.downstream": "boolean",
        ".spec.autoPopulateDNSNames": "boolean",
        ".spec.fallback": "boolean",
        ".spec.hint": "string",
        ".spec.className": "string",
        ".status.stats": "object",
        ".status.stats.namespacesSelected": "integer",
        ".status.stats.namespacesIgnored": "integer",
        ".status.stats.podsSelected": "integer",
        ".status.stats.podEntryRenderFailures": "integer",
        ".status.stats.entriesMasked": "integer",
        ".status.stats.entriesToSet": "integer",
        ".status.stats.entryFailures": "integer",
    },
    "ClusterStaticEntry": {
        ".spec.spiffeID": "string",
        ".spec.parentID": "string",
        ".spec.selectors": "array",
        ".spec.selectors[]": "string",
        ".spec.federatesWith": "array",
        ".spec.federatesWith[]": "string",
        ".spec.x509SVIDTTL": "string",
        ".spec.jwtSVIDTTL": "string",
        ".spec.dnsNames": "array",
        ".spec.dnsNames[]": "string",
        ".spec.hint": "string",
        ".spec.admin": "boolean",
        ".spec.downstream": "boolean",
        ".spec.storeSVID": "boolean",
        ".spec.className": "string",
        ".status.rendered": "boolean",
        ".status.masked": "boolean",
        ".status.set": "boolean",
    },
    "ClusterFederatedTrustDomain": {
        ".spec.trustDomain": "string",
        ".spec.bundleEndpointURL": "string",
        ".spec.bundleEndpointProfile": "object",
        ".spec.bundleEndpointProfile.type": "string",
        ".spec.bundleEndpointProfile.endpointSPIFFEID": "string",
        ".spec.trustDomainBundle": "string",
        ".spec.className": "string",
    },
}
OURS_ALONE = {
    "ClusterSPIFFEID": {".spec.parentIDTemplate"},
    "ClusterStaticEntry": set[str](),
    "ClusterFederatedTrustDomain": {
        ".spec.trustDomainBundleFrom",
        ".spec.trustDomainBundleFrom.configMapKeyRef",
        ".spec.trustDomainBundleFrom.configMapKeyRef.namespace",
        ".spec.trustDomainBundleFrom.configMapKeyRef.name",
        ".spec.trustDomainBundleFrom.configMapKeyRef.key",
        ".status.owned",
        ".status.trustDomainBundleHash",
    },
}


@pytest.mark.parametrize(
    "custom",
    [custom for custom in CUSTOM_KINDS if custom.kind.group == "spire.spiffe.io"],
    ids=lambda custom: str(custom.kind.kind),
)
def test_the_controller_managers_kinds_have_its_fields_and_few_more(custom: CustomKind) -> None:
    kind = custom.kind.kind
    types = {
        path: schema["type"]
        for path, schema in walk(schema_of(custom))
        if path.startswith((".spec.", ".status."))
        and not path.startswith((".status.conditions", ".status.observedGeneration"))
    }
    assert {path: types.get(path) for path in ORIGINAL_FIELDS[kind]} == ORIGINAL_FIELDS[kind]
    assert types.keys() - ORIGINAL_FIELDS[kind].keys() == OURS_ALONE[kind]


@pytest.mark.parametrize(
    "custom",
    [custom for custom in CUSTOM_KINDS if custom.kind.group == "spire.spiffe.io"],
    ids=lambda custom: str(custom.kind.kind),
)
def test_the_controller_managers_kinds_have_its_names(custom: CustomKind) -> None:
    spec = crd(custom)["spec"]
    assert isinstance(spec, dict)
    names = spec["names"]
    assert isinstance(names, dict)
    kind = custom.kind.kind
    assert (spec["scope"], names["kind"], names["listKind"]) == ("Cluster", kind, f"{kind}List")
    assert names["singular"] == kind.lower()
    assert "shortNames" not in names


def test_parts_that_fields_share_are_written_out_each_time() -> None:
    for custom in CUSTOM_KINDS:
        assert "&id" not in dump_yaml(crd(custom))
