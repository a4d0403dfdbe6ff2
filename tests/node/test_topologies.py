"""The modules of deploy/ on a real node, by kubectl alone: what comes first waits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hack.control_plane import service_account
from hack.node.cluster import Cluster
from hack.node.sandbox import clean_environment
from tests.support import rights
from tests.support.manifests import render
from tests.support.node import objects, wait_for

pytestmark = [
    pytest.mark.real("control plane", "spire", "node"),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
NESTED = "spire-nested"
NOT_AT_THE_API_SERVER = rights.Grant("get", "/nodes/pods")
"""The kubelet is asked, and asks in turn whether the agent has this right."""


@pytest.fixture(scope="module")
def nested(node: Cluster) -> Cluster:
    """A node where nested SPIRE was applied by the two commands, and has become ready."""
    node.apply(ROOT / "config/crd")
    node.apply(DEPLOY / "nested")
    wait_for("nested SPIRE is ready", lambda: unready(node, NESTED) == [], 300)
    return node


def test_nothing_had_to_be_started_twice(nested: Cluster) -> None:
    for pod in pods(nested, NESTED):
        status = pod["status"]
        assert isinstance(status, dict)
        for container in [*status["containerStatuses"], *status.get("initContainerStatuses", [])]:
            assert container["restartCount"] == 0, (pod["metadata"], container["name"])


def test_the_nested_servers_are_downstream_and_nobody_else(nested: Cluster) -> None:
    found = entries(nested, "root")
    downstream = {path(each) for each in found if each.get("downstream")}
    assert downstream == {"/topology/server/nested-a", "/topology/server/nested-b"}
    # Nobody but the registrar has made one.
    assert all(str(each["id"]).startswith("root-") for each in found)


def test_its_test_is_a_job_that_is_complete(nested: Cluster) -> None:
    nested.apply(DEPLOY / "tests/nested")

    def is_over() -> bool:
        (job,) = objects(nested, "job/nested-check", f"--namespace={NESTED}")
        status = job["status"]
        assert isinstance(status, dict)
        assert "failed" not in status, nested.run_kubectl(
            "logs", f"--namespace={NESTED}", "job/nested-check"
        )
        return status.get("succeeded") == 1

    wait_for("the test of nested SPIRE is over", is_over, 240)
    said = nested.run_kubectl("logs", f"--namespace={NESTED}", "job/nested-check").splitlines()
    assert len(said) > 80
    assert [line for line in said if not line.startswith("ok  ")] == []


def test_every_right_is_used_and_none_is_lacking(nested: Cluster) -> None:
    """But for the registrars', of which tests/e2e/test_rights.py uses all."""
    documents = [*render(DEPLOY / "nested").objects, *render(DEPLOY / "tests/nested").objects]
    recording = rights.Recording(nested.folder)
    found: dict[str, list[str]] = {}
    for namespace, account in rights.accounts(documents):
        given = rights.grants(documents, namespace, account) - {NOT_AT_THE_API_SERVER}
        calls = recording.calls(service_account(namespace, account).user)
        found[f"{account} lacks"] = rights.refused(calls)
        if not account.endswith("registrar"):
            found[f"{account} does not use"] = rights.unused(given, calls)
    assert {what: which for what, which in found.items() if which} == {}


def test_a_second_apply_changes_nothing(nested: Cluster) -> None:
    before = generations(nested)
    nested.apply(DEPLOY / "nested")
    assert generations(nested) == before


def test_the_command_stops_it_and_starts_it_on_its_old_data(nested: Cluster) -> None:
    authority = ("get", "secret", "upstream-authority", f"--namespace={NESTED}", "-oyaml")
    before = nested.run_kubectl(*authority)
    topology(nested, "stop", "nested")
    assert pods(nested, NESTED) == []
    assert len(objects(nested, "pvc", f"--namespace={NESTED}")) == 3
    topology(nested, "start", "nested")
    assert "nothing to change" in topology(nested, "start", "nested")
    assert nested.run_kubectl(*authority) == before
    rows = json.loads(topology(nested, "status", "-o", "json"))
    assert [row["ready"] for row in rows if row["module"] == "nested"] == ["1/1"] * 3
    topology(nested, "test", "nested")


def test_clients_of_oidc_verify_the_tokens_of_all_servers(nested: Cluster) -> None:
    nested.apply(DEPLOY / "oidc")
    topology(nested, "start", "oidc")
    said = [
        json.loads(line) for line in topology(nested, "test", "oidc", "-o", "json").splitlines()
    ]
    assert len(said) > 10
    assert all(each["ok"] and each["module"] == "oidc" for each in said)


def test_a_forced_rotation_at_one_server_is_known_to_clients_of_oidc(nested: Cluster) -> None:
    prepared = json.loads(ask(nested, "nested-b", "localauthority", "jwt", "prepare"))
    key = prepared["prepared_authority"]["authority_id"]
    ask(nested, "nested-b", "localauthority", "jwt", "activate", f"-authorityID={key}")
    service = "/api/v1/namespaces/spire-oidc/services/oidc-discovery:http/proxy/keys"

    def is_known() -> bool:
        keys = json.loads(nested.run_kubectl("get", "--raw", service))["keys"]
        return key in {each["kid"] for each in keys}

    wait_for("the new key at the provider", is_known)
    # With the new key, at all servers and their agents too.
    topology(nested, "test", "nested")


def test_what_others_need_is_not_ended(nested: Cluster) -> None:
    said = topology(nested, "stop", "nested", code=3)
    assert "still needed by: oidc" in said
    assert unready(nested, NESTED) == []


def test_nothing_is_left_in_the_end(nested: Cluster) -> None:
    said = topology(nested, "stop", "nested", "--clean", "--with-dependents")
    assert "nothing with their labels is left" in said
    assert NESTED not in nested.run_kubectl("get", "namespaces", "--output=name")
    assert "/spire-registrar-" not in nested.run_kubectl("get", "leases", "-A", "--output=name")


def topology(cluster: Cluster, *arguments: str, code: int = 0) -> str:
    """Run the command; return what it wrote."""
    where = (f"--kubeconfig={cluster.kubeconfig}", f"--kubectl={cluster.kubectl}")
    finished = subprocess.run(
        [sys.executable, "-m", "manager", "topology", *arguments, *where],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=360,
        check=False,
    )
    assert finished.returncode == code, f"{finished.stdout}\n{finished.stderr}"
    return finished.stdout


def generations(cluster: Cluster) -> dict[str, object]:
    """Whatever would make new Pods, and how often it was changed."""
    kinds = "statefulsets,daemonsets,deployments,jobs,configmaps"
    found = {}
    for each in objects(cluster, kinds, f"--namespace={NESTED}"):
        metadata = each["metadata"]
        assert isinstance(metadata, dict)
        found[f"{each['kind']}/{metadata['name']}"] = metadata.get("generation")
    return found


def pods(cluster: Cluster, namespace: str) -> list[dict[str, object]]:
    return objects(cluster, "pods", f"--namespace={namespace}")


def unready(cluster: Cluster, namespace: str) -> list[str]:
    """The Pods that are neither ready nor done, and the workloads that have too few."""
    found = []
    for pod in pods(cluster, namespace):
        status = pod["status"]
        assert isinstance(status, dict)
        ready = any(
            each["type"] == "Ready" and each["status"] == "True"
            for each in status.get("conditions", [])
        )
        if not ready and status.get("phase") != "Succeeded":
            found.append(str(pod["metadata"]))
    return found or ([] if len(pods(cluster, namespace)) > 1 else ["no Pods yet"])


def entries(cluster: Cluster, server: str) -> list[dict[str, object]]:
    """All entries that a SPIRE server holds."""
    found: list[dict[str, object]] = json.loads(ask(cluster, server, "entry", "show"))["entries"]
    return found


def ask(cluster: Cluster, server: str, *question: str) -> str:
    """Return the answer of a SPIRE server's command line, as JSON."""
    where = ("exec", f"--namespace={NESTED}", f"{server}-server-0", "--container=spire-server")
    program = ("/opt/spire/bin/spire-server", *question, "-output", "json")
    return cluster.run_kubectl(*where, "--", *program, "-socketPath", "/run/spire/server/api.sock")


def path(entry: dict[str, object]) -> str:
    spiffe_id = entry["spiffe_id"]
    assert isinstance(spiffe_id, dict)
    return str(spiffe_id["path"])
