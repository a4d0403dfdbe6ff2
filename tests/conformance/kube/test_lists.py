"""Lists: pages, selectors and revisions."""

import pytest

from devcluster.kubeapi.documents import JSONObject, at, child, text
from tests.conformance.kube.client import Kube


@pytest.fixture
async def five(kube: Kube, config_maps: str) -> str:
    """Five config maps, a to e, the first three with the label l=x."""
    for name in "abcde":
        labels: JSONObject = {"all": "yes", "n": name}
        if name in "abc":
            labels["l"] = "x"
        await kube.made(config_maps, {"metadata": {"name": name, "labels": labels}})
    return config_maps


async def test_a_list_names_its_kind_once_and_its_revision(kube: Kube, five: str) -> None:
    listed = await kube.get(five, labelSelector="all")
    assert (listed.body["kind"], listed.body["apiVersion"]) == ("ConfigMapList", "v1")
    assert listed.names == ["a", "b", "c", "d", "e"]
    assert not any("kind" in item or "apiVersion" in item for item in listed.items)
    last = max(int(text(item, "metadata", "resourceVersion")) for item in listed.items)
    assert int(listed.revision) >= last


async def test_pages_fit_together_and_stand_still(kube: Kube, five: str) -> None:
    first = await kube.get(five, limit="2", labelSelector="all")
    assert first.names == ["a", "b"]
    token = text(first.body, "metadata", "continue")
    assert token
    assert "remainingItemCount" not in child(first.body, "metadata")
    await kube.delete(f"{five}/c")
    await kube.made(five, {"metadata": {"name": "cc", "labels": {"all": "yes"}}})
    query = {"limit": "2", "labelSelector": "all"}
    second = await kube.get(five, **query, **{"continue": token})
    assert second.names == ["c", "d"]
    assert second.revision == first.revision
    token = text(second.body, "metadata", "continue")
    third = await kube.get(five, **query, **{"continue": token})
    assert third.names == ["e"]
    assert "continue" not in child(third.body, "metadata")


async def test_an_unselective_page_counts_what_is_left(kube: Kube, five: str) -> None:
    page = await kube.get(five, limit="2")
    total = len((await kube.get(five)).items)
    assert at(page.body, "metadata", "remainingItemCount") == total - 2


async def test_a_broken_continue_token_is_refused(kube: Kube, five: str) -> None:
    refused = await kube.get(five, **{"limit": "2", "continue": "nonsense"})
    assert refused.refusal == (400, "BadRequest")


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("l=x", "abc"),
        ("l==x", "abc"),
        ("l!=x,all", "de"),
        ("n in (a, e)", "ae"),
        ("n notin (a,b,c),all=yes", "de"),
        ("all,!l", "de"),
        ("l,n!=b", "ac"),
        ("n in (a)", "a"),
        ("l=", ""),
    ],
)
async def test_labels_select(kube: Kube, five: str, selector: str, names: str) -> None:
    assert (await kube.get(five, labelSelector=selector)).names == list(names)


@pytest.mark.parametrize("selector", ["a b", "a in b", "(", "a in (b", "=x", "a,,=", "a=b=c"])
async def test_a_broken_label_selector_is_refused(kube: Kube, five: str, selector: str) -> None:
    assert (await kube.get(five, labelSelector=selector)).refusal == (400, "BadRequest")


async def test_fields_select(kube: Kube, five: str, namespace: str) -> None:
    assert (await kube.get(five, fieldSelector="metadata.name=b")).names == ["b"]
    others = await kube.get(five, fieldSelector="metadata.name!=b", labelSelector="all")
    assert others.names == ["a", "c", "d", "e"]
    everywhere = await kube.get(
        "/api/v1/configmaps", fieldSelector=f"metadata.namespace={namespace}", labelSelector="all"
    )
    assert everywhere.names == ["a", "b", "c", "d", "e"]


async def test_an_unknown_field_cannot_select(kube: Kube, five: str) -> None:
    refused = await kube.get(five, fieldSelector="data.key=b")
    assert refused.refusal == (400, "BadRequest")


async def test_pods_are_selected_by_node_and_phase(kube: Kube, pods: str) -> None:
    for name, node in (("a", "n1"), ("b", "n2")):
        spec: JSONObject = {
            "nodeName": node,
            "containers": [{"name": "main", "image": "example.org/app:1"}],
        }
        await kube.made(pods, {"metadata": {"name": name}, "spec": spec})
    assert (await kube.get(pods, fieldSelector="spec.nodeName=n1")).names == ["a"]
    assert (await kube.get(pods, fieldSelector="status.phase=Pending")).names == ["a", "b"]
    assert (await kube.get(pods, fieldSelector="status.phase!=Pending")).names == []
    for name in "ab":
        await kube.delete(f"{pods}/{name}", {"gracePeriodSeconds": 0})


async def test_events_are_selected_by_what_they_are_about(kube: Kube, namespace: str) -> None:
    events = f"/api/v1/namespaces/{namespace}/events"
    for name, about in (("a", "p"), ("b", "q")):
        involved: JSONObject = {"kind": "Pod", "name": about, "namespace": namespace, "uid": about}
        await kube.made(events, {"metadata": {"name": name}, "involvedObject": involved})
    selector = f"involvedObject.name=p,involvedObject.namespace={namespace},involvedObject.uid=p"
    assert (await kube.get(events, fieldSelector=selector)).names == ["a"]


async def test_a_revision_must_be_a_number_that_has_been(kube: Kube, five: str) -> None:
    assert (await kube.get(five, resourceVersion="x")).refusal == (400, "BadRequest")
    newest = await kube.get(five)
    assert (await kube.get(five, resourceVersion="0", labelSelector="l")).names == ["a", "b", "c"]
    exact = await kube.get(
        five, resourceVersion=newest.revision, resourceVersionMatch="Exact", labelSelector="l"
    )
    assert (exact.names, exact.revision) == (["a", "b", "c"], newest.revision)
    refused = await kube.get(five, resourceVersionMatch="Exact")
    assert refused.refusal == (422, "Invalid")


async def test_an_exact_revision_shows_how_it_was(kube: Kube, five: str) -> None:
    then = await kube.get(five, labelSelector="l")
    await kube.delete(f"{five}/a")
    await kube.patch(f"{five}/b", {"metadata": {"labels": {"l": None}}})
    exact = await kube.get(
        five, resourceVersion=then.revision, resourceVersionMatch="Exact", labelSelector="l"
    )
    assert exact.names == ["a", "b", "c"]
