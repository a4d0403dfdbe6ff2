"""The admission policy of config/ on a real API server: who may do what with SpireEntries."""

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from api.kinds import CLUSTER_SPIFFE_ID, SPIRE_ENTRY
from api.spiffeid.v1beta1.spireentry import CONFIRM_DELETIONS_ANNOTATION
from hack import definitions
from hack.control_plane import ControlPlane, Identity, service_account
from tests.support.manifests import CONFIG, compose, render
from tests.support.node import wait_for

pytestmark = [pytest.mark.real, pytest.mark.slow]

REGISTRAR = service_account("spire", "spire-registrar")
RENAMED = service_account("elsewhere", "my-spire-registrar")
PERSON = Identity("person")
"""May do with SpireEntries whatever RBAC knows of, and is no administrator."""
COLLECTION = SPIRE_ENTRY.path()
CONFIRM = {"metadata": {"annotations": {CONFIRM_DELETIONS_ANNOTATION: "7"}}}
EDITS: dict[str, dict[str, object]] = {
    "spec": {"spec": {"spiffeId": "spiffe://example.org/other"}},
    "status": {"status": {"entryId": "another"}},
    "label": {"metadata": {"labels": {"spiffeid.spiffe.io/instance": "another"}}},
    "annotation": {"metadata": {"annotations": {"note": "mine"}}},
    "changed annotation": {"metadata": {"annotations": {"known": "else"}}},
    "no annotation": {"metadata": {"annotations": {"known": None}}},
    "finalizer": {"metadata": {"finalizers": ["example.org/there", "example.org/mine"]}},
    "owner": {
        "metadata": {
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": "some"}
            ]
        }
    },
    "confirmation and more": {**CONFIRM, "spec": {"ttl": 7}},
}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane whose garbage collector has a name of its own, as everywhere."""
    with ControlPlane(
        (REGISTRAR, RENAMED, PERSON),
        tmp_path_factory.mktemp("policy"),
        controller_manager_arguments=("--use-service-account-credentials=true",),
    ) as made:
        made.run_kubectl("apply", "-k", str(CONFIG / "crd"))
        made.run_kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=90s")
        # It learns of new kinds every 30 s only.
        made.stop_controller_manager()
        made.start_controller_manager()
        for folder in ("namespace", "rbac", "admission-policy"):
            made.run_kubectl("apply", "-k", str(CONFIG / folder))
        verbs = "get,list,watch,create,update,patch,delete,deletecollection"
        resource = "--resource=spireentries.spiffeid.spiffe.io"
        made.run_kubectl("create", "clusterrole", "person", f"--verb={verbs}", resource)
        made.run_kubectl(
            "create", "clusterrolebinding", "person", "--clusterrole=person", "--user=person"
        )
        wait_for("the policy is in force", lambda: is_in_force(made))
        yield made


def is_in_force(plane: ControlPlane) -> bool:
    """Whether the person's rights and the policy are known to the API server."""
    status, said = call(plane, PERSON, "POST", f"{COLLECTION}?dryRun=All", entry("probe"))
    return status == 403 and "records of registrars" in said


@pytest.fixture
def name(plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a SpireEntry that the registrar has made."""
    made = f"e{abs(hash(request.node.nodeid)) % 10**9}"
    status, said = call(plane, REGISTRAR, "POST", COLLECTION, entry(made))
    assert status == 201, said
    yield made
    call(plane, None, "PATCH", f"{COLLECTION}/{made}", {"metadata": {"finalizers": None}})
    call(plane, None, "DELETE", f"{COLLECTION}/{made}")


def entry(name: str, **metadata: object) -> dict[str, object]:
    """A SpireEntry, with an annotation."""
    return {
        "apiVersion": SPIRE_ENTRY.api_version,
        "kind": SPIRE_ENTRY.kind,
        "metadata": {"name": name, "annotations": {"known": "yes"}, **metadata},
        "spec": {
            "spiffeId": "spiffe://example.org/web",
            "parentId": "spiffe://example.org/agent",
            "selectors": ["k8s:ns:default"],
        },
    }


def call(
    plane: ControlPlane,
    who: Identity | None,
    method: str,
    path: str,
    body: Mapping[str, object] | None = None,
) -> tuple[int, str]:
    """Ask the API server as somebody, as the administrator by default; gives code and answer."""
    address = urlsplit(plane.url)
    content = "application/merge-patch+json" if method == "PATCH" else "application/json"
    token = plane.token if who is None else plane.token_for(who.user)
    connection = http.client.HTTPSConnection(
        address.hostname or "", address.port, timeout=60, context=plane.tls_context()
    )
    with closing(connection):
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_a_registrar_writes_its_records(plane: ControlPlane, name: str) -> None:
    for edit in EDITS.values():
        status, said = call(plane, REGISTRAR, "PATCH", f"{COLLECTION}/{name}", edit)
        assert status == 200, said
    assert call(plane, REGISTRAR, "DELETE", f"{COLLECTION}/{name}")[0] == 200


@pytest.mark.parametrize("who", [PERSON, None], ids=["person", "administrator"])
def test_people_do_not_write_them(plane: ControlPlane, name: str, who: Identity | None) -> None:
    status, said = call(plane, who, "POST", COLLECTION, entry("mine"))
    assert (status, "write the object that asks for the entry" in said) == (403, True)
    for what, edit in EDITS.items():
        status, said = call(plane, who, "PATCH", f"{COLLECTION}/{name}", edit)
        assert (what, status, "records of registrars" in said) == (what, 403, True), said
    whole = json.loads(call(plane, who, "GET", f"{COLLECTION}/{name}")[1])
    whole["spec"]["spiffeId"] = "spiffe://example.org/other"
    assert call(plane, who, "PUT", f"{COLLECTION}/{name}", whole)[0] == 403


@pytest.mark.parametrize("who", [PERSON, None], ids=["person", "administrator"])
def test_people_confirm_deletions_by_the_annotation(
    plane: ControlPlane, name: str, who: Identity | None
) -> None:
    for edit in (CONFIRM, {"metadata": {"annotations": {CONFIRM_DELETIONS_ANNOTATION: None}}}):
        status, said = call(plane, who, "PATCH", f"{COLLECTION}/{name}", edit)
        assert status == 200, said


def test_a_finalizer_that_somebody_has_put_there_can_be_taken_off(
    plane: ControlPlane, name: str
) -> None:
    there = {"metadata": {"finalizers": ["example.org/there"]}}
    assert call(plane, REGISTRAR, "PATCH", f"{COLLECTION}/{name}", there)[0] == 200
    off = {"metadata": {"finalizers": None}}
    assert call(plane, PERSON, "PATCH", f"{COLLECTION}/{name}", off)[0] == 200


def test_administrators_delete_them_and_other_people_do_not(plane: ControlPlane, name: str) -> None:
    for path in (f"{COLLECTION}/{name}", COLLECTION):
        status, said = call(plane, PERSON, "DELETE", path)
        assert (status, 'only who may \\"record\\" them' in said) == (403, True), said
    # As the runbook has it.
    assert "deleted" in plane.run_kubectl("delete", "spireentries", name)


def test_the_garbage_collector_takes_the_record_of_an_owner_that_is_gone(
    plane: ControlPlane, name: str
) -> None:
    owner = {
        "apiVersion": CLUSTER_SPIFFE_ID.api_version,
        "kind": CLUSTER_SPIFFE_ID.kind,
        "metadata": {"name": name},
        "spec": {"spiffeId": "spiffe://example.org/web", "selector": {"namespace": "default"}},
    }
    status, said = call(plane, None, "POST", CLUSTER_SPIFFE_ID.path(), owner)
    assert status == 201, said
    reference = {
        "apiVersion": CLUSTER_SPIFFE_ID.api_version,
        "kind": CLUSTER_SPIFFE_ID.kind,
        "name": name,
        "uid": json.loads(said)["metadata"]["uid"],
    }
    edit: dict[str, object] = {"metadata": {"ownerReferences": [reference]}}
    assert call(plane, REGISTRAR, "PATCH", f"{COLLECTION}/{name}", edit)[0] == 200
    assert call(plane, None, "DELETE", f"{CLUSTER_SPIFFE_ID.path()}/{name}")[0] == 200
    wait_for(
        "the record is gone", lambda: call(plane, None, "GET", f"{COLLECTION}/{name}")[0] == 404
    )


RENAME = """
namePrefix: my-
patches:
  - target: {kind: ServiceAccount}
    patch: |-
      - {op: replace, path: /metadata/namespace, value: elsewhere}
  - target: {kind: ClusterRoleBinding}
    patch: |-
      - {op: replace, path: /subjects/0/namespace, value: elsewhere}
"""


def test_a_registrar_of_another_name_in_another_namespace_is_one_too(
    plane: ControlPlane, tmp_path: Path
) -> None:
    folder = compose(tmp_path, ["rbac", "admission-policy"], [])
    with (folder / "kustomization.yaml").open("a", encoding="utf-8") as file:
        file.write(RENAME)
    (policy,) = render(folder).of_kind("ValidatingAdmissionPolicy")
    (binding,) = render(folder).of_kind("ValidatingAdmissionPolicyBinding")
    assert f"'policyName': {policy['metadata']['name']!r}" in str(binding)  # type: ignore[index,call-overload]
    plane.run_kubectl("create", "namespace", "elsewhere")
    plane.run_kubectl("apply", "-k", str(folder))

    def may_record() -> bool:
        return call(plane, RENAMED, "POST", f"{COLLECTION}?dryRun=All", entry("probe"))[0] == 201

    wait_for("the renamed registrar may record", may_record)


def test_who_lacks_the_verb_is_no_registrar(plane: ControlPlane, name: str) -> None:
    role = json.loads(plane.run_kubectl("get", "clusterrole", "spire-registrar", "-ojson"))
    before = json.dumps({"rules": role["rules"]})
    for rule in role["rules"]:
        rule["verbs"] = [verb for verb in rule["verbs"] if verb != "record"]
    patch = ("patch", "clusterrole", "spire-registrar", "--type=merge")
    plane.run_kubectl(*patch, f"-p={json.dumps({'rules': role['rules']})}")
    path = f"{COLLECTION}/{name}?dryRun=All"
    edit: Callable[[], int] = lambda: call(plane, REGISTRAR, "PATCH", path, EDITS["spec"])[0]  # noqa: E731
    try:
        wait_for("it is refused", lambda: edit() == 403)
    finally:
        plane.run_kubectl(*patch, f"-p={before}")
        wait_for("it may again", lambda: edit() == 200)


def test_the_kind_can_be_taken_away_with_all_records(plane: ControlPlane, name: str) -> None:
    """Last: what pages on going back say, with the policy in force."""
    plane.run_kubectl("delete", "crd", SPIRE_ENTRY.resource, "--wait=false")

    def is_gone() -> bool:
        definitions.nudge(plane.run_kubectl)
        return not plane.run_kubectl("get", "crd", SPIRE_ENTRY.resource, "--ignore-not-found")

    wait_for("the kind is gone", is_gone)
    assert call(plane, None, "GET", f"{COLLECTION}/{name}")[0] == 404
