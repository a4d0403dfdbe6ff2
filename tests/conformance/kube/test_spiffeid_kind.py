"""The CRD of SpiffeIDs: what it takes, what it refuses, and what the original left."""

from collections.abc import AsyncIterator

import pytest

from api.crd import CUSTOM_KINDS, crd
from api.kinds import SPIFFE_ID
from devcluster.kubeapi.documents import JSONObject, child, copy_of, objects
from tests.conformance.kube.client import CRDS, Kube
from tests.support.waiting import eventually

GROUP = "conformance.spiffeid.spiffe.io"
NAME = f"spiffeids.{GROUP}"
PATH = f"/apis/{GROUP}/v1beta1/namespaces/default/spiffeids"
SAMPLE: JSONObject = {
    "dnsNames": ["my-test-spiffeid"],
    "selector": {"namespace": "default", "podName": "my-test-pod"},
    "spiffeId": "spiffe://example.org/test",
    "parentId": "spiffe://example.org/spire/server",
}
"""What the original's documentation shows."""

ORIGINAL_SCHEMA: JSONObject = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "dnsNames": {"type": "array", "items": {"type": "string"}},
                "federatesWith": {"type": "array", "items": {"type": "string"}},
                "parentId": {"type": "string"},
                "downstream": {"type": "boolean"},
                "selector": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                },
                "spiffeId": {"type": "string"},
            },
            "required": ["parentId", "selector", "spiffeId"],
        },
        "status": {"type": "object", "properties": {"entryId": {"type": "string"}}},
    },
}


def definition() -> JSONObject:
    """Our CRD in the suite's group."""
    (document,) = (crd(custom) for custom in CUSTOM_KINDS if custom.kind == SPIFFE_ID)
    document = copy_of(document)
    child(document, "spec")["group"] = GROUP
    document["metadata"] = {"name": NAME, "labels": {"suite": "kube"}}
    return document


def spiffe_id(fields: JSONObject, name: str = "it") -> JSONObject:
    """The sample, but for the fields given."""
    return {
        "apiVersion": f"{GROUP}/v1beta1",
        "kind": "SpiffeID",
        "metadata": {"name": name},
        "spec": {**SAMPLE, **fields},
    }


async def serve(kube: Kube, document: JSONObject) -> None:
    answer = await kube.post(CRDS, document)
    assert answer.code in {201, 409}, answer.body

    async def is_served() -> bool:
        return (await kube.get(PATH)).code == 200

    await eventually(is_served)


@pytest.fixture
async def kind(kube: Kube) -> AsyncIterator[Kube]:
    """The server with the kind, and without objects afterwards."""
    await serve(kube, definition())
    yield kube
    for name in (await kube.get(PATH)).names:
        await kube.delete(f"{PATH}/{name}")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"downstream": True, "federatesWith": ["a.test", "*.b.test"], "ttl": 60, "hint": "x"},
        {"spiffeId": "spiffe://example.org/k8s-workload-registrar/c/node/n.1"},
        {"selector": {"cluster": "c", "agent_node_uid": "u"}},
        {"selector": {"namespace": "default", "podLabel": {"a": ""}, "arbitrary": ["x:y"]}},
    ],
)
async def test_it_takes_what_the_original_takes(kind: Kube, fields: JSONObject) -> None:
    answer = await kind.post(PATH, spiffe_id(fields))
    assert answer.code == 201, answer.body
    stored = child(answer.body, "spec")
    assert {name: stored[name] for name in fields} == fields


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"spiffeId": "https://example.org/x"}, "spec.spiffeId"),
        ({"spiffeId": "spiffe://example.org"}, "spec.spiffeId"),
        ({"spiffeId": "spiffe://example.org/a/../b"}, "spec.spiffeId"),
        ({"spiffeId": "spiffe://example.org/spire/server"}, "spec.spiffeId"),
        ({"parentId": "x"}, "spec.parentId"),
        ({"selector": {}}, "spec.selector"),
        ({"dnsNames": ["a/b"]}, "spec.dnsNames[0]"),
        ({"federatesWith": ["A"]}, "spec.federatesWith[0]"),
        ({"ttl": -1}, "spec.ttl"),
    ],
)
async def test_it_refuses_what_can_never_be_set(kind: Kube, fields: JSONObject, field: str) -> None:
    answer = await kind.post(PATH, spiffe_id(fields))
    assert answer.code == 422
    assert field in {name for _, name in answer.causes}


async def test_what_the_original_stored_can_still_be_changed(kube: Kube) -> None:
    path = f"{CRDS}/{NAME}"
    await kube.delete(path)
    await kube.until_gone(path)
    ours, original = definition(), copy_of(definition())
    version = objects(original, "spec", "versions")[0]
    child(version, "schema")["openAPIV3Schema"] = ORIGINAL_SCHEMA
    await serve(kube, original)
    odd: JSONObject = {"dnsNames": ["a/b"], "federatesWith": ["a.test", " b.test"]}
    body = spiffe_id(odd)
    child(body, "metadata")["finalizers"] = ["finalizers.spiffeid.spiffe.io"]

    async def is_unchecked() -> bool:
        # For a moment the server may still know the schema that was deleted.
        return (await kube.post(PATH, body, dryRun="All")).code == 201

    await eventually(is_unchecked)
    await kube.made(PATH, body)
    assert (await kube.patch(path, {"spec": ours["spec"]})).code == 200

    async def is_checked() -> bool:
        dry = await kube.post(PATH, spiffe_id(odd, "other"), dryRun="All")
        return dry.code == 422

    await eventually(is_checked)
    freed = await kube.patch(f"{PATH}/it", {"metadata": {"finalizers": []}})
    assert freed.code == 200, freed.body
    status: JSONObject = {"status": {"entryId": "1", "observedGeneration": 1}}
    assert (await kube.patch(f"{PATH}/it/status", status)).code == 200
    assert (await kube.patch(f"{PATH}/it", {"spec": {"hint": "x"}})).code == 200
    await kube.delete(f"{PATH}/it")
    await kube.until_gone(f"{PATH}/it")
