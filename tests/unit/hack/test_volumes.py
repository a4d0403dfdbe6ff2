"""Volumes that the node has for claims."""

import json

from hack.node import volumes


def stored(*phases: str) -> str:
    return json.dumps({"items": [{"status": {"phase": phase}} for phase in phases]})


def test_only_volumes_that_nobody_has_used_count() -> None:
    assert volumes.missing(stored(), 2) == ["volume-0", "volume-1"]
    assert volumes.missing(stored("Available", "Bound", "Released"), 2) == ["volume-3"]
    assert volumes.missing(stored("Available", "Pending"), 2) == []


def test_the_class_is_the_default_and_there_without_volumes_too() -> None:
    (only,) = json.loads(volumes.manifests([], "node1"))["items"]
    assert only["kind"] == "StorageClass"
    assert only["metadata"]["annotations"] == {
        "storageclass.kubernetes.io/is-default-class": "true"
    }
    _, volume = json.loads(volumes.manifests(["volume-0"], "node1"))["items"]
    assert volume["spec"]["local"] == {"path": "/var/lib/volumes/volume-0"}
