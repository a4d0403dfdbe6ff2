"""What goes with what: owners and dependents, namespaces and their content."""

from devcluster.kubeapi.documents import JSONObject, JSONValue, at, objects, seq, text
from tests.conformance.kube.client import Answer, Kube
from tests.conformance.kube.widgets import widget
from tests.support.waiting import eventually


def owner(answer: Answer, *, blocks: bool = False) -> JSONObject:
    reference: JSONObject = {
        "apiVersion": answer.body["apiVersion"],
        "kind": answer.body["kind"],
        "name": text(answer.body, "metadata", "name"),
        "uid": answer.uid,
    }
    return {**reference, "blockOwnerDeletion": True} if blocks else reference


def owned(name: str, *owners: JSONValue) -> JSONObject:
    return {"metadata": {"name": name, "ownerReferences": list(owners)}}


async def test_a_dependent_goes_with_its_last_owner(kube: Kube, config_maps: str) -> None:
    first = await kube.made(config_maps, {"metadata": {"name": "first"}})
    second = await kube.made(config_maps, {"metadata": {"name": "second"}})
    await kube.made(config_maps, owned("d", owner(first), owner(second)))
    await kube.delete(f"{config_maps}/first")

    async def has_one_owner() -> bool:
        found = await kube.get(f"{config_maps}/d")
        uids = [text(ref, "uid") for ref in objects(found.body, "metadata", "ownerReferences")]
        return uids == [second.uid]

    await eventually(has_one_owner)
    await kube.delete(f"{config_maps}/second")
    await kube.until_gone(f"{config_maps}/d")


async def test_deletion_follows_a_chain_of_owners(kube: Kube, config_maps: str) -> None:
    top = await kube.made(config_maps, {"metadata": {"name": "top"}})
    middle = await kube.made(config_maps, owned("middle", owner(top)))
    await kube.made(config_maps, owned("bottom", owner(middle)))
    await kube.delete(f"{config_maps}/top")
    await kube.until_gone(f"{config_maps}/bottom")


async def test_an_owner_that_never_was_takes_its_dependent(kube: Kube, config_maps: str) -> None:
    real = await kube.made(config_maps, {"metadata": {"name": "real"}})
    await kube.made(config_maps, owned("d", {**owner(real), "uid": "of-another-life"}))
    await kube.until_gone(f"{config_maps}/d")


async def test_orphans_are_let_go(kube: Kube, config_maps: str) -> None:
    top = await kube.made(config_maps, {"metadata": {"name": "top"}})
    await kube.made(config_maps, owned("d", owner(top)))
    await kube.delete(f"{config_maps}/top", propagationPolicy="Orphan")
    await kube.until_gone(f"{config_maps}/top")
    left = await kube.get(f"{config_maps}/d")
    assert (left.code, at(left.body, "metadata", "ownerReferences")) == (200, None)


async def test_a_foreground_deletion_waits_for_those_that_block(
    kube: Kube, config_maps: str
) -> None:
    top = await kube.made(config_maps, {"metadata": {"name": "top"}})
    held = owned("d", owner(top, blocks=True))
    held["metadata"] = {**_meta(held), "finalizers": ["example.com/wait"]}
    await kube.made(config_maps, held)
    going = await kube.delete(f"{config_maps}/top", propagationPolicy="Foreground")
    assert seq(at(going.body, "metadata", "finalizers")) == ["foregroundDeletion"]

    async def dependent_is_going() -> bool:
        found = await kube.get(f"{config_maps}/d")
        return bool(text(found.body, "metadata", "deletionTimestamp"))

    await eventually(dependent_is_going)
    assert (await kube.get(f"{config_maps}/top")).code == 200
    await kube.patch(f"{config_maps}/d", {"metadata": {"finalizers": None}})
    await kube.until_gone(f"{config_maps}/top")


def _meta(document: JSONObject) -> JSONObject:
    meta = document["metadata"]
    assert isinstance(meta, dict)
    return meta


async def test_a_cluster_scoped_owner_takes_namespaced_dependents(
    kube: Kube, config_maps: str, namespace: str
) -> None:
    roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    role = await kube.made(roles, {"metadata": {"name": namespace}, "rules": []})
    await kube.made(config_maps, owned("d", owner(role)))
    await kube.delete(f"{roles}/{namespace}")
    await kube.until_gone(f"{config_maps}/d")


async def test_cluster_scoped_objects_go_with_a_cluster_scoped_owner(
    kube: Kube, namespace: str
) -> None:
    roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    role = await kube.made(roles, {"metadata": {"name": namespace}, "rules": []})
    dependent: JSONObject = {**owned(f"{namespace}-d", owner(role)), "rules": []}
    await kube.made(roles, dependent)
    await kube.delete(f"{roles}/{namespace}")
    await kube.until_gone(f"{roles}/{namespace}-d")


async def test_a_namespace_takes_its_content(
    kube: Kube, namespace: str, config_maps: str, widgets: str
) -> None:
    held: JSONObject = {"metadata": {"name": "held", "finalizers": ["example.com/wait"]}}
    await kube.made(config_maps, held)
    await kube.made(config_maps, {"metadata": {"name": "free"}})
    await kube.made(widgets, widget("w"))
    path = f"/api/v1/namespaces/{namespace}"
    going = await kube.delete(path)
    assert at(going.body, "status", "phase") == "Terminating"
    refused = await kube.post(config_maps, {"metadata": {"name": "late"}})
    assert refused.refusal == (403, "Forbidden")
    assert refused.causes == {("NamespaceTerminating", "metadata.namespace")}
    await kube.until_gone(f"{widgets}/w")
    await kube.until_gone(f"{config_maps}/free")
    assert (await kube.get(path)).code == 200
    await kube.patch(f"{config_maps}/held", {"metadata": {"finalizers": None}})
    await kube.until_gone(path)
