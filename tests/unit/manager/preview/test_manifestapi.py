"""Selectors of lists, over objects from files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.codec import JSONObject, decode_object
from api.kinds import CLUSTER_SPIFFEID, CLUSTER_STATIC_ENTRY, CONFIG_MAP, NAMESPACE, POD
from api.meta import ObjectKey
from manager.preview.manifestapi import ManifestAPI
from manager.preview.manifests import Manifests
from registrar.kube.errors import Forbidden, KubeError, NotFound
from registrar.kube.session import Request
from tests.support.oneapi import OneAPI


def an_object(name: str, namespace: str = "", **labels: str) -> JSONObject:
    metadata: JSONObject = {"name": name, "labels": {**labels}, "uid": f"file-{name}"}
    return {"metadata": {**metadata, **({"namespace": namespace} if namespace else {})}}


STATIC, PODS = CLUSTER_STATIC_ENTRY.resource, POD.resource


async def names(api: ManifestAPI, path: str, **query: str) -> list[str]:
    return [str(item["metadata"]["name"]) for item in await listed(api, path, **query)]  # type: ignore[call-overload,index]


async def listed(api: ManifestAPI, path: str, **query: str) -> list[JSONObject]:
    document = decode_object(await api.call(Request("GET", path, query)))
    items = document["items"]
    assert isinstance(items, list)
    return [item for item in items if isinstance(item, dict)]


async def test_our_kinds_are_those_of_the_files_alone() -> None:
    cluster = OneAPI({CLUSTER_STATIC_ENTRY.path(): [an_object("a"), an_object("b")]})
    folder = Manifests(cluster.path, {STATIC: {ObjectKey("", "a"): an_object("a")}})
    api = ManifestAPI(cluster, folder)
    assert await names(api, CLUSTER_STATIC_ENTRY.path()) == ["a"]
    # A kind of which no file has an object has none.
    assert await names(api, CLUSTER_SPIFFEID.path()) == []


async def test_an_object_keeps_what_only_an_api_server_gives() -> None:
    given = {"uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z"}
    metadata: JSONObject = {"name": "a", **given}
    stored: JSONObject = {
        "metadata": {**metadata, "labels": {"old": "label"}},
        "status": {"set": True},
    }
    cluster = OneAPI({CLUSTER_STATIC_ENTRY.path(): [stored]})
    folder = Manifests(cluster.path, {STATIC: {ObjectKey("", "a"): an_object("a", new="label")}})
    reply = await ManifestAPI(cluster, folder).call(Request("GET", CLUSTER_STATIC_ENTRY.path()))
    assert decode_object(reply)["items"] == [
        {"metadata": {**metadata, "labels": {"new": "label"}}, "status": {"set": True}}
    ]


async def test_other_kinds_add_to_the_clusters() -> None:
    pods = [an_object("a", "default", at="cluster"), an_object("b", "shop", at="cluster")]
    cluster = OneAPI(
        {
            POD.path(): pods,
            POD.path("shop"): pods[1:],
            CONFIG_MAP.path(): [an_object("c", "default")],
        }
    )
    given_pods = {
        ObjectKey("default", "a"): an_object("a", "default", at="file"),
        ObjectKey("shop", "z"): an_object("z", "shop", at="file"),
    }
    api = ManifestAPI(cluster, Manifests(cluster.path, {PODS: given_pods}))
    assert sorted(await names(api, POD.path())) == ["a", "b", "z"]
    assert sorted(await names(api, POD.path(), labelSelector="at=file")) == ["a", "z"]
    assert await names(api, POD.path(), fieldSelector="metadata.namespace!=shop") == ["a"]
    assert await names(api, POD.path("shop"), labelSelector="at in (file,none)") == ["z"]
    # Of a kind that no file has, the cluster is asked as if there were no files.
    assert await names(api, CONFIG_MAP.path()) == ["c"]
    one = decode_object(await api.call(Request("GET", POD.path("shop", "z"))))
    assert one == given_pods[ObjectKey("shop", "z")]


async def test_a_file_leaves_what_only_the_cluster_fills() -> None:
    stored = an_object("a", "default", at="cluster", app="web")
    stored["spec"] = {"nodeName": "node-1", "serviceAccountName": "web"}
    wanted = an_object("a", "default", at="file")
    wanted["spec"] = {"serviceAccountName": "other"}
    cluster = OneAPI({POD.path(): [stored], NAMESPACE.path(): []})
    files = {
        PODS: {ObjectKey("default", "a"): wanted},
        NAMESPACE.resource: {ObjectKey("", "shop"): an_object("shop")},
    }
    api = ManifestAPI(cluster, Manifests(cluster.path, files))
    (pod,) = await listed(api, POD.path())
    assert pod["spec"] == {"nodeName": "node-1", "serviceAccountName": "other"}
    assert await names(api, POD.path(), labelSelector="at=file,app=web") == ["a"]
    # Each Namespace has its name as a label.
    selector = "kubernetes.io/metadata.name=shop"
    assert await names(api, NAMESPACE.path(), labelSelector=selector) == ["shop"]


@pytest.mark.parametrize("error", [NotFound("no", 404), Forbidden("no", 403)])
async def test_a_kind_that_the_cluster_does_not_have_can_be_planned_for(error: KubeError) -> None:
    cluster = OneAPI({}, error=error)
    folder = Manifests(cluster.path, {STATIC: {ObjectKey("", "a"): an_object("a")}})
    api = ManifestAPI(cluster, folder)
    assert await names(api, CLUSTER_STATIC_ENTRY.path()) == ["a"]
    with pytest.raises(NotFound):
        await api.call(Request("GET", CLUSTER_STATIC_ENTRY.path("", "other")))


async def test_a_selector_that_is_none_is_refused() -> None:
    api = ManifestAPI(OneAPI({}), Manifests(OneAPI({}).path, {}))
    with pytest.raises(KubeError):
        await names(api, CLUSTER_STATIC_ENTRY.path(), labelSelector="a=b,,c=d")


WORDS = st.sampled_from(["a", "b", "c"])


@given(labels=st.dictionaries(WORDS, WORDS), key=WORDS, values=st.sets(WORDS, min_size=1))
async def test_selectors_mean_what_they_mean_to_an_api_server(
    labels: dict[str, str], key: str, values: set[str]
) -> None:
    obj = an_object("x", "default", **labels)
    folder = Manifests(OneAPI({}).path, {PODS: {ObjectKey("default", "x"): obj}})
    api = ManifestAPI(OneAPI({POD.path(): []}), folder)
    listed, value = ",".join(sorted(values)), labels.get(key)

    async def matches(selector: str) -> bool:
        return bool(await names(api, POD.path(), labelSelector=selector))

    assert await matches(f"{key} in ({listed})") is (value in values)
    assert await matches(f"{key} notin ({listed})") is (value not in values)
    assert await matches(key) is (value is not None)
    assert await matches(f"!{key}") is (value is None)
    one = min(values)
    assert await matches(f"{key}={one}") is (value == one)
    assert await matches(f"{key}!={one}") is (value != one)
