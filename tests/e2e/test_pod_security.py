"""Pod Security: all that we ship runs in a namespace that enforces the restricted profile.

A real API server checks every Pod of config/ and deploy/ by the profile. What cannot keep to it is
in a table here with its reason, and keeps to all the rest.
"""

import functools
import http.client
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from api.codec import JSONObject, JSONValue, convert, decode_object, encode
from hack.control_plane import ControlPlane
from tests.support.manifests import CONFIG, KUSTOMIZATIONS, compose, render
from tests.support.topologies import APPLIED, DEPLOY, Metadata

pytestmark = [pytest.mark.real, pytest.mark.slow]

NAMESPACE = "restricted-pods"
COMPONENTS = {
    "agent-socket/hostpath": (
        "overlays/controller-manager/apart",
        "overlays/agent-socket/hostpath",
    ),
    "agent-socket/csi-spiffe": (
        "overlays/controller-manager/apart",
        "overlays/agent-socket/csi-spiffe",
    ),
    "server-volume": ("samples/sidecar", "samples/spire-server-volume"),
}
"""Components that change Pods, with something that they change."""

FOLDERS = {
    **{f"config/{name}": CONFIG / name for name in KUSTOMIZATIONS},
    **{f"deploy/{name}": DEPLOY / name for name in APPLIED},
}

HOST_FOLDER = frozenset({"restricted volume types"})
ROOT = frozenset({*HOST_FOLDER, "runAsNonRoot != true", "runAsUser=0"})


class Deviation(NamedTuple):
    """Pods that cannot keep to a part of the profile, and why."""

    pods: str
    violates: frozenset[str]
    because: str


DEVIATIONS = (
    Deviation(
        r"config/(csi|overlays/csi/\w+) csi-spire",
        ROOT
        | {
            "privileged",
            "allowPrivilegeEscalation != false",
            "unrestricted capabilities",
            "seccompProfile",
        },
        "the node driver mounts into the kubelet's folders, and Pods must see it (Bidirectional)",
    ),
    Deviation(
        r"config/samples/spire-agent spire-agent",
        ROOT | {"host namespaces", "probe or lifecycle host"},
        "SPIRE's agent sees which process asks, listens in folders of the node and asks the "
        "kubelet at the node's own address",
    ),
    Deviation(
        r"deploy/(nested|federated) [\w-]+-agent",
        ROOT | {"host namespaces"},
        "SPIRE's agent sees which process asks and listens in a folder of the node",
    ),
    Deviation(
        r"config/overlays/agent-socket-hostpath spire-registrar",
        HOST_FOLDER,
        "for clusters without a CSI driver that shows the agent's socket, as its name says",
    ),
    Deviation(
        r"deploy/nested (nested-[ab]-server|nested-b-registrar)"
        r"|deploy/federated nested-c-server|deploy/oidc oidc-discovery"
        r"|deploy/workloads (client|server)"
        r"|deploy/tests/(nested nested|federated federated|oidc oidc|workloads workloads)-check",
        HOST_FOLDER,
        "several agents on one node: a CSI driver shows the socket of one only",
    ),
)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane((), tmp_path_factory.mktemp("pod-security")) as made:
        made.run_kubectl("create", "namespace", NAMESPACE)
        level = "pod-security.kubernetes.io/enforce=restricted"
        made.run_kubectl("label", "namespace", NAMESPACE, level)
        yield made


@functools.cache
def pods(folder: Path) -> dict[str, JSONObject]:
    """The specification of every Pod that a folder's workloads make, by the workload's name."""
    found: dict[str, JSONObject] = {}
    for each in render(folder).objects:
        spec = each.get("spec")
        if each["kind"] == "CronJob" and isinstance(spec, dict):
            job = spec["jobTemplate"]
            spec = job["spec"] if isinstance(job, dict) else None
        claims: JSONValue = []
        if isinstance(spec, dict) and isinstance(template := spec.get("template"), dict):
            claims = spec.get("volumeClaimTemplates", [])
            spec = template.get("spec")
        elif each["kind"] != "Pod":
            continue
        assert isinstance(spec, dict)
        found[convert(each["metadata"], Metadata).name] = _with_claims(spec, claims)
    return found


def _with_claims(spec: JSONObject, claims: JSONValue) -> JSONObject:
    """The Pods of a StatefulSet have a volume for each of its claims."""
    volumes = spec.get("volumes", [])
    assert isinstance(volumes, list)
    assert isinstance(claims, list)
    names = [convert(each["metadata"], Metadata).name for each in claims if isinstance(each, dict)]
    made = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]
    return {**spec, "volumes": [*volumes, *made]}  # type: ignore[list-item]


def violations(plane: ControlPlane, name: str, spec: JSONObject) -> set[str]:
    """What of the profile a Pod violates, as the API server calls it."""
    pod: JSONObject = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        # There is no ServiceAccount controller here, and priority classes are few.
        "spec": {**spec, "restartPolicy": "Always"},
    }
    address = urlsplit(plane.url)
    connection = http.client.HTTPSConnection(
        address.hostname or "", address.port, timeout=60, context=plane.tls_context()
    )
    with closing(connection):
        headers = {"Authorization": f"Bearer {plane.token}", "Content-Type": "application/json"}
        path = f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All"
        connection.request("POST", path, encode(pod), headers)
        answer = connection.getresponse()
        said = str(decode_object(answer.read()).get("message", ""))
    if answer.status == http.HTTPStatus.CREATED:
        return set()
    _, found, listed = said.partition('violates PodSecurity "restricted:latest": ')
    assert found, said
    return {re.sub(r"\s*\(.*", "", each) for each in re.split(r"(?<=\)), ", listed)}


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_pods_of_a_folder_keep_to_the_profile(plane: ControlPlane, folder: str) -> None:
    """But for what the table says, and that exactly: what nothing needs is taken off it."""
    for name, spec in pods(FOLDERS[folder]).items():
        allowed = [d.violates for d in DEVIATIONS if re.fullmatch(d.pods, f"{folder} {name}")]
        assert violations(plane, name, spec) == frozenset().union(*allowed), name


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_pods_that_a_component_changes_keep_to_it(
    plane: ControlPlane, name: str, tmp_path: Path
) -> None:
    folder, component = COMPONENTS[name]
    wanted = HOST_FOLDER if "hostpath" in name else set()
    for workload, spec in pods(compose(tmp_path, [folder], [component])).items():
        assert violations(plane, workload, spec) == wanted


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=lambda deviation: deviation.because)
def test_what_the_table_names_is_there(deviation: Deviation) -> None:
    names = [f"{folder} {name}" for folder, path in FOLDERS.items() for name in pods(path)]
    assert any(re.fullmatch(deviation.pods, name) for name in names)


def test_the_profile_is_enforced(plane: ControlPlane) -> None:
    """Else the other tests would see nothing."""
    (spec,) = (s for n, s in pods(CONFIG / "csi").items() if n == "csi-spire")
    assert "privileged" in violations(plane, "csi-spire", spec)
