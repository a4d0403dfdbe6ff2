"""The components of deploy/, each with every module that it is for."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.codec import encode
from hack import tool_build
from hack.control_plane import ControlPlane
from tests.support.manifests import CONFIG
from tests.support.topologies import DEPLOY, MODULES, Module
from topology.components import COMPONENTS

pytestmark = [pytest.mark.real("control plane", "spire"), pytest.mark.slow]

VARIANTS = [(module, each.name) for each in COMPONENTS.values() for module in each.modules]
FILES = {"spire-server": "server.conf", "spire-agent": "agent.conf"}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane((), tmp_path_factory.mktemp("components")) as made:
        made.run_kubectl("apply", "-k", str(CONFIG / "crd"))
        made.run_kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        for name in MODULES:
            made.run_kubectl("apply", "-f", str(DEPLOY / name / "namespace.yaml"))
        yield made


@pytest.fixture
def composed(tmp_path: Path, request: pytest.FixtureRequest) -> Module:
    """A module with a component, in a kustomization of a user's own."""
    module, *components = request.param
    document = {
        "resources": [os.path.relpath(DEPLOY / module, tmp_path.resolve())],
        "components": [
            os.path.relpath(DEPLOY / "components" / each, tmp_path.resolve()) for each in components
        ],
    }
    (tmp_path / "kustomization.yaml").write_text(json.dumps(document))
    return Module(module, tmp_path)


def test_every_component_can_be_asked_for() -> None:
    there = {file.parent.name for file in (DEPLOY / "components").glob("*/kustomization.yaml")}
    assert there == set(COMPONENTS)


@pytest.mark.parametrize("composed", VARIANTS, indirect=True, ids="-".join)
def test_the_api_server_and_spire_accept(
    plane: ControlPlane, composed: Module, tmp_path: Path
) -> None:
    alone = Module(composed.name)
    assert composed.rendered.objects != alone.rendered.objects
    answer = plane.run_kubectl(
        "apply", "--dry-run=server", "--validate=strict", "-k", str(tmp_path)
    )
    assert "created (server dry run)" in answer
    for workload in composed.workloads:
        for container in workload.pod.containers:
            program = container.image.rpartition("/")[2].partition(":")[0]
            if program not in FILES:
                continue
            path = tmp_path / FILES[program]
            path.write_text(composed.file(workload, FILES[program]))
            finished = subprocess.run(
                [
                    str(tool_build.required(tool_build.SPIRE) / program),
                    *("validate", "-config", str(path), "-expandEnv"),
                ],
                env=composed.environment(workload, container),
                capture_output=True,
                text=True,
                check=False,
            )
            assert finished.returncode == 0, (workload.metadata.name, finished.stderr)


@pytest.mark.parametrize("composed", [("nested", "rsa")], indirect=True)
def test_tokens_are_signed_with_rsa_by_every_server(composed: Module) -> None:
    servers = [each for each in composed.workloads if each.kind == "StatefulSet"]
    assert len(servers) == 3
    for server in servers:
        (container,) = (each for each in server.pod.containers if each.name == "spire-server")
        assert composed.environment(server, container)["JWT_KEY_TYPE"] == "rsa-2048"


@pytest.mark.parametrize("composed", [("federated", "short-lives")], indirect=True)
def test_other_lifetimes_roll_servers_out_and_leave_the_job_as_it_is(composed: Module) -> None:
    """A Job cannot be changed, so whoever edits the lifetimes must not change one."""

    def jobs(module: Module) -> list[bytes]:
        return [encode(each) for each in module.rendered.of_kind("Job")]

    alone = Module("federated")
    assert jobs(composed) == jobs(alone)
    assert len(jobs(alone)) == 1
    assert composed.rendered.of_kind("StatefulSet") != alone.rendered.of_kind("StatefulSet")


@pytest.mark.parametrize("composed", [("nested", "csi", "short-lives")], indirect=True)
def test_components_stand_together(plane: ControlPlane, composed: Module, tmp_path: Path) -> None:
    answer = plane.run_kubectl(
        "apply", "--dry-run=server", "--validate=strict", "-k", str(tmp_path)
    )
    assert "csidriver.storage.k8s.io/csi.spire.io created" in answer
    assert composed.configmaps[_lifetimes(composed)]["CA_TTL"] == "3m"


def _lifetimes(module: Module) -> str:
    (found,) = (name for name in module.configmaps if name.startswith("lifetimes-"))
    return found


def test_the_providers_two_configurations_differ_in_how_it_is_served_alone() -> None:
    plain = (DEPLOY / "oidc/provider/oidc.conf").read_text().split("\n\n")
    with_tls = (DEPLOY / "components/oidc-tls/oidc.conf").read_text().split("\n\n")
    different = [(a, b) for a, b in zip(plain, with_tls, strict=True) if a != b]
    ((served, with_files),) = different
    assert "insecure_addr" in served
    assert "serving_cert_file" in with_files
