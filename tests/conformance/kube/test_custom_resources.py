"""Custom resources: their schema at work, their status, their definition's life."""

import pytest

from devcluster.kubeapi.documents import JSONObject, JSONValue, at, child, objects, text
from tests.conformance.kube.client import CRDS, Kube
from tests.conformance.kube.widgets import GROUP, crd, ready, widget


async def test_defaults_are_filled_in_and_nulls_dropped(kube: Kube, widgets: str) -> None:
    ports: list[JSONValue] = [{"name": "a"}]
    made = await kube.made(widgets, widget("w", ports=ports, note=None, mode=None, maybe=None))
    assert made.body["spec"] == {
        "size": 3,
        "note": "abc",
        "maybe": None,
        "ports": [{"name": "a", "port": 80}],
    }
    assert (made.body["apiVersion"], made.body["kind"]) == (f"{GROUP}/v1", "Widget")
    assert at(made.body, "metadata", "generation") == 1


async def test_unknown_fields_are_pruned_with_a_warning_or_refused(
    kube: Kube, widgets: str
) -> None:
    ports: list[JSONValue] = [{"name": "a", "extra": 1}]
    document = {**widget("w", more=1, ports=ports, free={"x": {"y": 1}}), "top": 1}
    made = await kube.post(widgets, document)
    assert made.code == 201
    assert set(made.warnings) == {
        '299 - "unknown field \\"spec.more\\""',
        '299 - "unknown field \\"spec.ports[0].extra\\""',
        '299 - "unknown field \\"top\\""',
    }
    assert at(made.body, "spec", "free") == {"x": {"y": 1}}
    assert "more" not in child(made.body, "spec")
    strict = await kube.post(widgets, document, fieldValidation="Strict")
    assert strict.refusal == (400, "BadRequest")


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        ({"size": 11}, ("FieldValueInvalid", "spec.size")),
        ({"size": "3"}, ("FieldValueTypeInvalid", "spec.size")),
        ({"note": "ABC"}, ("FieldValueInvalid", "spec.note")),
        ({"note": "abcdef"}, ("FieldValueTooLong", "spec.note")),
        ({"mode": "c"}, ("FieldValueNotSupported", "spec.mode")),
        ({"tags": ["xa", "xa"]}, ("FieldValueDuplicate", "spec.tags[1]")),
        ({"tags": ["x1", "x2", "x3", "x4"]}, ("FieldValueTooMany", "spec.tags")),
        ({"ports": [{"name": "a"}, {"name": "a"}]}, ("FieldValueDuplicate", "spec.ports[1]")),
        ({"ports": [{}]}, ("FieldValueRequired", "spec.ports[0].name")),
        ({"labels": {"a": 1}}, ("FieldValueTypeInvalid", "spec.labels.a")),
        ({"either": True}, ("FieldValueTypeInvalid", "spec.either")),
        ({"cap": 1}, ("FieldValueInvalid", "spec")),
        ({"tags": ["y"]}, ("FieldValueInvalid", "spec")),
        ({"uri": "spiffe://a/../b"}, ("FieldValueInvalid", "spec.uri")),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_the_schema_forbids_is_refused_and_the_field_named(
    kube: Kube, widgets: str, spec: JSONObject, cause: tuple[str, str]
) -> None:
    refused = await kube.post(widgets, widget("w", **spec))
    assert refused.refusal == (422, "Invalid")
    assert cause in refused.causes
    assert {field for _, field in refused.causes} <= {cause[1], "<nil>"}
    assert at(refused.body, "details", "kind") == "Widget"


async def test_messages_of_rules_are_the_authors(kube: Kube, widgets: str) -> None:
    refused = await kube.post(widgets, widget("w", cap=1, tags=["y"]))
    assert refused.body["message"] == (
        f'Widget.{GROUP} "w" is invalid: [spec: Invalid value: size must fit the cap,'
        " spec: Invalid value: failed rule:"
        " !has(self.tags) || self.tags.all(t, t.startsWith('x'))]"
    )


async def test_a_rule_about_a_change_looks_at_changes_only(kube: Kube, widgets: str) -> None:
    await kube.made(widgets, widget("w", fixed="a"))
    refused = await kube.patch(f"{widgets}/w", {"spec": {"fixed": "b"}})
    assert refused.causes == {("FieldValueInvalid", "spec.fixed")}
    assert (await kube.patch(f"{widgets}/w", {"spec": {"size": 5}})).code == 200


async def test_a_missing_required_field_is_refused(kube: Kube, widgets: str) -> None:
    refused = await kube.post(widgets, {**widget("w"), "spec": {}})
    assert ("FieldValueRequired", "spec.size") in refused.causes
    assert ("FieldValueInvalid", "<nil>") in refused.causes


async def test_kind_and_version_must_be_said_and_right(kube: Kube, widgets: str) -> None:
    for change in ({"kind": ""}, {"apiVersion": f"{GROUP}/v2"}):
        refused = await kube.post(widgets, {**widget("w"), **change})
        assert refused.refusal == (400, "BadRequest")
    refused = await kube.post(widgets, {**widget("w"), "kind": "Other"})
    assert (refused.code, refused.causes) == (422, {("FieldValueInvalid", "kind")})


async def test_a_replacement_must_say_what_it_replaces(kube: Kube, widgets: str) -> None:
    made = await kube.made(widgets, widget("w"))
    refused = await kube.put(f"{widgets}/w", widget("w"))
    assert refused.refusal == (422, "Invalid")
    assert refused.causes == {("FieldValueInvalid", "metadata.resourceVersion")}
    assert (await kube.put(f"{widgets}/w", made.body)).code == 200


async def test_the_status_is_apart_from_the_rest(kube: Kube, widgets: str) -> None:
    made = await kube.made(widgets, {**widget("w"), "status": {"seen": 1}})
    assert "status" not in made.body
    change: JSONObject = {
        "metadata": {"labels": {"l": "x"}},
        "spec": {"size": 4},
        "status": {"seen": 2},
    }
    status = await kube.patch(f"{widgets}/w/status", change)
    assert (at(status.body, "spec", "size"), at(status.body, "status", "seen")) == (3, 2)
    assert at(status.body, "metadata", "labels") is None
    spec = await kube.patch(f"{widgets}/w", {**change, "status": {"seen": 3}})
    assert (at(spec.body, "spec", "size"), at(spec.body, "status", "seen")) == (4, 2)
    whole = await kube.put(f"{widgets}/w/status", {**spec.body, "status": {"seen": 4}})
    assert at(whole.body, "status", "seen") == 4


async def test_only_the_spec_moves_the_generation(kube: Kube, widgets: str) -> None:
    await kube.made(widgets, widget("w"))

    async def generation(path: str, patch: JSONObject) -> JSONValue:
        return at((await kube.patch(path, patch)).body, "metadata", "generation")

    assert await generation(f"{widgets}/w", {"metadata": {"labels": {"l": "x"}}}) == 1
    assert await generation(f"{widgets}/w/status", {"status": {"seen": 1}}) == 1
    assert await generation(f"{widgets}/w", {"spec": {"size": 3}}) == 1
    assert await generation(f"{widgets}/w", {"spec": {"size": 4}}) == 2
    finalizers: JSONObject = {"metadata": {"finalizers": ["example.com/wait"]}}
    assert await generation(f"{widgets}/w", finalizers) == 2
    going = await kube.delete(f"{widgets}/w")
    assert at(going.body, "metadata", "generation") == 3
    await kube.patch(f"{widgets}/w", {"metadata": {"finalizers": None}})
    await kube.until_gone(f"{widgets}/w")


async def test_a_definition_tells_when_its_kind_is_served(kube: Kube, widgets: str) -> None:
    found = await kube.get(f"{CRDS}/widgets.{GROUP}")
    conditions = {
        text(entry, "type"): text(entry, "status")
        for entry in objects(found.body, "status", "conditions")
    }
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert at(found.body, "status", "storedVersions") == ["v1"]
    assert at(found.body, "status", "acceptedNames", "listKind") == "WidgetList"
    listed = await kube.get(widgets)
    assert listed.body["kind"] == "WidgetList"


async def test_two_groups_may_share_a_plural(kube: Kube, namespace: str, widgets: str) -> None:
    group = f"other.{GROUP}"
    await ready(kube, crd(kind="WIDGET", group=group))
    other = f"/apis/{group}/v1/namespaces/{namespace}/widgets"
    await kube.made(widgets, widget("a"))
    document = {**widget("b"), "apiVersion": f"{group}/v1", "kind": "WIDGET"}
    await kube.made(other, document)
    assert (await kube.get(widgets)).names == ["a"]
    assert (await kube.get(other)).names == ["b"]
    assert (await kube.get(f"{other}/b")).body["kind"] == "WIDGET"


async def test_a_definition_takes_its_objects_with_it(kube: Kube, namespace: str) -> None:
    await ready(kube, crd("gadgets", "Gadget"))
    path = f"/apis/{GROUP}/v1/namespaces/{namespace}/gadgets"
    await kube.made(path, {**widget("a"), "kind": "Gadget"})
    async with kube.watch(path) as events:
        assert await events.take(1) == [("ADDED", "a")]
        await kube.delete(f"{CRDS}/gadgets.{GROUP}")
        kinds = [kind for kind, _ in await events.rest()]
    assert "DELETED" in kinds
    await kube.until_gone(f"{CRDS}/gadgets.{GROUP}")
    await kube.until_gone(path)


async def test_a_misnamed_definition_is_refused(kube: Kube) -> None:
    definition = crd()
    child(definition, "metadata")["name"] = "others.example.com"
    refused = await kube.post(CRDS, definition)
    assert refused.refusal == (422, "Invalid")
    assert "metadata.name" in {field for _, field in refused.causes}


async def test_items_of_a_list_say_what_they_are(kube: Kube, widgets: str) -> None:
    await kube.made(widgets, widget("a"))
    items = (await kube.get(widgets)).items
    assert [(item["kind"], item["apiVersion"]) for item in items] == [("Widget", f"{GROUP}/v1")]
