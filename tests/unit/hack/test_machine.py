"""What a machine that can run no node is told."""

import os
import stat
import sys
from pathlib import Path

import pytest

from hack.compilers import ToolError
from hack.node import machine
from hack.node.preparation import prepare


def command(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder with commands, on a Linux machine of root's."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_another_system_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert machine.lacks() == "a node needs Linux, and this is darwin"


def test_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert machine.lacks().startswith("a node needs root")


def test_a_kernel_that_allows_no_namespaces_is_quoted(commands: Path) -> None:
    command(commands, "unshare", "echo unshare failed: Operation not permitted >&2; exit 1")
    assert machine.lacks().endswith("unshare failed: Operation not permitted")
    assert "no namespaces" in machine.lacks()


def test_a_missing_overlay_file_system_is_named(commands: Path) -> None:
    # The first question is about the network, the second about mounts.
    command(commands, "unshare", 'case "$*" in *overlay*) echo no such device >&2; exit 32;; esac')
    assert "overlayfs, which can't be mounted here: no such device" in machine.lacks()


def test_nothing_is_built_or_installed_where_no_node_can_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    said: list[str] = []
    with pytest.raises(ToolError, match="a node needs root"):
        prepare(said.append, install=True)
    assert said == []
