"""What the documentation says for another namespace than ours, as kustomize does it."""

import os
import re
from pathlib import Path

import pytest

from tests.support.manifests import CONFIG, render

pytestmark = pytest.mark.real("control plane")

PAGE = CONFIG.parent / "docs/howto/install.md"


def test_everything_moves_but_what_all_namespaces_share(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## In another namespace")[2]
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    here = os.path.relpath(CONFIG / "default", tmp_path.resolve())
    (tmp_path / "kustomization.yaml").write_text(block.replace(".../config/default", here))
    places: dict[str, set[str]] = {}
    for each in render(tmp_path).objects:
        kind, metadata = str(each["kind"]), each["metadata"]
        assert isinstance(metadata, dict)
        name = str(metadata["name"])
        places.setdefault(str(metadata.get("namespace", "")), set()).add(f"{kind}/{name}")
        for subject in each.get("subjects", []):  # type: ignore[union-attr]
            assert subject["namespace"] == "identities", name  # type: ignore[index,call-overload]
    assert "Namespace/identities" in places.pop("")
    assert "Deployment/spire-registrar" in places.pop("identities")
    assert places == {
        "kube-public": {
            "Role/spire-registrar-leader-election",
            "RoleBinding/spire-registrar-leader-election",
        }
    }
