"""The real control plane of the tests itself: what others build on must hold."""

import asyncio
import json
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from hack.control_plane import ControlPlane
from hack.processes import ServerError
from tests.support.control_plane import OUTSIDER, REGISTRAR

pytestmark = [pytest.mark.real, pytest.mark.slow]


def whoami(plane: ControlPlane, credentials: Sequence[str]) -> tuple[str, list[str]]:
    command = [str(plane.kubectl), *credentials, "auth", "whoami", "--output=json"]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, timeout=90)
    user = json.loads(finished.stdout)["status"]["userInfo"]
    return user["username"], user["groups"]


def token_of(plane: ControlPlane, user: str) -> list[str]:
    # Without a kubeconfig of its own kubectl would look for the user's.
    server = [f"--server={plane.url}", f"--certificate-authority={plane.ca_file}"]
    return ["--kubeconfig=/dev/null", *server, f"--token={plane.token_for(user)}"]


def test_tells_the_version_of_kubernetes_that_it_was_built_from(
    real_control_plane: ControlPlane,
) -> None:
    versions = json.loads(real_control_plane.run_kubectl("version", "--output=json"))
    assert versions["serverVersion"]["gitVersion"] == "v1.36.3"
    assert versions["clientVersion"]["gitVersion"] == "v1.36.3"


def test_knows_the_bearer_of_each_token(real_control_plane: ControlPlane) -> None:
    user, groups = whoami(real_control_plane, token_of(real_control_plane, REGISTRAR.user))
    assert user == "system:serviceaccount:spire:spire-registrar"
    assert "system:serviceaccounts:spire" in groups


def test_knows_anybody_with_a_certificate(real_control_plane: ControlPlane) -> None:
    kubeconfig = real_control_plane.kubeconfig_for("carol", ["auditors"])
    user, groups = whoami(real_control_plane, [f"--kubeconfig={kubeconfig}"])
    assert user == "carol"
    assert "auditors" in groups


def test_gives_nobody_rights_by_default(real_control_plane: ControlPlane) -> None:
    command = [str(real_control_plane.kubectl), *token_of(real_control_plane, OUTSIDER.user)]
    finished = subprocess.run(
        [*command, "get", "pods"], capture_output=True, text=True, check=False, timeout=90
    )
    assert "Forbidden" in finished.stderr


def test_collects_what_a_deleted_owner_leaves(real_control_plane: ControlPlane) -> None:
    plane = real_control_plane
    owner = json.loads(
        plane.run_kubectl("create", "configmap", "gc-owner", "--output=json", "-ndefault")
    )
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "gc-owner",
        "uid": owner["metadata"]["uid"],
    }
    owned = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "gc-owned", "namespace": "default", "ownerReferences": [reference]},
    }
    plane.run_kubectl("create", "--filename=-", stdin=json.dumps(owned))
    plane.run_kubectl("delete", "configmap", "gc-owner", "-ndefault")
    plane.run_kubectl("wait", "--for=delete", "configmap/gc-owned", "-ndefault", "--timeout=60s")


async def test_comes_back_with_its_data_after_the_api_server_was_away(
    real_control_plane: ControlPlane,
) -> None:
    plane = real_control_plane
    await asyncio.to_thread(plane.run_kubectl, "create", "namespace", "kept")
    await asyncio.to_thread(plane.stop_api_server)
    with pytest.raises(ServerError, match="refused"):
        await asyncio.to_thread(plane.run_kubectl, "get", "namespaces")
    await asyncio.to_thread(plane.start_api_server)
    namespaces = await asyncio.to_thread(plane.run_kubectl, "get", "namespaces")
    assert "kept" in namespaces


def test_servers_outlive_the_thread_that_restarted_them(
    real_control_plane: ControlPlane,
) -> None:
    def restart() -> None:
        real_control_plane.stop_controller_manager()
        real_control_plane.start_controller_manager()
        real_control_plane.stop_api_server()
        real_control_plane.start_api_server()

    thread = threading.Thread(target=restart)
    thread.start()
    thread.join()
    assert real_control_plane.run_kubectl("get", "--raw=/readyz") == "ok"


def test_refuses_a_folder_that_another_one_uses(
    real_control_plane: ControlPlane,
) -> None:
    with pytest.raises(FileExistsError):
        ControlPlane(folder=real_control_plane.folder)


def test_says_which_server_failed_and_shows_its_log(tmp_path: Path) -> None:
    plane = ControlPlane(folder=tmp_path / "new")
    (plane.folder / "tokens.csv").write_text("not a token file")
    with pytest.raises(ServerError, match=r"(?s)kube-apiserver ended .*tokens\.csv"), plane:
        pytest.fail("it must not start")
