"""The node driver's file."""

import subprocess
import sys
from pathlib import Path

import pytest

from registrar.settings.csi import CSISettings, interpret_csi, load_csi
from registrar.settings.problems import ConfigError

PATH = Path("csi.conf")


def settings(text: str, **environment: str) -> CSISettings:
    head = 'agent_admin_socket_path = "/run/admin/admin.sock"\n'
    return interpret_csi(head + text, path=PATH, environment=environment)


def problems(text: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        interpret_csi(text, path=PATH, environment=environment)
    return [str(problem) for problem in caught.value.problems]


def test_the_defaults_are_those_of_the_manifests() -> None:
    read = settings("", NODE_NAME="node-1")
    assert read.node_name == "node-1"
    assert read.csi_socket == Path("/csi/csi.sock")
    assert read.endpoint == Path("/var/lib/kubelet/plugins/csi.spire.io/csi.sock")
    assert read.registration_dir == Path("/registration")
    assert read.workload_api_socket is None
    assert read.first_svid_timeout == 30.0
    assert read.events


def test_a_sidecar_may_register_the_driver() -> None:
    assert settings("self_registration = false", NODE_NAME="n").registration_dir is None


def test_the_file_wins_over_the_variable() -> None:
    assert settings('node_name = "mine"', NODE_NAME="other").node_name == "mine"


def test_what_is_missing_or_unknown_is_named() -> None:
    either = "give it, or workload_api_socket_path alone for volumes of the mode workload-api"
    assert problems('kubelet_dirr = "/x"') == [
        "csi.conf: node_name: missing; give it, or the variable NODE_NAME",
        f"csi.conf: agent_admin_socket_path: missing; {either}",
        "csi.conf:1:1: kubelet_dirr: unknown key; did you mean kubelet_dir?",
    ]


def test_a_driver_that_only_shows_the_workload_api_needs_no_admin_socket(tmp_path: Path) -> None:
    read = interpret_csi(
        f'workload_api_socket_path = "{tmp_path}/api.sock"',
        path=Path("csi.conf"),
        environment={"NODE_NAME": "n"},
    )
    assert read.agent_admin_socket is None
    assert "agent_admin_socket_path" not in read.secrets


def test_pods_never_see_the_admin_socket() -> None:
    (problem,) = problems(
        'node_name = "n"\n'
        'agent_admin_socket_path = "/run/spire/admin/admin.sock"\n'
        'workload_api_socket_path = "/run/spire/api.sock"'
    )
    assert "which Pods would see" in problem


@pytest.mark.parametrize("way", ["public/../admin/api.sock", "link/api.sock", "public/api.sock"])
def test_the_admin_socket_is_seen_by_real_paths(tmp_path: Path, way: str) -> None:
    """Not by the paths that are written: each of these shows it."""
    for name in ("public", "admin"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("admin")
    (tmp_path / "public/api.sock").symlink_to(tmp_path / "admin/admin.sock")
    (problem,) = problems(
        'node_name = "n"\n'
        f'agent_admin_socket_path = "{tmp_path}/admin/admin.sock"\n'
        f'workload_api_socket_path = "{tmp_path}/{way}"'
    )
    assert "which Pods would see" in problem


@pytest.mark.parametrize("key", ["csi_socket_path", "data_dir", "kubelet_dir", "registration_dir"])
def test_pods_see_nothing_of_the_driver_either(tmp_path: Path, key: str) -> None:
    (problem,) = problems(
        'node_name = "n"\n'
        'agent_admin_socket_path = "/run/spire/admin/admin.sock"\n'
        f'workload_api_socket_path = "{tmp_path}/api.sock"\n'
        f'{key} = "{tmp_path}/below/it"'
    )
    assert f"holds {key}" in problem


def test_a_folder_too_large_to_look_through_is_refused(tmp_path: Path) -> None:
    for number in range(10_001):
        (tmp_path / str(number)).symlink_to("nothing")
    (problem,) = problems(
        'node_name = "n"\n'
        'agent_admin_socket_path = "/run/spire/admin/admin.sock"\n'
        f'workload_api_socket_path = "{tmp_path}/api.sock"\n'
    )
    assert "more than 10000 files" in problem


def test_the_socket_that_the_kubelet_sees_follows_its_folder() -> None:
    read = settings('kubelet_dir = "/var/lib/k0s/kubelet"', NODE_NAME="n")
    assert read.endpoint == Path("/var/lib/k0s/kubelet/plugins/csi.spire.io/csi.sock")
    apart = settings('kubelet_dir = "/k"\nkubelet_socket_path = "/p/csi.sock"', NODE_NAME="n")
    assert apart.endpoint == Path("/p/csi.sock")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_csi(tmp_path / "none.conf", environment={})


def test_the_node_driver_does_not_carry_what_only_the_registrars_files_need() -> None:
    code = "import sys, registrar.settings.csi; print('re2' in sys.modules, 'yaml' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout.split() == ["False", "False"]
