"""The four kinds of patch that change an object that is there."""

import pytest

from devcluster.kubeapi.documents import JSONObject, JSONValue, at, objects, text
from tests.conformance.kube.client import JSON_PATCH, MERGE, STRATEGIC, Kube
from tests.conformance.kube.widgets import widget


@pytest.fixture
async def pod(kube: Kube, pods: str) -> str:
    """The path of a Pod with two containers, one of them with environment and ports."""
    containers: list[JSONValue] = [
        {
            "name": "a",
            "image": "example.org/a:1",
            "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}],
            "ports": [{"containerPort": 80}],
        },
        {"name": "b", "image": "example.org/b:1"},
    ]
    meta: JSONObject = {"name": "p", "labels": {"k": "v"}, "finalizers": ["example.com/one"]}
    await kube.made(pods, {"metadata": meta, "spec": {"containers": containers}})
    return f"{pods}/p"


async def test_a_merge_patch_merges_objects_and_replaces_lists(kube: Kube, pod: str) -> None:
    patch: JSONObject = {
        "metadata": {"labels": {"more": "x", "k": None}, "finalizers": ["example.com/two"]}
    }
    patched = await kube.patch(pod, patch, MERGE)
    assert at(patched.body, "metadata", "labels") == {"more": "x"}
    assert at(patched.body, "metadata", "finalizers") == ["example.com/two"]


async def test_a_merge_patch_with_a_stale_revision_conflicts(kube: Kube, pod: str) -> None:
    meta: JSONObject = {"resourceVersion": "1", "labels": {"a": "b"}}
    assert (await kube.patch(pod, {"metadata": meta}, MERGE)).refusal == (409, "Conflict")


async def test_json_patch_operations_are_done_in_turn(kube: Kube, config_maps: str) -> None:
    meta: JSONObject = {"name": "a", "annotations": {"e.com/b": "1"}}
    await kube.made(config_maps, {"metadata": meta, "data": {"c": "2"}})
    operations: list[JSONValue] = [
        {"op": "test", "path": "/data/c", "value": "2"},
        {"op": "add", "path": "/data/d", "value": "3"},
        {"op": "replace", "path": "/data/c", "value": "4"},
        {"op": "copy", "from": "/data/c", "path": "/data/e"},
        {"op": "move", "from": "/metadata/annotations/e.com~1b", "path": "/data/f"},
        {"op": "remove", "path": "/data/d"},
        {"op": "add", "path": "/metadata/labels", "value": {"l": "x"}},
    ]
    patched = await kube.patch(f"{config_maps}/a", operations, JSON_PATCH)
    assert patched.body["data"] == {"c": "4", "e": "4", "f": "1"}
    assert at(patched.body, "metadata", "labels") == {"l": "x"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/data/c", "value": "other"},
        {"op": "remove", "path": "/data/none"},
        {"op": "replace", "path": "/none/none", "value": "1"},
        {"op": "add", "path": "/none/none", "value": "1"},
        {"op": "move", "from": "/data/none", "path": "/data/f"},
    ],
    ids=["test", "remove", "replace", "add", "move"],
)
async def test_a_json_patch_that_does_not_fit_changes_nothing(
    kube: Kube, config_maps: str, operation: JSONObject
) -> None:
    made = await kube.made(config_maps, {"metadata": {"name": "a"}, "data": {"c": "2"}})
    refused = await kube.patch(f"{config_maps}/a", [operation], JSON_PATCH)
    assert refused.refusal == (422, "Invalid")
    assert (await kube.get(f"{config_maps}/a")).body == made.body


async def test_a_broken_patch_is_refused(kube: Kube, config_maps: str) -> None:
    await kube.made(config_maps, {"metadata": {"name": "a"}})
    for kind in (MERGE, JSON_PATCH, STRATEGIC):
        headers = {"Content-Type": kind}
        refused = await kube.request("PATCH", f"{config_maps}/a", b'{"x', headers)
        assert refused.refusal == (400, "BadRequest")


async def test_a_strategic_patch_merges_lists_by_their_keys(kube: Kube, pod: str) -> None:
    container: JSONObject = {"name": "a", "image": "example.org/a:2"}
    patch: JSONObject = {
        "metadata": {"finalizers": ["example.com/two"]},
        "spec": {"containers": [container]},
    }
    patched = await kube.patch(pod, patch, STRATEGIC)
    assert patched.code == 200, patched.body
    images = [text(c, "image") for c in objects(patched.body, "spec", "containers")]
    assert images == ["example.org/a:2", "example.org/b:1"]
    assert at(patched.body, "metadata", "finalizers") == ["example.com/two", "example.com/one"]


async def test_strategic_directives_delete_replace_and_order(kube: Kube, config_maps: str) -> None:
    owners: list[JSONValue] = [
        {"apiVersion": "v1", "kind": "Secret", "name": name, "uid": name} for name in ("a", "b")
    ]
    meta: JSONObject = {
        "name": "a",
        "ownerReferences": owners,
        "finalizers": ["e.com/1", "e.com/2"],
    }
    await kube.made(config_maps, {"metadata": meta, "data": {"k": "1", "l": "2"}})
    patch: JSONObject = {
        "metadata": {
            "$deleteFromPrimitiveList/finalizers": ["e.com/1", "e.com/2"],
            "ownerReferences": [{"$patch": "delete", "uid": "a"}],
        },
        "data": {"$patch": "replace", "m": "3"},
    }
    patched = await kube.patch(f"{config_maps}/a", patch, STRATEGIC)
    assert patched.body["data"] == {"m": "3"}
    kept = objects(patched.body, "metadata", "ownerReferences")
    assert [text(owner, "uid") for owner in kept] == ["b"]
    assert at(patched.body, "metadata", "finalizers") is None


async def test_a_strategic_item_without_its_key_is_refused(kube: Kube, pod: str) -> None:
    patch: JSONObject = {"spec": {"containers": [{"image": "example.org/a:2"}]}}
    refused = await kube.patch(pod, patch, STRATEGIC)
    assert refused.code >= 400
    assert "does not contain declared merge key: name" in text(refused.body, "message")


async def test_custom_resources_know_no_strategic_patch(kube: Kube, widgets: str) -> None:
    await kube.made(widgets, widget("a"))
    refused = await kube.patch(f"{widgets}/a", {"spec": {"size": 4}}, STRATEGIC)
    assert refused.refusal == (415, "UnsupportedMediaType")


async def test_a_patch_cannot_move_an_object(kube: Kube, config_maps: str) -> None:
    made = await kube.made(config_maps, {"metadata": {"name": "a"}})
    assert (await kube.patch(f"{config_maps}/a", {"metadata": {"name": "b"}})).code >= 400
    patched = await kube.patch(f"{config_maps}/a", {"metadata": {"creationTimestamp": None}})
    assert at(patched.body, "metadata", "creationTimestamp") == at(
        made.body, "metadata", "creationTimestamp"
    )
