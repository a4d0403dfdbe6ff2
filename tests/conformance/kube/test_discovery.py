"""Discovery, OpenAPI, tables: what clients learn about kinds, and other shapes of objects."""

import pytest

from devcluster.kubeapi.documents import JSONObject, JSONValue, at, child, objects, seq, text, texts
from tests.conformance.kube.client import TABLE, Answer, Kube
from tests.conformance.kube.widgets import GROUP, widget
from tests.support.waiting import eventually

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
PARTIAL = "application/json;as=PartialObjectMetadata{};v=v1;g=meta.k8s.io"

KINDS = {
    "": "configmaps endpoints events namespaces nodes pods secrets serviceaccounts services",
    "admissionregistration.k8s.io": "validatingwebhookconfigurations",
    "apiextensions.k8s.io": "customresourcedefinitions",
    "apps": "daemonsets deployments replicasets statefulsets",
    "batch": "jobs",
    "coordination.k8s.io": "leases",
    "discovery.k8s.io": "endpointslices",
    "events.k8s.io": "events",
    "networking.k8s.io": "networkpolicies",
    "policy": "poddisruptionbudgets",
    "rbac.authorization.k8s.io": "clusterrolebindings clusterroles rolebindings roles",
    "scheduling.k8s.io": "priorityclasses",
    "storage.k8s.io": "csidrivers",
}


@pytest.mark.parametrize("group", KINDS, ids=lambda group: group or "core")
async def test_a_group_lists_its_kinds(kube: Kube, group: str) -> None:
    path = f"/apis/{group}/v1" if group else "/api/v1"
    found = await kube.get(path)
    assert found.body["kind"] == "APIResourceList"
    listed = {text(entry, "name"): entry for entry in objects(found.body, "resources")}
    assert set(KINDS[group].split()) <= set(listed)
    for name in KINDS[group].split():
        assert {"create", "delete", "get", "list", "patch", "update", "watch"} <= set(
            texts(listed[name], "verbs")
        )


@pytest.mark.usefixtures("widgets")
async def test_the_aggregated_form_says_the_same_in_one_answer(kube: Kube) -> None:
    groups: dict[str, JSONObject] = {}
    for path in ("/api", "/apis"):
        found = await kube.get(path, AGGREGATED)
        assert "as=APIGroupDiscoveryList" in found.content_type
        assert found.body["apiVersion"] == "apidiscovery.k8s.io/v2"
        groups = {text(item, "metadata", "name"): item for item in objects(found.body, "items")}
        for group, names in KINDS.items():
            if (path == "/api") == (group == ""):
                version = objects(groups[group], "versions")[0]
                listed = {text(entry, "resource") for entry in objects(version, "resources")}
                assert set(names.split()) <= listed
    version = objects(groups[GROUP], "versions")[0]
    widgets_entry = next(
        entry for entry in objects(version, "resources") if text(entry, "resource") == "widgets"
    )
    assert widgets_entry["scope"] == "Namespaced"
    assert at(widgets_entry, "responseKind", "kind") == "Widget"
    assert [text(s, "subresource") for s in objects(widgets_entry, "subresources")] == ["status"]


async def test_groups_name_the_version_that_they_prefer(kube: Kube) -> None:
    found = await kube.get("/apis")
    assert found.body["kind"] == "APIGroupList"
    groups = {text(group, "name"): group for group in objects(found.body, "groups")}
    assert at(groups["apps"], "preferredVersion", "groupVersion") == "apps/v1"
    assert (await kube.get("/apis/apps")).body["kind"] == "APIGroup"
    assert at((await kube.get("/api")).body, "versions") == ["v1"]
    assert text((await kube.get("/version")).body, "gitVersion").startswith("v")


@pytest.mark.usefixtures("widgets")
async def test_openapi_describes_a_custom_kind(kube: Kube) -> None:
    found: list[JSONValue] = []
    document = Answer(0, {})

    async def is_described() -> bool:
        nonlocal document
        index = await kube.get("/openapi/v3")
        url = text(index.body, "paths", f"apis/{GROUP}/v1", "serverRelativeURL")
        if not url:
            return False
        document = await kube.get(url.partition("?")[0])
        found[:] = [
            schema
            for schema in child(document.body, "components", "schemas").values()
            if {"group": GROUP, "version": "v1", "kind": "Widget"}
            in seq(at(schema, "x-kubernetes-group-version-kind"))
        ]
        return bool(found)

    await eventually(is_described)
    assert len(found) == 1
    size = child(found[0], "properties", "spec", "properties", "size")
    assert (size["type"], size["description"]) == ("integer", "How big it is.")
    path = f"/apis/{GROUP}/v1/namespaces/{{namespace}}/widgets/{{name}}"
    parameters = objects(document.body, "paths", path, "patch", "parameters")
    assert "fieldValidation" in {text(parameter, "name") for parameter in parameters}


async def test_a_table_has_the_columns_of_the_definition(kube: Kube, widgets: str) -> None:
    await kube.made(widgets, widget("w"))
    status: JSONObject = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    await kube.patch(f"{widgets}/w/status", status)
    for path in (widgets, f"{widgets}/w"):
        table = await kube.get(path, TABLE)
        assert (table.body["kind"], table.body["apiVersion"]) == ("Table", "meta.k8s.io/v1")
        columns = objects(table.body, "columnDefinitions")
        assert [(text(column, "name"), column["priority"]) for column in columns] == [
            ("Name", 0),
            ("Size", 0),
            ("Ready", 0),
            ("Note", 1),
            ("Age", 0),
        ]
        row = objects(table.body, "rows")[0]
        assert seq(row["cells"])[:4] == ["w", 3, "True", "abc"]
        assert at(row, "object", "kind") == "PartialObjectMetadata"
        assert at(row, "object", "metadata", "name") == "w"


COLUMNS = {
    "/api/v1/pods": "Name Ready Status Restarts Age IP Node Nominated|Node Readiness|Gates",
    "/api/v1/nodes": (
        "Name Status Roles Age Version Internal-IP External-IP OS-Image Kernel-Version"
        " Container-Runtime"
    ),
    "/api/v1/namespaces": "Name Status Age",
    "/api/v1/events": (
        "Last|Seen Type Reason Object Subobject Source Message First|Seen Count Name"
    ),
    "/api/v1/configmaps": "Name Data Age",
    "/api/v1/secrets": "Name Type Data Age",
    "/api/v1/services": "Name Type Cluster-IP External-IP Port(s) Age Selector",
    "/api/v1/serviceaccounts": "Name Age",
    "/api/v1/endpoints": "Name Endpoints Age",
    "/apis/apps/v1/deployments": ("Name Ready Up-to-date Available Age Containers Images Selector"),
    "/apis/coordination.k8s.io/v1/leases": "Name Holder Age",
    "/apis/discovery.k8s.io/v1/endpointslices": "Name AddressType Ports Endpoints Age",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles": "Name Created|At",
    "/apis/rbac.authorization.k8s.io/v1/rolebindings": (
        "Name Role Age Users Groups ServiceAccounts"
    ),
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": "Name Created|At",
    "/apis/policy/v1/poddisruptionbudgets": (
        "Name Min|Available Max|Unavailable Allowed|Disruptions Age"
    ),
    "/apis/storage.k8s.io/v1/csidrivers": (
        "Name AttachRequired PodInfoOnMount StorageCapacity TokenRequests RequiresRepublish"
        " Modes Age"
    ),
}


@pytest.mark.parametrize("path", COLUMNS)
async def test_built_in_kinds_have_their_usual_columns(kube: Kube, path: str) -> None:
    table = await kube.get(path, TABLE)
    names = [text(column, "name") for column in objects(table.body, "columnDefinitions")]
    assert names == [name.replace("|", " ") for name in COLUMNS[path].split()]


async def test_bare_metadata_can_be_had(kube: Kube, widgets: str) -> None:
    made = await kube.made(widgets, widget("w"))
    one = await kube.get(f"{widgets}/w", PARTIAL.format(""))
    assert (one.body["kind"], one.uid) == ("PartialObjectMetadata", made.uid)
    assert "spec" not in one.body
    many = await kube.get(widgets, PARTIAL.format("List"))
    assert (many.body["kind"], many.names) == ("PartialObjectMetadataList", ["w"])


async def test_everyone_is_told_whether_they_may(kube: Kube) -> None:
    review: JSONObject = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}},
    }
    answer = await kube.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert (answer.code, at(answer.body, "status", "allowed")) == (201, True)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez"])
async def test_the_server_says_that_it_is_well(kube: Kube, path: str) -> None:
    assert (await kube.get(path, "text/plain")).code == 200
