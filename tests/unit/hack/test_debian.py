"""Which Debian packages are missing, and what is done about it."""

import os
import shutil
from pathlib import Path

import pytest

from hack.compilers import ToolError
from hack.node import debian
from tests.support.elf import static_program

COMMANDS = {
    "buildah": ["buildah"],
    "debootstrap": ["debootstrap"],
    "iproute2": ["ip"],
    "iptables": ["iptables", "iptables-save", "iptables-restore"],
    "mount": ["mount", "umount"],
    "openssl": ["openssl"],
    "runc": ["runc"],
    "util-linux": ["nsenter", "setpriv", "unshare"],
}
needs_apt = pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt-get here")
needs_files = pytest.mark.skipif(
    bool({"ca-certificates", "debian-archive-keyring"} & {*debian.missing()}),
    reason="files that a test can't bring are missing here",
)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder of commands and CNI plugins: empty, on a machine of root's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("CNI_PATH", str(folder))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return folder


def bring(folder: Path, *names: str, script: str = "") -> None:
    for name in names:
        (folder / name).write_text(f"#!/bin/sh\n{script}")
        (folder / name).chmod(0o755)


def bring_all(folder: Path) -> None:
    for commands in COMMANDS.values():
        bring(folder, *commands)
    bring(folder, *debian.CNI_PLUGINS)
    static_program(folder / "busybox")


@pytest.mark.usefixtures("machine")
def test_names_every_package_whose_commands_are_missing() -> None:
    assert {*debian.missing()} >= {*COMMANDS, "busybox-static", "containernetworking-plugins"}


def test_finds_what_is_there_whoever_brought_it(machine: Path) -> None:
    bring_all(machine)
    assert not {*debian.missing()} & {*COMMANDS, "busybox-static", "containernetworking-plugins"}


def test_one_missing_command_of_a_package_is_enough(machine: Path) -> None:
    bring_all(machine)
    (machine / "iptables-save").unlink()
    assert "iptables" in debian.missing()


def test_looks_for_system_commands_where_a_plain_su_does_not(machine: Path) -> None:
    system = machine.parent / "sbin"
    system.mkdir()
    bring(system, "debootstrap")
    assert "debootstrap" not in debian.missing()


def test_a_busybox_that_is_not_static_does_not_count(machine: Path) -> None:
    bring(machine, "busybox")
    assert debian.busybox() is None
    assert "busybox-static" in debian.missing()


def test_takes_the_static_busybox_behind_another(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(machine, "busybox")
    second = machine.parent / "second"
    second.mkdir()
    static = static_program(second / "busybox")
    monkeypatch.setenv("PATH", f"{machine}:{second}")
    assert debian.busybox() == static


def test_one_folder_must_have_all_network_plugins(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = machine.parent / "second"
    second.mkdir()
    monkeypatch.setenv("CNI_PATH", f"{machine}:{second}")
    bring(machine, "bridge", "host-local")
    bring(second, "portmap", "loopback")
    assert debian.cni_folder() is None
    bring(second, "bridge", "host-local")
    assert debian.cni_folder() == second


def test_names_the_command_when_it_may_not_install(machine: Path) -> None:
    bring_all(machine)
    bring(machine, "apt-get", script="exit 7\n")
    (machine / "buildah").unlink()
    (machine / "runc").unlink()
    with pytest.raises(
        ToolError, match=r"apt-get install --yes --no-install-recommends buildah .*\brunc"
    ):
        debian.ensure(print, install=False)


@pytest.mark.parametrize("install", [True, False])
def test_says_so_on_a_machine_that_is_no_debian(machine: Path, *, install: bool) -> None:
    bring(machine, "ip")
    with pytest.raises(ToolError, match=r"buildah, .*no apt-get.* no Debian"):
        debian.ensure(print, install=install)


def test_says_so_when_it_is_not_root(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(machine, "apt-get", script="exit 7\n")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ToolError, match=r"only root may install them: apt-get install"):
        debian.ensure(print, install=True)


@needs_files
def test_installs_without_questions_what_is_missing_only(machine: Path) -> None:
    bring_all(machine)
    (machine / "buildah").rename(machine / "hidden")
    script = f'echo "$DEBIAN_FRONTEND $@" >> {machine}/asked; /bin/mv {machine}/hidden {machine}/'
    bring(machine, "apt-get", script=f"{script}buildah\n")
    debian.ensure(print, install=True)
    asked = (machine / "asked").read_text().splitlines()
    assert len(asked) == 1
    assert asked[0].startswith("noninteractive ")
    assert asked[0].endswith(" install --yes --no-install-recommends buildah")
    debian.ensure(print, install=True)
    assert (machine / "asked").read_text().splitlines() == asked


@needs_files
def test_fetches_the_lists_of_packages_if_need_be(machine: Path) -> None:
    bring_all(machine)
    (machine / "buildah").rename(machine / "hidden")
    bring(
        machine,
        "apt-get",
        script=f"""case "$*" in
  *update) : > {machine}/fresh ;;
  *) [ -e {machine}/fresh ] && /bin/mv {machine}/hidden {machine}/buildah ;;
esac
""",
    )
    debian.ensure(print, install=True)


def test_shows_what_apt_said_when_it_fails(machine: Path) -> None:
    bring(machine, "apt-get", script="echo E: the disk is full; exit 100\n")
    with pytest.raises(ToolError, match="E: the disk is full"):
        debian.ensure(print, install=True)


def test_says_what_a_package_did_not_bring(machine: Path) -> None:
    bring_all(machine)
    (machine / "runc").unlink()
    bring(machine, "apt-get")
    with pytest.raises(ToolError, match=r"not here: .*runc"):
        debian.ensure(print, install=True)


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the root folder of a real apt's settings and state."""
    for folder in ("etc/apt/sources.list.d", "var/lib/apt/lists", "var/cache/apt"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "apt.conf").write_text(f'Dir "{tmp_path}";\n')
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    return tmp_path


ONE_LINE = """
# deb http://old.example/debian bookworm main
deb http://security.example/debian-security bookworm-security main
deb http://tools.example/apt stable main
deb [arch=amd64,arm64] http://mirror.example/debian bookworm main contrib
"""
DEB822 = """
Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
"""


@needs_apt
@pytest.mark.parametrize(
    ("file", "content"),
    [
        pytest.param("sources.list", ONE_LINE, id="one line each"),
        pytest.param("sources.list.d/own.list", ONE_LINE, id="a file of its own"),
        pytest.param("sources.list.d/debian.sources", DEB822, id="deb822"),
    ],
)
def test_finds_the_mirror_that_apt_uses(apt: Path, file: str, content: str) -> None:
    (apt / "etc/apt" / file).write_text(content)
    assert debian.mirror("bookworm") == "http://mirror.example/debian/"


@needs_apt
@pytest.mark.usefixtures("apt")
def test_finds_no_mirror_where_apt_has_none() -> None:
    assert debian.mirror("bookworm") == ""
    assert debian.apt_proxy() == ""


@needs_apt
def test_finds_the_proxy_that_only_apt_knows(apt: Path) -> None:
    with (apt / "apt.conf").open("a") as config:
        config.write('Acquire::http::Proxy "http://proxy.example:3128";\n')
        config.write('Acquire::http::Proxy::direct.example "DIRECT";\n')
    assert debian.apt_proxy() == "http://proxy.example:3128"


@pytest.mark.usefixtures("machine")
def test_without_apt_there_is_no_mirror() -> None:
    assert debian.mirror("bookworm") == ""
    assert debian.apt_proxy() == ""
