"""The Helm chart's generated files: the manifests of config/ as it carries them, and its schema.

The chart says nothing about an object that config/ says already. It carries the manifests as they
are, below ``files/``, and its templates change what values are for: a namespace, an image, a list
of tolerations. What a configuration file may have is read off the tables of keys.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

import yaml

from api.codec import JSONObject, JSONValue
from registrar.settings.csi import CSI_KEYS, KUBELET_DIR
from registrar.settings.keys import KEYS
from registrar.settings.kinds import Key
from registrar.settings.managerkeys import IGNORED, MANAGER_KEYS

ROOT = Path(__file__).resolve().parents[1]
CHART = Path("charts/spire-registrar")
_CONFIG = ROOT / "config"
_MARK = "# Copied from config/{folder} by hack/generate.py; edit the manifests there.\n"

PARTS = {
    "crds": "crd",
    "clusterspiffeid": "default",
    "controller-manager": "overlays/controller-manager/apart",
    "csi": "csi",
    "prometheus": "prometheus",
    "admission-policy": "admission-policy",
}
"""What the chart carries: the name of a file, and the folder of config/ whose manifests it has."""

_APART = frozenset({"crd", "namespace"})
"""Folders that are a part of their own, or that Helm sees to: `helm install --create-namespace`."""

# The rows of a kind of value that is no text, as JSON Schema says it. All else is text.
_TYPES: Mapping[str, JSONObject] = {
    "boolean": {"type": "boolean"},
    "whole number": {"type": "integer", "minimum": 0},
    "port": {"type": "integer", "minimum": 0, "maximum": 65535},
    "number from 0 to 1": {"type": "number", "minimum": 0, "maximum": 1},
    "duration": {"type": ["string", "number"]},
    "list of text": {"type": "array", "items": {"type": "string"}},
    "list of regular expressions": {"type": "array", "items": {"type": "string"}},
    "mapping of labels to values": {"type": "object"},
    "mapping with namespaces as keys": {"type": "object"},
}


def render_chart(fresh: Mapping[Path, str]) -> dict[Path, str]:
    """Every generated file of the chart: its path in the repository, and its text.

    ``fresh`` are manifests that are generated too, as they will be; they count for those on disk.
    """
    files = {
        CHART / "files" / f"{part}.yaml": _bundle(folder, fresh) for part, folder in PARTS.items()
    }
    return files | {CHART / "values.schema.json": _schema()}


def _bundle(folder: str, fresh: Mapping[Path, str]) -> str:
    """The manifests of a kustomization, and of those that it names, one after the other."""
    texts = [
        fresh.get(path.relative_to(ROOT)) or path.read_text(encoding="utf-8")
        for path in _manifests(_CONFIG / folder)
    ]
    return _MARK.format(folder=folder) + "\n---\n".join(text.strip("\n") for text in texts) + "\n"


def _manifests(folder: Path) -> Iterator[Path]:
    document = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    for resource in document["resources"]:
        path = (folder / resource).resolve()
        if path.is_file():
            yield path
        elif path.name not in _APART:
            yield from _manifests(path)


def _schema() -> str:
    path = ROOT / "hack/helm_values.yaml"
    schema = yaml.safe_load(path.read_text(encoding="utf-8"))
    tables: Mapping[str, tuple[Iterable[Key[object]], Iterable[str]]] = {
        "config": (KEYS, ()),
        "controllerManagerConfig": (MANAGER_KEYS, IGNORED),
        # The value kubeletDir says it, for the volumes too.
        "csiConfig": ([key for key in CSI_KEYS if key is not KUBELET_DIR], ()),
    }
    for name, (keys, ignored) in tables.items():
        schema["$defs"][name] = _settings(keys, ignored)
    return json.dumps(schema, indent=2) + "\n"


def _settings(keys: Iterable[Key[object]], ignored: Iterable[str]) -> JSONObject:
    """The schema of a configuration file; a null takes away what the chart's values say."""
    root: JSONObject = {}
    for name in ignored:
        _put(root, name, {})
    for key in keys:
        said = _TYPES.get(key.kind.name, {"type": "string"})
        kinds = said["type"] if isinstance(said["type"], list) else [said["type"]]
        _put(root, key.name, {**said, "type": [*kinds, "null"], "description": key.meaning})
    return _closed(root)


def _put(root: JSONObject, dotted: str, schema: JSONObject) -> None:
    """Put a key of a key, such as ``webhook.port``, where it lies."""
    *outer, last = dotted.split(".")
    for name in outer:
        root = cast("dict[str, JSONObject]", root.setdefault(name, _closed({})))["properties"]
    root.setdefault(last, schema)


def _closed(properties: dict[str, JSONValue]) -> JSONObject:
    return {"type": "object", "additionalProperties": False, "properties": properties}
