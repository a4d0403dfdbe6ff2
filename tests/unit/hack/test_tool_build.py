"""Where the control plane's binaries lie and which Go builds them."""

from pathlib import Path

import pytest

from hack import compilers, tool_build


def go_that_says(folder: Path, version: str) -> None:
    command = folder / "go"
    command.write_text(f"#!/bin/sh\necho go version {version} linux/amd64\n")
    command.chmod(0o755)


@pytest.mark.parametrize(
    ("version", "from_wheel"),
    [
        pytest.param("go1.26.6", False, id="exactly the newest version that a module asks for"),
        pytest.param("go1.26.5", True, id="too old for one of the modules"),
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
    assert compilers.find_go().from_wheel is from_wheel


def test_takes_go_from_the_wheel_where_the_machine_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compilers.find_go().from_wheel


def test_another_go_builds_into_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    go_that_says(tmp_path, "go1.27.0")
    first = tool_build.tools_folder(compilers.find_go())
    go_that_says(tmp_path, "go1.27.1")
    second = tool_build.tools_folder(compilers.find_go())
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
    assert compilers.cache_folder({"XDG_CACHE_HOME": xdg}) == expected


@pytest.mark.parametrize("tools", tool_build.TOOLSETS, ids=lambda tools: tools.title)
def test_says_how_to_build_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tools: tool_build.Toolset
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert tool_build.installed(tools) is None
    with pytest.raises(compilers.ToolError, match=f"{tools.title} is not built: make tools"):
        tool_build.required(tools)


def test_the_sets_lie_in_folders_of_their_own() -> None:
    folders = {tool_build.tools_folder(compilers.find_go(), s) for s in tool_build.TOOLSETS}
    assert len(folders) == len(tool_build.TOOLSETS)
    assert len({folder.parent for folder in folders}) == 1


def test_knows_the_versions_in_the_modules() -> None:
    assert tool_build.CONTROL_PLANE.version() == "v1.36.3"
    assert tool_build.SPIRE.version() == "v1.13.3"
    assert tool_build.NODE.version() == tool_build.CONTROL_PLANE.version()


def test_takes_the_c_compiler_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, works = tmp_path / "gcc", tmp_path / "my-cc"
    broken.write_text("#!/bin/sh\nexit 1\n")
    works.write_text("#!/bin/sh\nexit 0\n")
    for command in (broken, works):
        command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("CC", f"{works} -O2")
    assert compilers.c_compiler(print) == f"{works} -O2"


def test_takes_the_c_compiler_of_the_wheel_where_none_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    version = compilers.version_in(compilers.ZIG_LOCK, r"^ziglang==(\d+)\.(\d+)\.(\d+)")
    zig = tmp_path / "spire-registrar/zig" / ".".join(map(str, version)) / "ziglang/zig"
    zig.parent.mkdir(parents=True)
    zig.write_text("#!/bin/sh\nexit 0\n")
    zig.chmod(0o755)
    assert compilers.c_compiler(print) == f"{zig} cc"
