"""Watches: what is seen, from when on, and how they end."""

from devcluster.kubeapi.documents import JSONObject, at, text
from tests.conformance.kube.client import TABLE, Kube

LIST = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}


def labelled(name: str, **labels: str) -> JSONObject:
    return {"metadata": {"name": name, "labels": dict(labels)}}


async def test_a_watch_from_a_list_sees_every_change_after_it(kube: Kube, config_maps: str) -> None:
    await kube.made(config_maps, labelled("before", w="1"))
    listed = await kube.get(config_maps)
    query = {"resourceVersion": listed.revision, "labelSelector": "w=1"}
    async with kube.watch(config_maps, **query) as events:
        made = await kube.made(config_maps, labelled("a", w="1"))
        changed = await kube.patch(f"{config_maps}/a", {"data": {"k": "v"}})
        await kube.delete(f"{config_maps}/a")
        kind, document = await events.next()
        assert (kind, document) == ("ADDED", made.body)
        kind, document = await events.next()
        assert (kind, document) == ("MODIFIED", changed.body)
        kind, document = await events.next()
        assert (kind, document["data"]) == ("DELETED", {"k": "v"})
        assert int(text(document, "metadata", "resourceVersion")) > int(changed.revision)
    async with kube.watch(config_maps, **query) as again:
        assert await again.take(3) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_a_watch_without_a_revision_begins_with_what_is_there(
    kube: Kube, config_maps: str
) -> None:
    for name in "ab":
        await kube.made(config_maps, labelled(name, w="1"))
    async with kube.watch(config_maps, labelSelector="w") as events:
        assert sorted(await events.take(2)) == [("ADDED", "a"), ("ADDED", "b")]
        await kube.made(config_maps, labelled("c", w="1"))
        assert await events.take(1) == [("ADDED", "c")]


async def test_a_changed_label_brings_an_object_in_and_out_of_sight(
    kube: Kube, config_maps: str
) -> None:
    listed = await kube.get(config_maps)
    query = {"resourceVersion": listed.revision, "labelSelector": "w=1"}
    async with kube.watch(config_maps, **query) as events:
        await kube.made(config_maps, labelled("a"))
        await kube.patch(f"{config_maps}/a", {"metadata": {"labels": {"w": "1"}}})
        out = await kube.patch(f"{config_maps}/a", {"metadata": {"labels": {"w": "2"}}})
        assert await events.take(1) == [("ADDED", "a")]
        kind, document = await events.next()
        assert kind == "DELETED"
        assert at(document, "metadata", "labels", "w") == "1"
        assert text(document, "metadata", "resourceVersion") == out.revision


async def test_a_streaming_list_ends_with_a_marked_bookmark(kube: Kube, config_maps: str) -> None:
    for name in "ab":
        await kube.made(config_maps, labelled(name, w="1"))
    query = {"labelSelector": "w", "allowWatchBookmarks": "true", **LIST}
    async with kube.watch(config_maps, **query) as events:
        assert sorted(await events.take(2)) == [("ADDED", "a"), ("ADDED", "b")]
        kind, document = await events.next()
        assert kind == "BOOKMARK"
        assert at(document, "metadata", "annotations", "k8s.io/initial-events-end") == "true"
        assert int(text(document, "metadata", "resourceVersion")) > 0


async def test_initial_events_need_a_match(kube: Kube, config_maps: str) -> None:
    refused = await kube.get(config_maps, watch="true", sendInitialEvents="true")
    assert refused.refusal == (422, "Invalid")


async def test_a_watch_ends_when_its_time_is_up(kube: Kube, config_maps: str) -> None:
    async with kube.watch(config_maps, timeoutSeconds="1", labelSelector="none=none") as events:
        kinds = {kind for kind, _ in await events.rest()}
    assert kinds <= {"BOOKMARK"}


async def test_a_watch_of_one_object_sees_no_other(kube: Kube, config_maps: str) -> None:
    listed = await kube.get(config_maps)
    query = {"fieldSelector": "metadata.name=a", "resourceVersion": listed.revision}
    async with kube.watch(config_maps, **query) as events:
        for name in "ba":
            await kube.made(config_maps, labelled(name))
        assert await events.take(1) == [("ADDED", "a")]


async def test_an_impossible_revision_is_refused(kube: Kube, config_maps: str) -> None:
    refused = await kube.get(config_maps, watch="true", resourceVersion="nonsense")
    assert refused.code == 500
    assert "invalid syntax" in text(refused.body, "message")


async def test_a_watch_of_tables_names_the_columns_once(kube: Kube, config_maps: str) -> None:
    for name in "ab":
        await kube.made(config_maps, labelled(name, w="1"))
    async with kube.watch(config_maps, TABLE, labelSelector="w") as events:
        documents = [(await events.next())[1] for _ in "ab"]
    assert [document["kind"] for document in documents] == ["Table", "Table"]
    assert documents[0]["columnDefinitions"]
    assert not documents[1]["columnDefinitions"]


async def test_deleted_objects_of_a_collection_are_seen_one_by_one(
    kube: Kube, config_maps: str
) -> None:
    for name in "ab":
        await kube.made(config_maps, labelled(name, w="1"))
    listed = await kube.get(config_maps)
    query = {"resourceVersion": listed.revision, "labelSelector": "w"}
    async with kube.watch(config_maps, **query) as events:
        await kube.delete(config_maps, labelSelector="w")
        assert sorted(await events.take(2)) == [("DELETED", "a"), ("DELETED", "b")]
