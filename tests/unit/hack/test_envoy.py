"""Envoy from its wheel: where it lies, and what is said where it does not."""

import re
from pathlib import Path

import pytest

from hack import envoy
from hack.compilers import ToolError


def test_the_version_is_that_of_the_manifests() -> None:
    images = Path(__file__).resolve().parents[3] / "deploy/base/images/kustomization.yaml"
    found = re.search(r"name: envoyproxy/envoy\n *newTag: v(\S+)", images.read_text())
    assert found is not None
    assert envoy.version() == found[1]


def test_one_that_is_not_installed_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ToolError, match="make tools"):
        envoy.required()
    envoy.program().parent.mkdir(parents=True)
    envoy.program().touch()
    assert envoy.required().is_relative_to(tmp_path)
    assert envoy.install(print) == envoy.required()
