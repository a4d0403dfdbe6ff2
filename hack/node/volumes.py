"""Volumes of the node for claims: the default StorageClass, and folders of the node behind it.

A cluster has somebody who makes a volume for each claim. Here they are made beforehand; one that
was used is not used again, so whoever needs many asks for more.
"""

import json
from collections.abc import Sequence

FOLDER = "/var/lib/volumes"
CLASS = "node-folders"
_SIZE = "1Gi"


def storage_class() -> dict[str, object]:
    """Return the default StorageClass. A claim gets its volume when its Pod gets its node."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def volume(name: str, hostname: str) -> dict[str, object]:
    """Return a volume in a folder of the node."""
    where = {"key": "kubernetes.io/hostname", "operator": "In", "values": [hostname]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": _SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": CLASS,
            "local": {"path": f"{FOLDER}/{name}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [where]}]}},
        },
    }


def missing(stored: str, free: int) -> list[str]:
    """Return the names of the volumes that lack of `free` that nobody has used yet.

    `stored` is what kubectl says of all of them, as JSON.
    """
    found = json.loads(stored)["items"]
    usable = [each for each in found if each.get("status", {}).get("phase") in _UNUSED]
    lacking = max(0, free - len(usable))
    return [f"volume-{len(found) + number}" for number in range(lacking)]


def manifests(names: Sequence[str], hostname: str) -> str:
    """Return the StorageClass and these volumes as one list for kubectl."""
    items = [storage_class(), *(volume(name, hostname) for name in names)]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


_UNUSED = {None, "", "Pending", "Available"}
