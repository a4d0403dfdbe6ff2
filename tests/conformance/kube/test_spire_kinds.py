"""The CRDs of the controller manager's kinds: what they take, what they refuse."""

from collections.abc import AsyncIterator

import pytest

from devcluster.kubeapi.documents import JSONObject, JSONValue, at, objects, seq, text
from tests.conformance.kube.client import TABLE, Kube
from tests.conformance.kube.spire_kinds import (
    DEFINITIONS,
    STATIC,
    WEB_PROFILE,
    definition,
    document_of,
    federating,
    path_of,
    served,
)


@pytest.fixture
async def kinds(kube: Kube) -> AsyncIterator[Kube]:
    """The server with the three kinds, and without objects afterwards."""
    for kind in DEFINITIONS:
        await served(kube, kind, definition(kind))
    yield kube
    for kind in DEFINITIONS:
        for name in (await kube.get(path_of(kind))).names:
            await kube.delete(f"{path_of(kind)}/{name}")


SOURCE_REF: JSONObject = {"namespace": "partners", "name": "bundle", "key": "bundle.json"}
SOURCE: JSONObject = {"configMapKeyRef": SOURCE_REF}
EVERY_FIELD: dict[str, JSONObject] = {
    "ClusterSPIFFEID": {
        "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}",
        "parentIDTemplate": "spiffe://{{ .TrustDomain }}/agents/{{ .NodeMeta.Name }}",
        "podSelector": {
            "matchLabels": {"app.kubernetes.io/name": "web", "empty": ""},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["front", "back"]},
                {"key": "tier", "operator": "NotIn", "values": ["other"]},
                {"key": "tier", "operator": "Exists"},
                {"key": "legacy", "operator": "DoesNotExist", "values": []},
            ],
        },
        "namespaceSelector": {},
        "dnsNameTemplates": ["{{ .PodMeta.Name }}", "{{ .PodMeta.Name }}"],
        "workloadSelectorTemplates": ["k8s:container-name:web"],
        "ttl": "1h",
        "jwtTtl": "90s",
        "federatesWith": ["one.example", "one.example", "spiffe://two.example", "*.three.example"],
        "admin": True,
        "downstream": True,
        "autoPopulateDNSNames": True,
        "fallback": True,
        "hint": "web",
        "className": "mine",
    },
    "ClusterStaticEntry": {
        **STATIC,
        "federatesWith": ["one.example", "*"],
        "x509SVIDTTL": "1.5h",
        "jwtSVIDTTL": "0s",
        "dnsNames": ["web.example.org", "*.example.org"],
        "hint": "",
        "admin": False,
        "downstream": True,
        "storeSVID": True,
        "className": "mine",
    },
    "ClusterFederatedTrustDomain": {
        "trustDomain": "partner.example",
        "bundleEndpointURL": "https://partner.example:8443/bundle?x=1",
        "bundleEndpointProfile": {
            "type": "https_spiffe",
            "endpointSPIFFEID": "spiffe://partner.example/spire/server",
        },
        "trustDomainBundle": '{"keys": []}',
        "className": "mine",
    },
}


@pytest.mark.parametrize("kind", DEFINITIONS)
async def test_every_field_is_stored_as_it_was_given(kinds: Kube, kind: str) -> None:
    made = await kinds.made(path_of(kind), document_of(kind, EVERY_FIELD[kind]))
    assert made.body["spec"] == EVERY_FIELD[kind]
    assert made.warnings == ()


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        *[
            ("ClusterSPIFFEID", {"spiffeIDTemplate": template})
            for template in (
                "spiffe://example.org/fixed",
                "/ns/{{ .PodMeta.Namespace }}",
                "/fixed/path",
                "\n {{- with .PodMeta }}spiffe://example.org/{{ .Name }}{{ end -}} ",
            )
        ],
        *[
            ("ClusterSPIFFEID", {"spiffeIDTemplate": "/x", "ttl": ttl, "jwtTtl": ttl})
            for ttl in ("10s", "1h30m", "1.5h", "0s", "0", ".5m", "1.m", "-3s", "+1h", "3µs", "")
        ],
        ("ClusterStaticEntry", {**STATIC, "spiffeID": "/web", "parentID": "/spire/server"}),
        ("ClusterStaticEntry", {**STATIC, "selectors": ["k8s:pod-label:a:b", "a::", "a:b\nc"]}),
        ("ClusterStaticEntry", {**STATIC, "selectors": ["a:b", "a:b"]}),
        ("ClusterStaticEntry", {**STATIC, "spiffeID": "spiffe://example.org/a/..b/.c"}),
        *[
            (
                "ClusterFederatedTrustDomain",
                {
                    "trustDomain": "a",
                    "bundleEndpointURL": url,
                    "bundleEndpointProfile": WEB_PROFILE,
                },
            )
            for url in ("HTTPS://a", "https://[::1]:8443/b", "https://a?x=@", "https://a/b@c")
        ],
        ("ClusterFederatedTrustDomain", {"trustDomain": "a", "trustDomainBundle": "{}"}),
        ("ClusterFederatedTrustDomain", {"trustDomain": "a", "trustDomainBundleFrom": SOURCE}),
        ("ClusterFederatedTrustDomain", federating(trustDomainBundleFrom=SOURCE)),
        (
            "ClusterFederatedTrustDomain",
            {"trustDomain": "spiffe://a_b", "bundleEndpointURL": "", "trustDomainBundle": "{}"},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value)[:60],
)
async def test_what_the_original_can_use_is_taken(kinds: Kube, kind: str, spec: JSONObject) -> None:
    made = await kinds.made(path_of(kind), document_of(kind, spec))
    assert made.body["spec"] == spec


def _selecting(**requirement: JSONValue) -> JSONObject:
    return {
        "spiffeIDTemplate": "/x",
        "podSelector": {"matchExpressions": [{"key": "a", "operator": "In", **requirement}]},
    }


def _lasting(ttl: str) -> JSONObject:
    return {"spiffeIDTemplate": "/x", "ttl": ttl}


REFUSED: list[tuple[str, JSONObject, str]] = [
    ("ClusterSPIFFEID", {}, "spec.spiffeIDTemplate"),
    ("ClusterSPIFFEID", {"spiffeIDTemplate": ""}, "spec.spiffeIDTemplate"),
    ("ClusterSPIFFEID", {"spiffeIDTemplate": "http://a/b"}, "spec.spiffeIDTemplate"),
    ("ClusterSPIFFEID", {"spiffeIDTemplate": "spiffe://a/"}, "spec.spiffeIDTemplate"),
    (
        "ClusterSPIFFEID",
        {"spiffeIDTemplate": "/x", "parentIDTemplate": "node"},
        "spec.parentIDTemplate",
    ),
    *[
        ("ClusterSPIFFEID", _lasting(ttl), "spec.ttl")
        for ttl in ("1", "1 h", "h", "1d", "ten", "1h-1m", ".s", "00")
    ],
    ("ClusterSPIFFEID", {"spiffeIDTemplate": "/x", "ttl": 3600}, "spec.ttl"),
    (
        "ClusterSPIFFEID",
        {"spiffeIDTemplate": "/x", "federatesWith": ["A"]},
        "spec.federatesWith[0]",
    ),
    ("ClusterSPIFFEID", {"spiffeIDTemplate": "/x", "hint": "h" * 1025}, "spec.hint"),
    (
        "ClusterSPIFFEID",
        {"spiffeIDTemplate": "/x", "podSelector": {"matchLabels": {"a": "b c"}}},
        "spec.podSelector.matchLabels.a",
    ),
    ("ClusterSPIFFEID", _selecting(), "spec.podSelector.matchExpressions[0]"),
    (
        "ClusterSPIFFEID",
        _selecting(operator="Exists", values=["x"]),
        "spec.podSelector.matchExpressions[0]",
    ),
    (
        "ClusterSPIFFEID",
        _selecting(operator="Equals"),
        "spec.podSelector.matchExpressions[0].operator",
    ),
    (
        "ClusterSPIFFEID",
        _selecting(key="a b", values=["x"]),
        "spec.podSelector.matchExpressions[0].key",
    ),
    ("ClusterStaticEntry", {**STATIC, "spiffeID": "web"}, "spec.spiffeID"),
    ("ClusterStaticEntry", {**STATIC, "spiffeID": "spiffe://a/../b"}, "spec.spiffeID"),
    ("ClusterStaticEntry", {**STATIC, "spiffeID": "spiffe://A/b"}, "spec.spiffeID"),
    ("ClusterStaticEntry", {**STATIC, "parentID": "spiffe://a/b c"}, "spec.parentID"),
    ("ClusterStaticEntry", {**STATIC, "selectors": []}, "spec.selectors"),
    ("ClusterStaticEntry", {**STATIC, "selectors": ["unix"]}, "spec.selectors[0]"),
    ("ClusterStaticEntry", {**STATIC, "selectors": ["a:b", ":b"]}, "spec.selectors[1]"),
    ("ClusterStaticEntry", {**STATIC, "selectors": ["unix:"]}, "spec.selectors[0]"),
    ("ClusterFederatedTrustDomain", {"trustDomain": "a"}, "spec"),
    (
        "ClusterFederatedTrustDomain",
        {"trustDomain": "a", "bundleEndpointURL": "https://a"},
        "spec",
    ),
    (
        "ClusterFederatedTrustDomain",
        federating(trustDomainBundleFrom=SOURCE, trustDomainBundle="{}"),
        "spec",
    ),
    (
        "ClusterFederatedTrustDomain",
        federating(trustDomainBundleFrom={}),
        "spec.trustDomainBundleFrom.configMapKeyRef",
    ),
    *[
        (
            "ClusterFederatedTrustDomain",
            federating(trustDomainBundleFrom={"configMapKeyRef": {**SOURCE_REF, name: "A/b"}}),
            f"spec.trustDomainBundleFrom.configMapKeyRef.{name}",
        )
        for name in ("namespace", "name", "key")
    ],
    ("ClusterFederatedTrustDomain", federating(trustDomain=""), "spec.trustDomain"),
    ("ClusterFederatedTrustDomain", federating(trustDomain="a b"), "spec.trustDomain"),
    *[
        (
            "ClusterFederatedTrustDomain",
            federating(bundleEndpointURL=url),
            "spec.bundleEndpointURL",
        )
        for url in ("http://a", "a", "https://", "https:///b", "https://u:p@a", "https://@a")
    ],
    (
        "ClusterFederatedTrustDomain",
        federating(bundleEndpointProfile={"type": "https_spiffe"}),
        "spec.bundleEndpointProfile",
    ),
    (
        "ClusterFederatedTrustDomain",
        federating(bundleEndpointProfile={**WEB_PROFILE, "endpointSPIFFEID": "spiffe://a/b"}),
        "spec.bundleEndpointProfile",
    ),
    (
        "ClusterFederatedTrustDomain",
        federating(bundleEndpointProfile={"type": "https_spiffe", "endpointSPIFFEID": "/b"}),
        "spec.bundleEndpointProfile.endpointSPIFFEID",
    ),
    (
        "ClusterFederatedTrustDomain",
        federating(bundleEndpointProfile={"type": "http"}),
        "spec.bundleEndpointProfile.type",
    ),
]


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    REFUSED,
    ids=[f"{kind}-{field}-{number}" for number, (kind, _, field) in enumerate(REFUSED)],
)
async def test_what_nobody_can_use_is_refused_and_the_field_named(
    kinds: Kube, kind: str, spec: JSONObject, field: str
) -> None:
    refused = await kinds.post(path_of(kind), document_of(kind, spec))
    assert refused.refusal == (422, "Invalid")
    assert {where for _, where in refused.causes} - {"<nil>"} == {field}


async def test_a_refusal_says_what_to_write_instead(kinds: Kube) -> None:
    kind = "ClusterFederatedTrustDomain"
    refused = await kinds.post(
        path_of(kind), document_of(kind, federating(bundleEndpointURL="http://a"))
    )
    assert "write https://<host>[:<port>]/<path>" in text(refused.body, "message")


async def test_the_status_is_written_apart(kinds: Kube) -> None:
    kind = "ClusterStaticEntry"
    await kinds.made(path_of(kind), document_of(kind, STATIC))
    condition: JSONObject = {
        "type": "Ready",
        "status": "True",
        "reason": "EntrySet",
        "message": "set",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": 1,
    }
    status: JSONObject = {
        "rendered": True,
        "masked": False,
        "set": True,
        "observedGeneration": 1,
        "conditions": [condition],
    }
    written = await kinds.patch(f"{path_of(kind)}/it/status", {"status": status})
    assert written.body["status"] == status
    assert at(written.body, "metadata", "generation") == 1


async def test_the_table_shows_what_people_look_for(kinds: Kube) -> None:
    kind = "ClusterSPIFFEID"
    await kinds.made(path_of(kind), document_of(kind, {"spiffeIDTemplate": "/x"}))
    status: JSONObject = {"stats": {"podsSelected": 3, "entriesToSet": 0}}
    await kinds.patch(f"{path_of(kind)}/it/status", {"status": status})
    table = (await kinds.get(path_of(kind), TABLE)).body
    columns = [text(c, "name") for c in objects(table, "columnDefinitions") if c["priority"] == 0]
    assert columns == ["Name", "Pods", "Entries", "Ready", "Reason", "Age"]
    (row,) = objects(table, "rows")
    assert seq(row["cells"])[:3] == ["it", 3, 0]
