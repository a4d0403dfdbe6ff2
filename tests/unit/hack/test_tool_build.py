"""Where the control plane's binaries lie and which Go builds them."""

from pathlib import Path

import pytest

from hack import tool_build


def go_that_says(folder: Path, version: str) -> None:
    command = folder / "go"
    command.write_text(f"#!/bin/sh\necho go version {version} linux/amd64\n")
    command.chmod(0o755)


@pytest.mark.parametrize(
    ("version", "from_wheel"),
    [
        pytest.param("go1.26.0", False, id="exactly the version asked for"),
        pytest.param("go1.27.3", False, id="a newer one"),
        pytest.param("go1.25.9", True, id="an older one"),
        pytest.param("devel go1.28-abcdef", False, id="a development version"),
        pytest.param("gccgo", True, id="something else"),
    ],
)
def test_takes_the_machines_go_if_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, from_wheel: bool
) -> None:
    go_that_says(tmp_path, version)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert tool_build.find_go().from_wheel is from_wheel


def test_takes_go_from_the_wheel_where_the_machine_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tool_build.find_go().from_wheel


def test_another_go_builds_into_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    go_that_says(tmp_path, "go1.27.0")
    first = tool_build.tools_folder(tool_build.find_go())
    go_that_says(tmp_path, "go1.27.1")
    second = tool_build.tools_folder(tool_build.find_go())
    assert first.parent == second.parent
    assert first != second


@pytest.mark.parametrize(
    ("xdg", "expected"),
    [
        pytest.param("/var/cache/me", Path("/var/cache/me/spire-registrar"), id="absolute"),
        pytest.param("cache", Path("/home/me/.cache/spire-registrar"), id="relative: ignored"),
        pytest.param("", Path("/home/me/.cache/spire-registrar"), id="unset"),
    ],
)
def test_caches_where_the_user_wants_caches(
    monkeypatch: pytest.MonkeyPatch, xdg: str, expected: Path
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert tool_build.cache_folder({"XDG_CACHE_HOME": xdg}) == expected


def test_says_how_to_build_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert tool_build.installed() is None
    with pytest.raises(tool_build.ToolError, match="make control-plane"):
        tool_build.required()


def test_knows_the_version_of_kubernetes_in_the_module() -> None:
    assert tool_build.kubernetes_version() == "v1.36.3"
