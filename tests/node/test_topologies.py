"""The modules of deploy/ on a real node, by kubectl alone: what comes first waits."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from hack.control_plane import service_account
from hack.node.cluster import Cluster
from hack.node.sandbox import clean_environment
from hack.processes import ServerError
from tests.support import rights
from tests.support.manifests import render
from tests.support.node import apply, objects, wait_for
from topology.checks.chain import verify_chain
from topology.checks.check import Untrue

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
FEDERATED = "spire-federated"
FEDERATING = {
    "apiVersion": "spire.spiffe.io/v1alpha1",
    "kind": "ClusterSPIFFEID",
    "metadata": {"name": "federating"},
    "spec": {
        "className": "nested-c",
        "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/federating",
        "podSelector": {"matchLabels": {"topology.spire.io/server": "nested-c"}},
        "federatesWith": ["auxiliary.org"],
    },
}
NAMESPACES = {"nested-c": FEDERATED, "auxiliary": FEDERATED}


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
    all_given = {each: rights.grants(documents, *each) for each in rights.accounts(documents)}
    apart = [given for (_, name), given in all_given.items() if name.endswith("registrar")]
    of_registrars = frozenset[rights.Grant]().union(*apart)
    for (namespace, account), given in all_given.items():
        calls = recording.calls(service_account(namespace, account).user)
        found[f"{account} lacks"] = rights.refused(calls)
        # A server has the rights of the registrar beside it too.
        others = set(given) - of_registrars - {NOT_AT_THE_API_SERVER}
        found[f"{account} does not use"] = rights.unused(others, calls)
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
    key = rotate(nested, "nested-b")
    service = "/api/v1/namespaces/spire-oidc/services/oidc-discovery:http/proxy/keys"

    def is_known() -> bool:
        keys = json.loads(nested.run_kubectl("get", "--raw", service))["keys"]
        return key in {each["kid"] for each in keys}

    wait_for("the new key at the provider", is_known)
    # With the new key, at all servers and their agents too.
    topology(nested, "test", "nested")


def test_two_trust_domains_federate_without_a_hand(nested: Cluster) -> None:
    nested.have_volumes(3)
    nested.apply(DEPLOY / "federated")
    topology(nested, "start", "federated")

    def are_fresh() -> bool:
        rows = json.loads(topology(nested, "status", "federated", "-o", "json"))
        relations = {row["server"]: row["relationships"] for row in rows}
        return (
            "auxiliary.org ready, fresh since" in relations["nested-c"]
            and "example.org ready, fresh since" in relations["auxiliary"]
        )

    wait_for("each has the bundle of the other", are_fresh, 240)


def test_nobody_of_one_trust_domain_can_pose_as_another(nested: Cluster) -> None:
    names = [f"-spiffeID=spiffe://{domain}/forged" for domain in ("auxiliary.org", "example.org")]
    assert "svid" in ask(nested, "auxiliary", "x509", "mint", names[0]).lower()
    with pytest.raises(ServerError, match="trust domain"):
        ask(nested, "auxiliary", "x509", "mint", names[1])
    # Not even with the key of its authority: what it signs is good for its own name alone.
    secret = objects(nested, "secret/upstream-authority", f"--namespace={FEDERATED}")[0]["data"]
    assert isinstance(secret, dict)
    certificate, key = (base64.b64decode(secret[name]) for name in ("tls.crt", "tls.key"))
    forged = signed_by(certificate, key, "spiffe://example.org/topology/forged")
    now = datetime.now(UTC)
    assert verify_chain([forged], authorities(nested, "auxiliary"), now=now)
    with pytest.raises(Untrue, match="none of"):
        verify_chain([forged], authorities(nested, "nested-c"), now=now)


def test_a_forced_rotation_is_known_to_the_other_trust_domain(
    nested: Cluster, record_property: Callable[[str, object], None]
) -> None:
    key = rotate(nested, "nested-b")
    begun = time.monotonic()

    def is_known() -> bool:
        held = ask(nested, "auxiliary", "bundle", "list", "-id=spiffe://example.org")
        return key in held

    wait_for("the new key at the other trust domain", is_known)
    record_property("seconds until the new key was there", time.monotonic() - begun)


def test_a_partner_that_is_built_anew_costs_no_identity_and_is_trusted_without_a_hand(
    nested: Cluster,
) -> None:
    there = f"--namespace={FEDERATED}"
    apply(nested, FEDERATING)
    wait_for("an entry that federates", lambda: federating(nested) != [])
    before = set(federating(nested))
    nested.run_kubectl("scale", "statefulset/auxiliary-server", "--replicas=0", there)
    wait_for("what it holds is not fresh", lambda: freshness(nested) == "RefreshFailed", 240)
    assert before <= set(federating(nested))
    # All that it had goes, its authority too; what is applied again makes another one.
    for what in ("pvc/data-auxiliary-server-0", "secret/upstream-authority", "job.batch"):
        every = ("--all",) if what == "job.batch" else ()
        nested.run_kubectl("delete", what, *every, there)
    nested.apply(DEPLOY / "federated")
    assert before <= set(federating(nested))
    wait_for("it is fresh again", lambda: freshness(nested) == "Fetched", 300)
    wait_for("it is said", lambda: "Rebootstrapped" in reasons(nested))
    # Its own agents knew the old one; new ones know it by what it publishes.
    agents = "topology.spire.io/server=auxiliary,app.kubernetes.io/name=spire-agent"
    nested.run_kubectl("delete", "pods", f"--selector={agents}", there)
    nested.run_kubectl("delete", "clusterspiffeids.spire.spiffe.io/federating")
    wait_for("all of it is ready", lambda: unready(nested, FEDERATED) == [], 300)
    # Its Job looks at everything, with the new key of the test before this one too.
    topology(nested, "test", "federated")


def test_what_others_need_is_not_ended(nested: Cluster) -> None:
    said = topology(nested, "stop", "nested", code=3)
    assert "still needed by: federated, oidc" in said
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
    namespace = f"--namespace={NAMESPACES.get(server, NESTED)}"
    where = ("exec", namespace, f"{server}-server-0", "--container=spire-server")
    program = ("/opt/spire/bin/spire-server", *question, "-output", "json")
    return cluster.run_kubectl(*where, "--", *program, "-socketPath", "/run/spire/server/api.sock")


def rotate(cluster: Cluster, server: str) -> str:
    """Have a server sign JWTs with a new key from now on; return the key's ID."""
    prepared = json.loads(ask(cluster, server, "localauthority", "jwt", "prepare"))
    key = str(prepared["prepared_authority"]["authority_id"])
    ask(cluster, server, "localauthority", "jwt", "activate", f"-authorityID={key}")
    return key


def federating(cluster: Cluster) -> list[str]:
    """The entries of nested-c that federate with auxiliary.org."""
    found = entries(cluster, "nested-c")
    return sorted(str(each["id"]) for each in found if each["federates_with"] == ["auxiliary.org"])


def reasons(cluster: Cluster) -> set[str]:
    """The reasons of all Events."""
    return {str(each["reason"]) for each in objects(cluster, "events", "--all-namespaces")}


def freshness(cluster: Cluster) -> str:
    """Why nested-c calls the bundle of auxiliary.org fresh, or not."""
    (trust_domain,) = objects(cluster, "clusterfederatedtrustdomain/topology-auxiliary-org")
    status = trust_domain.get("status")
    assert isinstance(status, dict)
    found = {each["type"]: str(each["reason"]) for each in status["conditions"]}
    return found.get("BundleFresh", "")


def authorities(cluster: Cluster, server: str) -> tuple[bytes, ...]:
    """The X.509 authorities that a server publishes, DER."""
    (found,) = objects(cluster, f"configmap/{server}-bundle-pem", f"--namespace={FEDERATED}")
    data = found["data"]
    assert isinstance(data, dict)
    certificates = x509.load_pem_x509_certificates(data["bundle.pem"].encode())
    return tuple(each.public_bytes(Encoding.DER) for each in certificates)


def signed_by(certificate: bytes, key: bytes, spiffe_id: str) -> bytes:
    """A certificate of that name, by whoever has the key of an authority."""
    authority = x509.load_pem_x509_certificate(certificate)
    signer = load_pem_private_key(key, None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.subject)
        .public_key(ec.generate_private_key(ec.SECP256R1()).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(spiffe_id)]),
            critical=True,
        )
        .sign(signer, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def path(entry: dict[str, object]) -> str:
    spiffe_id = entry["spiffe_id"]
    assert isinstance(spiffe_id, dict)
    return str(spiffe_id["path"])
