"""Where manifests are looked for, and the objects in them."""

from pathlib import Path

import pytest

from registrar.errors import InvalidField
from topology.manifests import ObjectID, find_manifests, objects_of

ROOT = Path(__file__).resolve().parents[3]


def test_the_checkouts_own_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = find_manifests(None)
    assert found.module("nested") == ROOT / "deploy/nested"
    assert (found.crds / "kustomization.yaml").exists()


def test_a_folder_without_topologies_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match=rf"--manifests.*{tmp_path}"):
        find_manifests(tmp_path)


def test_objects_are_known_by_what_addresses_them() -> None:
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b}\n---\n---\nkind: X\n"
    assert list(objects_of(text)) == [ObjectID("v1", "Pod", "b", "a"), ObjectID("", "X", "", "")]
    assert str(ObjectID("v1", "Pod", "b", "a")) == "Pod a in b"
