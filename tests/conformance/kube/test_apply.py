"""Server-side apply and the ownership of fields."""

from devcluster.kubeapi.documents import JSONObject, JSONValue, at, child, objects, text
from tests.conformance.kube.client import Answer, Kube
from tests.conformance.kube.widgets import GROUP, widget


def config(name: str, **data: str) -> JSONObject:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": dict(data),
    }


def owned(answer: Answer) -> dict[tuple[str, str, str], JSONObject]:
    """The fields by manager, operation and subresource."""
    return {
        (text(entry, "manager"), text(entry, "operation"), text(entry, "subresource")): child(
            entry, "fieldsV1"
        )
        for entry in objects(answer.body, "metadata", "managedFields")
    }


async def test_apply_makes_what_is_not_there_and_owns_it(kube: Kube, config_maps: str) -> None:
    made = await kube.apply(f"{config_maps}/a", config("a", k="1"), "me")
    assert made.code == 201
    assert owned(made) == {("me", "Apply", ""): {"f:data": {"f:k": {}}}}
    again = await kube.apply(f"{config_maps}/a", config("a", k="1"), "me")
    assert (again.code, again.revision) == (200, made.revision)


async def test_what_is_no_longer_applied_goes(kube: Kube, config_maps: str) -> None:
    await kube.apply(f"{config_maps}/a", config("a", k="1", l="2"), "me")
    await kube.patch(f"{config_maps}/a", {"data": {"other": "3"}})
    less = await kube.apply(f"{config_maps}/a", config("a", k="1"), "me")
    assert less.body["data"] == {"k": "1", "other": "3"}


async def test_another_managers_field_conflicts_unless_forced(kube: Kube, config_maps: str) -> None:
    path = f"{config_maps}/a"
    await kube.apply(path, config("a", k="1", l="1"), "one")
    refused = await kube.apply(path, config("a", k="2"), "two")
    assert refused.refusal == (409, "Conflict")
    assert refused.causes == {("FieldManagerConflict", ".data.k")}
    assert refused.body["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.k'
    forced = await kube.apply(path, config("a", k="2"), "two", force="true")
    assert forced.body["data"] == {"k": "2", "l": "1"}
    assert owned(forced) == {
        ("one", "Apply", ""): {"f:data": {"f:l": {}}},
        ("two", "Apply", ""): {"f:data": {"f:k": {}}},
    }


async def test_the_same_value_is_owned_together(kube: Kube, config_maps: str) -> None:
    path = f"{config_maps}/a"
    await kube.apply(path, config("a", k="1"), "one")
    shared = await kube.apply(path, config("a", k="1"), "two")
    assert {manager for manager, _, _ in owned(shared)} == {"one", "two"}
    left = await kube.apply(path, {**config("a"), "data": None}, "one")
    assert left.body["data"] == {"k": "1"}


async def test_an_update_takes_ownership_and_apply_notices(kube: Kube, config_maps: str) -> None:
    path = f"{config_maps}/a"
    await kube.apply(path, config("a", k="1"), "me")
    changed = await kube.patch(path, {"data": {"k": "2"}}, fieldManager="editor")
    assert owned(changed) == {("editor", "Update", ""): {"f:data": {"f:k": {}}}}
    refused = await kube.apply(path, config("a", k="1"), "me")
    assert refused.refusal == (409, "Conflict")
    assert 'conflict with "editor" using v1: .data.k' in text(refused.body, "message")


async def test_a_create_is_owned_by_the_field_manager_or_the_user_agent(
    kube: Kube, config_maps: str
) -> None:
    named = await kube.post(config_maps, config("a", k="1"), fieldManager="me")
    assert owned(named) == {("me", "Update", ""): {"f:data": {".": {}, "f:k": {}}}}
    anonymous = await kube.post(config_maps, config("b", k="1"))
    assert set(owned(anonymous)) == {("conformance", "Update", "")}


async def test_apply_needs_a_manager_and_no_managed_fields(kube: Kube, config_maps: str) -> None:
    path = f"{config_maps}/a"
    refused = await kube.patch(path, config("a"), "application/apply-patch+yaml")
    assert refused.refusal == (422, "Invalid")
    document = config("a")
    child(document, "metadata")["managedFields"] = [{"manager": "x", "operation": "Apply"}]
    assert (await kube.apply(path, document, "me")).refusal == (400, "BadRequest")
    assert (await kube.apply(path, config("b"), "me")).refusal == (400, "BadRequest")


async def test_items_of_a_keyed_list_are_merged_and_removed_one_by_one(
    kube: Kube, widgets: str
) -> None:
    path = f"{widgets}/w"
    mine: list[JSONValue] = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    await kube.apply(path, widget("w", ports=mine), "one")
    theirs: JSONObject = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Widget",
        "metadata": {"name": "w"},
        "spec": {"ports": [{"name": "c", "port": 3}], "tags": ["x2"]},
    }
    both = await kube.apply(path, theirs, "two")
    names = [text(port, "name") for port in objects(both.body, "spec", "ports")]
    assert sorted(names) == ["a", "b", "c"]
    less = await kube.apply(path, widget("w", ports=mine[:1], tags=["x1"]), "one")
    assert less.code == 200, less.body
    names = [text(port, "name") for port in objects(less.body, "spec", "ports")]
    assert sorted(names) == ["a", "c"]
    tags = at(less.body, "spec", "tags")
    assert isinstance(tags, list)
    assert {str(tag) for tag in tags} == {"x1", "x2"}
    assert 'k:{"name":"c"}' in child(owned(less)["two", "Apply", ""], "f:spec", "f:ports")


async def test_the_status_has_owners_of_its_own(kube: Kube, widgets: str) -> None:
    path = f"{widgets}/w"
    await kube.apply(path, widget("w"), "me")
    status: JSONObject = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Widget",
        "metadata": {"name": "w"},
        "status": {"seen": 1},
    }
    written = await kube.apply(f"{path}/status", status, "me")
    assert written.code == 200, written.body
    assert at(written.body, "status", "seen") == 1
    assert owned(written)["me", "Apply", "status"] == {"f:status": {"f:seen": {}}}


async def test_a_dry_apply_changes_nothing(kube: Kube, config_maps: str) -> None:
    dry = await kube.apply(f"{config_maps}/a", config("a", k="1"), "me", dryRun="All")
    assert dry.code == 201
    assert (await kube.get(f"{config_maps}/a")).code == 404


async def test_managed_fields_can_be_reset(kube: Kube, config_maps: str) -> None:
    path = f"{config_maps}/a"
    await kube.apply(path, config("a", k="1"), "me")
    reset = await kube.patch(path, {"metadata": {"managedFields": [{}]}})
    assert at(reset.body, "metadata", "managedFields") is None
