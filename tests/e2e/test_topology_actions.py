"""``topology start|status|stop`` on a real control plane, where nobody makes Pods."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.control_plane import ControlPlane
from topology.kubectl import Kubectl
from topology.naming import prefixed

pytestmark = [pytest.mark.real("control plane"), pytest.mark.slow, pytest.mark.may_block]

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "spire-nested"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane((), tmp_path_factory.mktemp("topology")) as made:
        yield made


async def topology(plane: ControlPlane, *arguments: str) -> tuple[int | None, str, str]:
    """The exit code, and what was printed to standard output and standard error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "manager", "topology", *arguments),
        *(f"--kubeconfig={plane.kubeconfig}", f"--kubectl={plane.kubectl}"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_what_does_not_come_up_is_reported_and_taken_away_without_a_trace(
    plane: ControlPlane,
) -> None:
    code, said, err = await topology(plane, "start", "nested", "--timeout=45s")
    assert (code, err) == (4, "")
    assert "the time is over (0:45/0:45)" in said
    assert "nested: nested-a-server: has too few Pods yet" in said
    assert "what to do: " in said

    code, said, err = await topology(plane, "status", "-o", "json")
    assert (code, err) == (0, "")
    rows = {row["server"]: row for row in json.loads(said)}
    assert rows["root"]["ready"] == "0/1"
    assert rows["nested-b"]["registrar"] == "0/2"

    # What a root server cannot do without stays; its volumes do on the real node.
    plane.run_kubectl("create", "secret", "generic", "upstream-authority", f"-n{NAMESPACE}")
    code, said, _ = await topology(plane, "stop", "nested")
    assert code == 0
    assert "objects deleted" in said
    assert plane.run_kubectl("get", "statefulsets,jobs", f"-n{NAMESPACE}", "-oname") == ""
    left = plane.run_kubectl("get", "secrets", f"-n{NAMESPACE}", "-oname").split()
    assert "secret/upstream-authority" in left

    # Somebody else's with such a label, outside of the namespace, is shown.
    labels = ("app.kubernetes.io/part-of=spire-topology", "topology.spire.io/module=nested")
    plane.run_kubectl("create", "configmap", "mine", "-ndefault")
    plane.run_kubectl("label", "configmap", "mine", "-ndefault", *labels)
    code, said, _ = await topology(plane, "stop", "nested", "--clean")
    assert code == 1
    assert said.splitlines()[-1] == "still there: ConfigMap mine in default"

    plane.run_kubectl("delete", "configmap", "mine", "-ndefault")
    code, said, _ = await topology(plane, "stop", "nested", "--clean")
    assert code == 0
    assert said.splitlines() == ["nested: not there", "nothing with their labels is left"]
    assert NAMESPACE not in plane.run_kubectl("get", "namespaces", "-oname")


async def test_two_topologies_in_one_cluster_share_nothing(plane: ControlPlane) -> None:
    """What a component has added goes too, and nothing of the other one."""
    other = "--namespace-prefix=team-a-"
    plane.run_kubectl("apply", "-k", str(ROOT / "config/crd"))
    plane.run_kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    kubectl = Kubectl(str(plane.kubectl), kubeconfig=plane.kubeconfig, context="")
    components = [ROOT / "deploy/components" / name for name in ("csi", "prometheus")]
    for prefix, more in (("", []), ("team-a-", components)):
        await kubectl.apply(prefixed(await kubectl.render(ROOT / "deploy/nested", more), prefix))
    kinds = "clusterroles,clusterrolebindings,clusterspiffeids.spire.spiffe.io,csidrivers"
    parts = {
        prefix: plane.run_kubectl(
            *("get", f"{kinds},statefulsets,roles,leases", "-A", "-oname"),
            *("-l", f"app.kubernetes.io/part-of={prefix}spire-topology"),
        ).split()
        for prefix in ("", "team-a-")
    }
    assert len(parts["team-a-"]) > len(parts[""]) > 20
    classes = plane.run_kubectl(
        "get", "clusterspiffeids.spire.spiffe.io", "-o=jsonpath={.items[*].spec.className}"
    ).split()
    assert sorted(classes) == ["root", "root", "team-a-nested-a", "team-a-root", "team-a-root"]

    code, said, _ = await topology(plane, "stop", "nested", "--clean", other)
    assert code == 0, said
    assert "nothing with their labels is left" in said
    assert "csi.spire.io" not in plane.run_kubectl("get", "csidrivers", "-oname")
    found = plane.run_kubectl("get", "statefulsets", "-A", "-oname").split()
    assert found == [f"statefulset.apps/{name}-server" for name in ("nested-a", "nested-b", "root")]
    code, said, _ = await topology(plane, "stop", "nested", "--clean")
    assert code == 0, said


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["start", "nestd"], 2, "nestd"),
        (["start", "nested", "--manifests=/nowhere"], 2, "--manifests"),
        (["start", "nested", "--context=none"], 2, "none"),
        (["start", "nested", "--component=cis"], 2, "--component"),
        (["start", "nested", "--component=oidc-tls"], 2, "it is for oidc"),
        (["start", "nested", "--namespace-prefix=Team"], 2, "--namespace-prefix"),
        (["status", "--namespace-prefix=team"], 2, "a dash last"),
        (["test", "nested", "--soak=1m"], 2, "--soak"),
    ],
)
async def test_a_mistake_is_named(
    plane: ControlPlane, arguments: list[str], code: int, said: str
) -> None:
    found, _, err = await topology(plane, *arguments)
    assert found == code
    assert said in err
