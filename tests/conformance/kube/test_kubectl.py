"""The stock kubectl against both servers: every verb that a person uses."""

import asyncio
import json
from pathlib import Path

import pytest

from devcluster.kubeapi.documents import JSONObject, at
from tests.conformance.kube.client import Kube, Kubectl
from tests.conformance.kube.widgets import GROUP, widget

pytestmark = pytest.mark.real  # the embedded server too is driven by the binary that was built

MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: a, labels: {app: x}}
data: {one: "1", two: "2"}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {password: secret}
"""


def manifest(name: str, **spec: object) -> str:
    return json.dumps({**widget(name), "spec": {"size": 3, **spec}})


async def test_apply_makes_changes_and_leaves_things_alone(kubectl: Kubectl) -> None:
    out = await kubectl("apply", "-f", "-", stdin=MANIFEST)
    assert out.split("\n")[:2] == ["configmap/a created", "secret/s created"]
    out = await kubectl("apply", "-f", "-", stdin=MANIFEST)
    assert out.split("\n")[:2] == ["configmap/a unchanged", "secret/s configured"]
    assert await kubectl("get", "secret", "s", "-o", "jsonpath={.data.password}") == "c2VjcmV0"
    less = MANIFEST.replace(', two: "2"', ', three: "3"')
    assert "configmap/a configured" in await kubectl("apply", "-f", "-", stdin=less)
    shown: JSONObject = json.loads(await kubectl("get", "cm", "a", "-o", "json"))
    assert shown["data"] == {"one": "1", "three": "3"}


@pytest.mark.usefixtures("widgets")
async def test_apply_changes_custom_resources(kubectl: Kubectl) -> None:
    out = await kubectl("apply", "-f", "-", stdin=manifest("w", note="abc"))
    assert out == f"widget.{GROUP}/w created\n"
    out = await kubectl("apply", "-f", "-", stdin=manifest("w", size=4))
    assert out == f"widget.{GROUP}/w configured\n"
    assert await kubectl("get", "widget", "w", "-o", "jsonpath={.spec.size}") == "4"
    assert "no changes" not in await kubectl("diff", "-f", "-", stdin=manifest("w", size=4))


async def test_kustomize_is_applied(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(MANIFEST)
    (tmp_path / "kustomization.yaml").write_text("resources: [all.yaml]\nnamePrefix: my-\n")
    out = await kubectl("apply", "-k", str(tmp_path))
    assert out.split("\n")[:2] == ["configmap/my-a created", "secret/my-s created"]


@pytest.mark.usefixtures("widgets")
async def test_server_side_apply_reports_conflicts(kubectl: Kubectl) -> None:
    apply = ("apply", "--server-side", "-f", "-")
    out = await kubectl(*apply, "--field-manager=one", stdin=manifest("w"))
    assert out == f"widget.{GROUP}/w serverside-applied\n"
    refused = await kubectl.run(*apply, "--field-manager=two", stdin=manifest("w", size=4))
    assert refused.code == 1
    assert 'conflict with "one": .spec.size' in refused.err
    forced = (*apply, "--field-manager=two", "--force-conflicts")
    assert "serverside-applied" in await kubectl(*forced, stdin=manifest("w", size=4))


async def test_server_side_apply_takes_over_from_client_side(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=MANIFEST)
    changed = MANIFEST.replace(', two: "2"', "")
    await kubectl("apply", "--server-side", "-f", "-", stdin=changed)
    shown: JSONObject = json.loads(await kubectl("get", "cm", "a", "-o", "json"))
    assert shown["data"] == {"one": "1"}


@pytest.mark.usefixtures("widgets")
async def test_refusals_are_printed_for_people(kubectl: Kubectl) -> None:
    refused = await kubectl.run("apply", "-f", "-", stdin=manifest("w", size=11))
    assert refused.code == 1
    assert 'The Widget "w" is invalid: spec.size: Invalid value: 11' in refused.err
    refused = await kubectl.run("apply", "-f", "-", stdin=manifest("w", unknown=1))
    assert 'unknown field "spec.unknown"' in refused.err
    missing = await kubectl.run("get", "widget", "none")
    assert missing.err == f'Error from server (NotFound): widgets.{GROUP} "none" not found\n'


@pytest.mark.usefixtures("widgets")
async def test_get_shows_tables_and_several_kinds_at_once(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", stdin=MANIFEST)
    await kubectl("apply", "-f", "-", stdin=manifest("w"))
    out = await kubectl("get", "widgets", "-o", "wide")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["NAME", "SIZE", "READY", "NOTE", "AGE"]
    assert lines[1][:3] == ["w", "3", "abc"]
    out = await kubectl("get", f"cm,secrets,widgets.{GROUP}", "--no-headers", "-o", "name")
    assert {"configmap/a", "secret/s", f"widget.{GROUP}/w"} <= set(out.split())
    out = await kubectl("get", "cm", "-l", "app=x", "--show-labels", "--no-headers")
    assert out.split()[0] == "a"
    assert "app=x" in out
    assert (await kubectl("get", "cm", "a", "-o", "yaml")).startswith("apiVersion: v1\ndata:\n")


async def test_describe_shows_the_object_and_its_events(
    kube: Kube, kubectl: Kubectl, namespace: str, widgets: str
) -> None:
    made = await kube.made(widgets, widget("w"))
    involved: JSONObject = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Widget",
        "name": "w",
        "namespace": namespace,
        "uid": made.uid,
    }
    event: JSONObject = {
        "metadata": {"name": "w.1"},
        "involvedObject": involved,
        "reason": "Measured",
        "message": "it is small",
        "type": "Warning",
        "count": 1,
        "firstTimestamp": "2024-01-01T00:00:00Z",
        "lastTimestamp": "2024-01-01T00:00:00Z",
        "source": {"component": "ruler"},
    }
    await kube.made(f"/api/v1/namespaces/{namespace}/events", event)
    out = await kubectl("describe", "widget", "w")
    assert "Kind:         Widget" in out
    assert "Measured" in out
    assert "it is small" in out
    out = await kubectl("get", "events")
    assert "widget/w" in out
    out = await kubectl("events", "--for", "widget/w")
    assert "it is small" in out


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("merge", '{"spec":{"size":5}}'),
        ("json", '[{"op":"replace","path":"/spec/size","value":5}]'),
    ],
)
@pytest.mark.usefixtures("widgets")
async def test_patch_changes_a_custom_resource(kubectl: Kubectl, kind: str, patch: str) -> None:
    await kubectl("create", "-f", "-", stdin=manifest("w"))
    out = await kubectl("patch", "widget", "w", "--type", kind, "-p", patch)
    assert out == f"widget.{GROUP}/w patched\n"
    assert await kubectl("get", "widget", "w", "-o", "jsonpath={.spec.size}") == "5"


async def test_patch_is_strategic_for_built_in_kinds(kubectl: Kubectl) -> None:
    await kubectl("run", "p", "--image=example.org/a:1", "--env=A=1")
    patch = '{"spec":{"containers":[{"name":"p","image":"example.org/a:2"}]}}'
    await kubectl("patch", "pod", "p", "-p", patch)
    path = "jsonpath={.spec.containers[0].image} {.spec.containers[0].env[0].value}"
    assert await kubectl("get", "pod", "p", "-o", path) == "example.org/a:2 1"
    status = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
    await kubectl("patch", "pod", "p", "--subresource=status", "-p", status)
    await kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=90s")
    await kubectl("delete", "pod", "p")


@pytest.mark.usefixtures("widgets")
async def test_edit_opens_an_editor_and_saves(kubectl: Kubectl, tmp_path: Path) -> None:
    await kubectl("create", "-f", "-", stdin=manifest("w"))
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/size: 3/size: 7/' \"$1\"\n")
    editor.chmod(0o755)
    out = await kubectl("edit", "widget", "w", EDITOR=str(editor))
    assert out == f"widget.{GROUP}/w edited\n"
    assert await kubectl("get", "widget", "w", "-o", "jsonpath={.spec.size}") == "7"


@pytest.mark.usefixtures("widgets")
async def test_replace_label_and_annotate(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=manifest("w"))
    assert "labeled" in await kubectl("label", "widget", "w", "color=red")
    refused = await kubectl.run("label", "widget", "w", "color=blue")
    assert "--overwrite is false" in refused.err
    assert "unlabeled" in await kubectl("label", "widget", "w", "color-")
    assert "annotated" in await kubectl("annotate", "widget", "w", "why=because")
    found: JSONObject = json.loads(await kubectl("get", "widget", "w", "-o", "json"))
    assert at(found, "metadata", "annotations", "why") == "because"
    found["spec"] = {"size": 9}
    assert "replaced" in await kubectl("replace", "-f", "-", stdin=json.dumps(found))


async def test_create_makes_built_in_kinds(kubectl: Kubectl, namespace: str) -> None:
    await kubectl("create", "configmap", "c", "--from-literal=k=v")
    assert await kubectl("get", "cm", "c", "-o", "jsonpath={.data.k}") == "v"
    await kubectl("create", "secret", "generic", "s", "--from-literal=k=v")
    assert await kubectl("get", "secret", "s", "-o", "jsonpath={.data.k} {.type}") == "dg== Opaque"
    await kubectl(
        "create", "deployment", "d", "--image=example.org/a:1", "--replicas=2", "--port=80"
    )
    path = "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].ports[0].containerPort}"
    assert await kubectl("get", "deployment", "d", "-o", path) == "2 80"
    await kubectl("create", "serviceaccount", "sa")
    await kubectl("create", "role", "r", "--verb=get,list", "--resource=pods")
    await kubectl("create", "rolebinding", "b", "--role=r", f"--serviceaccount={namespace}:sa")
    out = await kubectl("get", "rolebinding", "b", "-o", "wide", "--no-headers")
    assert out.split()[1] == "Role/r"
    assert f"{namespace}/sa" in out
    assert await kubectl("create", "namespace", "n", "--dry-run=server") == (
        "namespace/n created (server dry run)\n"
    )


@pytest.mark.usefixtures("widgets")
async def test_delete_waits_until_the_object_is_gone(kubectl: Kubectl) -> None:
    document = json.loads(manifest("w"))
    document["metadata"]["finalizers"] = ["example.com/wait"]
    await kubectl("create", "-f", "-", stdin=json.dumps(document))
    async with asyncio.TaskGroup() as tasks:
        deleting = tasks.create_task(kubectl("delete", "widget", "w"))
        await kubectl("wait", "--for=jsonpath={.metadata.deletionTimestamp}", "widget/w")
        assert not deleting.done()
        await kubectl(
            "patch",
            "widget",
            "w",
            "--type=json",
            "-p",
            '[{"op":"remove","path":"/metadata/finalizers"}]',
        )
    assert 'widget.conformance.example.com "w" deleted' in deleting.result()


@pytest.mark.usefixtures("widgets")
async def test_wait_for_conditions_and_paths(kubectl: Kubectl) -> None:
    await kubectl("create", "-f", "-", stdin=manifest("w"))
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(
            kubectl("wait", "--for=condition=Ready", "widget/w", "--timeout=90s")
        )
        status = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
        await kubectl("patch", "widget", "w", "--type=merge", "--subresource=status", "-p", status)
    assert waiting.result() == f"widget.{GROUP}/w condition met\n"
    await kubectl("wait", "--for=jsonpath={.spec.size}=3", "widget/w", "--timeout=90s")
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(kubectl("wait", "--for=delete", "widget/w", "--timeout=90s"))
        await kubectl("delete", "widget", "w")
    assert waiting.done()


async def test_get_watch_prints_changes_as_they_come(
    kube: Kube, kubectl: Kubectl, widgets: str
) -> None:
    await kube.made(widgets, widget("w"))
    async with kubectl.reading("get", "widgets", "--watch", "--output-watch-events") as lines:
        assert (await lines.next()).split()[:2] == ["EVENT", "NAME"]
        assert (await lines.next()).split()[:3] == ["ADDED", "w", "3"]
        await kube.patch(f"{widgets}/w", {"spec": {"size": 4}})
        assert (await lines.next()).split()[:3] == ["MODIFIED", "w", "4"]
        await kube.delete(f"{widgets}/w")
        assert (await lines.next()).split()[:3] == ["DELETED", "w", "4"]


@pytest.mark.usefixtures("widgets")
async def test_explain_reads_the_schema(kubectl: Kubectl) -> None:
    out = await kubectl("explain", "widgets.spec", "--api-version", f"{GROUP}/v1")
    assert "KIND:       Widget" in out
    assert "size\t<integer> -required-\n    How big it is." in out
    assert "ports\t<[]Object>" in out
    out = await kubectl("explain", "pods.spec.containers")
    assert "image\t<string>" in out


@pytest.mark.usefixtures("widgets")
async def test_api_resources_lists_what_is_served(kubectl: Kubectl) -> None:
    out = await kubectl("api-resources", "--no-headers")
    listed = {line.split()[-1] for line in out.splitlines()}
    assert {"Widget", "Pod", "Lease", "ClusterRole", "CustomResourceDefinition"} <= listed
    assert f"{GROUP}/v1" in await kubectl("api-versions")
    assert await kubectl("auth", "can-i", "create", "pods") == "yes\n"


async def test_namespaces_are_made_and_deleted(kubectl: Kubectl, namespace: str) -> None:
    other = f"{namespace}-x"
    assert await kubectl("create", "namespace", other) == f"namespace/{other} created\n"
    await kubectl("create", "configmap", "c", "-n", other)
    assert f'namespace "{other}" deleted' in await kubectl("delete", "namespace", other)
    missing = await kubectl.run("get", "namespace", other)
    assert "not found" in missing.err
