"""Making, reading, replacing and deleting objects of the built-in kinds."""

import pytest

from devcluster.kubeapi.documents import JSONObject, at, child, text
from tests.conformance.kube.client import MERGE, STRATEGIC, Kube


def config_map(name: str, **data: str) -> JSONObject:
    return {"metadata": {"name": name}, "data": dict(data)}


def pod(name: str, **labels: str) -> JSONObject:
    return {
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": {"containers": [{"name": "main", "image": "example.org/app:1"}]},
    }


async def test_a_created_object_gets_its_identity_and_can_be_read_back(
    kube: Kube, config_maps: str, namespace: str
) -> None:
    made = await kube.post(config_maps, config_map("a", key="value"))
    assert made.code == 201
    meta = child(made.body, "metadata")
    assert (made.body["kind"], made.body["apiVersion"]) == ("ConfigMap", "v1")
    assert (meta["name"], meta["namespace"]) == ("a", namespace)
    assert len(made.uid) == 36
    assert text(meta, "creationTimestamp").endswith("Z")
    assert "generation" not in meta
    read = await kube.get(f"{config_maps}/a")
    assert (read.code, read.body) == (200, made.body)


async def test_what_the_server_sets_cannot_be_brought_along(kube: Kube, config_maps: str) -> None:
    document = config_map("a")
    child(document, "metadata").update(
        {"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z", "generation": 7}
    )
    made = await kube.made(config_maps, document)
    assert made.uid != "mine"
    assert not text(made.body, "metadata", "creationTimestamp").startswith("2001")
    child(document, "metadata").update({"name": "b", "resourceVersion": "5"})
    refused = await kube.post(config_maps, document)
    assert refused.code == 500
    assert "resourceVersion should not be set" in text(refused.body, "message")


async def test_a_taken_name_is_refused(kube: Kube, config_maps: str) -> None:
    await kube.made(config_maps, config_map("a"))
    again = await kube.post(config_maps, config_map("a"))
    assert again.refusal == (409, "AlreadyExists")
    assert again.body["message"] == 'configmaps "a" already exists'
    assert again.body["details"] == {"name": "a", "kind": "configmaps"}


async def test_generate_name_makes_different_names(kube: Kube, config_maps: str) -> None:
    document: JSONObject = {"metadata": {"generateName": "made-"}}
    names = {text((await kube.made(config_maps, document)).body, "metadata", "name") for _ in "12"}
    assert len(names) == 2
    assert all(name.startswith("made-") and len(name) == 10 for name in names)


async def test_what_is_missing_is_not_found(kube: Kube, config_maps: str) -> None:
    missing = await kube.get(f"{config_maps}/a")
    assert missing.refusal == (404, "NotFound")
    assert missing.body["message"] == 'configmaps "a" not found'
    assert (await kube.put(f"{config_maps}/a", config_map("a"))).refusal == (404, "NotFound")
    assert (await kube.delete(f"{config_maps}/a")).refusal == (404, "NotFound")
    assert (await kube.patch(f"{config_maps}/a", {})).refusal == (404, "NotFound")


async def test_a_missing_namespace_is_not_found(kube: Kube) -> None:
    refused = await kube.post("/api/v1/namespaces/nowhere/configmaps", config_map("a"))
    assert refused.refusal == (404, "NotFound")
    assert refused.body["message"] == 'namespaces "nowhere" not found'


@pytest.mark.parametrize("path", ["/apis/none.example.com/v1/things", "/api/v1/things"])
async def test_a_kind_that_is_not_served_is_not_found(kube: Kube, path: str) -> None:
    assert (await kube.get(path)).code == 404


@pytest.mark.parametrize("name", ["A", "a_b", "-a", "a.", "a" * 254, ""])
async def test_a_bad_name_is_refused_and_the_field_named(
    kube: Kube, config_maps: str, name: str
) -> None:
    refused = await kube.post(config_maps, config_map(name))
    assert refused.refusal == (422, "Invalid")
    assert {field for _, field in refused.causes} == {"metadata.name"}


@pytest.mark.parametrize(
    "labels", [{"a b": "x"}, {"a": "b c"}, {"a": "x" * 64}, {"/a": "x"}, {"a/b/c": "x"}]
)
async def test_bad_labels_are_refused(kube: Kube, config_maps: str, labels: dict[str, str]) -> None:
    document: JSONObject = {"metadata": {"name": "a", "labels": {**labels}}}
    refused = await kube.post(config_maps, document)
    assert refused.refusal == (422, "Invalid")
    assert {field for _, field in refused.causes} == {"metadata.labels"}


async def test_an_owner_must_be_named_in_full(kube: Kube, config_maps: str) -> None:
    owner: JSONObject = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": ""}
    document: JSONObject = {"metadata": {"name": "a", "ownerReferences": [owner]}}
    refused = await kube.post(config_maps, document)
    assert refused.refusal == (422, "Invalid")
    assert {field for _, field in refused.causes} == {"metadata.ownerReferences.uid"}


async def test_a_value_of_the_wrong_type_is_refused(kube: Kube, config_maps: str) -> None:
    refused = await kube.post(config_maps, {"metadata": {"name": "a"}, "data": {"k": 1}})
    assert refused.refusal == (400, "BadRequest")
    assert "cannot unmarshal number into Go struct field ConfigMap.data" in text(
        refused.body, "message"
    )


async def test_a_body_of_another_kind_is_refused(kube: Kube, config_maps: str) -> None:
    document: JSONObject = {"kind": "Secret", "apiVersion": "v1", **config_map("a")}
    assert (await kube.post(config_maps, document)).refusal == (400, "BadRequest")
    assert (await kube.request("POST", config_maps, b"{nonsense")).refusal == (400, "BadRequest")


async def test_unknown_fields_are_dropped_with_a_warning_or_refused(
    kube: Kube, config_maps: str
) -> None:
    document: JSONObject = {"metadata": {"name": "a", "extra": 1}, "more": 2}
    made = await kube.post(config_maps, document)
    assert made.code == 201
    assert "more" not in made.body
    assert set(made.warnings) == {
        '299 - "unknown field \\"metadata.extra\\""',
        '299 - "unknown field \\"more\\""',
    }
    quiet = await kube.post(
        config_maps, {**document, "metadata": {"name": "b"}}, fieldValidation="Ignore"
    )
    assert (quiet.code, quiet.warnings) == (201, ())
    strict = await kube.post(config_maps, document, fieldValidation="Strict")
    assert strict.refusal == (400, "BadRequest")
    assert 'strict decoding error: unknown field "metadata.extra", unknown field "more"' in text(
        strict.body, "message"
    )


async def test_a_replacement_replaces_and_a_stale_one_conflicts(
    kube: Kube, config_maps: str
) -> None:
    first = await kube.made(config_maps, config_map("a", key="1"))
    child(first.body, "data")["key"] = "2"
    second = await kube.put(f"{config_maps}/a", first.body)
    assert second.code == 200
    assert second.uid == first.uid
    assert int(second.revision) > int(first.revision)
    stale = await kube.put(f"{config_maps}/a", first.body)
    assert stale.refusal == (409, "Conflict")
    assert "the object has been modified" in text(stale.body, "message")
    blind = await kube.put(f"{config_maps}/a", config_map("a", other="3"))
    assert (blind.code, blind.body["data"]) == (200, {"other": "3"})


async def test_a_replacement_of_another_object_is_refused(kube: Kube, config_maps: str) -> None:
    await kube.made(config_maps, config_map("a"))
    assert (await kube.put(f"{config_maps}/a", config_map("b"))).refusal == (400, "BadRequest")
    document = config_map("a")
    child(document, "metadata")["uid"] = "another"
    assert (await kube.put(f"{config_maps}/a", document)).refusal == (409, "Conflict")


async def test_a_write_that_changes_nothing_keeps_the_revision(
    kube: Kube, config_maps: str
) -> None:
    first = await kube.made(config_maps, config_map("a", key="1"))
    assert (await kube.put(f"{config_maps}/a", first.body)).revision == first.revision
    same = await kube.patch(f"{config_maps}/a", {"data": {"key": "1"}})
    assert same.revision == first.revision


async def test_a_dry_run_answers_and_changes_nothing(kube: Kube, config_maps: str) -> None:
    dry = await kube.post(config_maps, config_map("a"), dryRun="All")
    assert dry.code == 201
    assert dry.uid
    assert (await kube.get(f"{config_maps}/a")).code == 404
    made = await kube.made(config_maps, config_map("a", key="1"))
    patched = await kube.patch(f"{config_maps}/a", {"data": {"key": "2"}}, dryRun="All")
    assert at(patched.body, "data", "key") == "2"
    assert (await kube.delete(f"{config_maps}/a", dryRun="All")).code == 200
    assert (await kube.get(f"{config_maps}/a")).body == made.body
    assert (await kube.post(config_maps, config_map("b"), dryRun="Some")).code in {400, 422}


async def test_a_deletion_tells_what_it_deleted(kube: Kube, config_maps: str) -> None:
    made = await kube.made(config_maps, config_map("a"))
    gone = await kube.delete(f"{config_maps}/a")
    assert gone.code == 200
    assert gone.body["status"] == "Success"
    assert gone.body["details"] == {"name": "a", "kind": "configmaps", "uid": made.uid}


async def test_a_deletion_may_name_uid_and_revision(kube: Kube, config_maps: str) -> None:
    made = await kube.made(config_maps, config_map("a"))
    for wrong in ({"uid": "another"}, {"resourceVersion": "1"}):
        refused = await kube.delete(f"{config_maps}/a", {"preconditions": {**wrong}})
        assert refused.refusal == (409, "Conflict")
    right: JSONObject = {"uid": made.uid, "resourceVersion": made.revision}
    assert (await kube.delete(f"{config_maps}/a", {"preconditions": right})).code == 200


async def test_a_finalizer_holds_an_object_back_and_none_can_be_added_then(
    kube: Kube, config_maps: str
) -> None:
    document = config_map("a")
    child(document, "metadata")["finalizers"] = ["example.com/wait"]
    made = await kube.made(config_maps, document)
    going = await kube.delete(f"{config_maps}/a")
    assert (going.code, going.uid) == (200, made.uid)
    assert text(going.body, "metadata", "deletionTimestamp")
    assert at(going.body, "metadata", "deletionGracePeriodSeconds") == 0
    again = await kube.delete(f"{config_maps}/a")
    assert again.revision == going.revision
    more: JSONObject = {"metadata": {"finalizers": ["example.com/wait", "example.com/more"]}}
    refused = await kube.patch(f"{config_maps}/a", more)
    assert refused.refusal == (422, "Invalid")
    assert refused.causes == {("FieldValueForbidden", "metadata.finalizers")}
    assert (await kube.patch(f"{config_maps}/a", {"metadata": {"finalizers": None}})).code == 200
    assert (await kube.get(f"{config_maps}/a")).code == 404


async def test_a_collection_is_deleted_by_its_labels(kube: Kube, config_maps: str) -> None:
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        document: JSONObject = {"metadata": {"name": name, "labels": {"l": label}}}
        await kube.made(config_maps, document)
    gone = await kube.delete(config_maps, labelSelector="l=x")
    assert (gone.body["kind"], gone.names) == ("ConfigMapList", ["a", "b"])
    assert (await kube.get(config_maps, labelSelector="l")).names == ["c"]


async def test_a_verb_that_makes_no_sense_is_not_allowed(kube: Kube, config_maps: str) -> None:
    assert (await kube.put(config_maps, {})).refusal == (405, "MethodNotAllowed")
    assert (await kube.post(f"{config_maps}/a", {})).refusal == (405, "MethodNotAllowed")


async def test_formats_that_nobody_speaks_are_refused(kube: Kube, config_maps: str) -> None:
    headers = {"Content-Type": "text/plain"}
    refused = await kube.request("POST", config_maps, b"x", headers)
    assert refused.refusal == (415, "UnsupportedMediaType")
    refused = await kube.request("PATCH", f"{config_maps}/a", b"{}", headers)
    assert refused.refusal == (415, "UnsupportedMediaType")
    assert (await kube.get(config_maps, "application/xml")).refusal == (406, "NotAcceptable")


async def test_a_pod_is_completed_and_counts_its_generations(kube: Kube, pods: str) -> None:
    made = await kube.made(pods, pod("a", app="x"))
    assert at(made.body, "status", "phase") == "Pending"
    assert at(made.body, "spec", "restartPolicy") == "Always"
    assert at(made.body, "metadata", "generation") == 1
    refused = await kube.post(pods, {"metadata": {"name": "b"}, "spec": {"containers": []}})
    assert refused.causes == {("FieldValueRequired", "spec.containers")}


async def test_the_status_of_a_pod_is_written_through_its_own_path(kube: Kube, pods: str) -> None:
    await kube.made(pods, pod("a"))
    change: JSONObject = {"status": {"phase": "Running", "podIP": "10.1.2.3"}}
    ignored = await kube.patch(f"{pods}/a", change)
    assert at(ignored.body, "status", "phase") == "Pending"
    written = await kube.patch(f"{pods}/a/status", change, STRATEGIC)
    assert at(written.body, "status", "phase") == "Running"
    assert at(written.body, "metadata", "generation") == 1
    assert at((await kube.get(f"{pods}/a/status")).body, "status", "podIP") == "10.1.2.3"


async def test_a_pod_is_bound_once_and_lingers_on_its_node(kube: Kube, pods: str) -> None:
    await kube.made(pods, pod("a"))
    binding: JSONObject = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "a"},
        "target": {"kind": "Node", "name": "somewhere"},
    }
    bound = await kube.post(f"{pods}/a/binding", binding)
    assert (bound.code, bound.body["status"]) == (201, "Success")
    assert (await kube.post(f"{pods}/a/binding", binding)).code == 409
    assert at((await kube.get(f"{pods}/a")).body, "spec", "nodeName") == "somewhere"
    going = await kube.delete(f"{pods}/a")
    assert at(going.body, "metadata", "deletionGracePeriodSeconds") == 30
    assert (await kube.get(f"{pods}/a")).code == 200
    await kube.delete(f"{pods}/a", {"gracePeriodSeconds": 0})
    assert (await kube.get(f"{pods}/a")).code == 404


async def test_an_unscheduled_pod_goes_at_once(kube: Kube, pods: str) -> None:
    made = await kube.made(pods, pod("a"))
    gone = await kube.delete(f"{pods}/a")
    assert (gone.body["kind"], gone.uid) == ("Pod", made.uid)
    assert (await kube.get(f"{pods}/a")).code == 404


async def test_an_event_is_the_same_in_both_of_its_groups(kube: Kube, namespace: str) -> None:
    document: JSONObject = {
        "metadata": {"name": "a"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": namespace},
        "reason": "Tested",
        "message": "words",
        "type": "Normal",
    }
    made = await kube.made(f"/api/v1/namespaces/{namespace}/events", document)
    other = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events/a"
    shown = await kube.get(other)
    assert shown.uid == made.uid
    assert (shown.body["apiVersion"], shown.body["note"]) == ("events.k8s.io/v1", "words")
    assert at(shown.body, "regarding", "name") == "p"


async def test_lease_times_keep_their_microseconds(kube: Kube, namespace: str) -> None:
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    spec: JSONObject = {"holderIdentity": "me", "renewTime": "2024-05-06T07:08:09.123456Z"}
    made = await kube.made(leases, {"metadata": {"name": "a"}, "spec": spec})
    assert made.body["spec"] == spec
    assert made.body["apiVersion"] == "coordination.k8s.io/v1"


async def test_a_body_may_be_yaml(kube: Kube, config_maps: str) -> None:
    body = b"kind: ConfigMap\napiVersion: v1\nmetadata: {name: a}\ndata: {k: 'yes'}\n"
    headers = {"Content-Type": "application/yaml"}
    made = await kube.request("POST", config_maps, body, headers)
    assert (made.code, made.body["data"]) == (201, {"k": "yes"})


async def test_a_null_takes_a_field_away(kube: Kube, config_maps: str) -> None:
    await kube.made(config_maps, config_map("a", key="1", other="2"))
    patched = await kube.patch(f"{config_maps}/a", {"data": {"key": None}}, MERGE)
    assert patched.body["data"] == {"other": "2"}
