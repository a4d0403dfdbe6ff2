"""Which of the three tools a configuration file is for, known by what stands in it."""

import re
from dataclasses import dataclass
from pathlib import Path

from registrar.settings.hcl import Document, Scalar, Table
from registrar.settings.hcltokens import Position
from registrar.settings.keys import NODE_DRIVER_KEY
from registrar.settings.values import is_zero
from registrar.settings.workloadkeys import OWN_KEYS
from registrar.settings.yamltree import YAMLError, parse_yaml

LAYERED = "spire-k8s-registrar"
WORKLOAD = "k8s-workload-registrar"
MANAGER = "spire-controller-manager"
DRIVER = "spire-registrar csi"

_KINDS = ("ControllerManagerConfig", "ProjectConfig")
_MANAGERS_KEYS = ("apiVersion", "clusterName", "trustDomain")
_LIKE_YAML = re.compile(
    r"(?:^[ \t]*|[{,]\s*)[\"']?(?:kind|apiVersion|clusterName|trustDomain)[\"']?[ \t]*:",
    re.MULTILINE,
)
_WORKLOAD_REGISTRAR_FILE = "k8s-workload-registrar.conf"


@dataclass(frozen=True, slots=True)
class ManagersFile:
    """The controller manager's document, how it is known, and how many others stand beside it."""

    document: Document
    why: str
    others: int


def controller_managers(text: str) -> ManagersFile | None:
    """The controller manager's file, in YAML or JSON, or None if the text is none.

    Its kind says so; without one, as the original allows, the keys that no other
    file has. Raises YAMLError for a mistake in what can only be meant for YAML.
    """
    try:
        documents = parse_yaml(text)
    except YAMLError:
        if _LIKE_YAML.search(text):
            raise
        return None
    kinds = [_kind(document) for document in documents]
    for document, kind in zip(documents, kinds, strict=True):
        if kind in _KINDS:
            return ManagersFile(document, f"kind: {kind}", len(documents) - 1)
    for document, kind in zip(documents, kinds, strict=True):
        key = next((key for key in _MANAGERS_KEYS if key in document.root.entries), "")
        if key and not kind:
            return ManagersFile(document, f"it has {key}", len(documents) - 1)
    for document, kind in zip(documents, kinds, strict=True):
        if kind:
            raise YAMLError(
                f"kind: {kind} is no configuration: it must be {_KINDS[0]}",
                document.root.entries["kind"].at,
            )
    return None


def workload_registrars(root: Table, path: Path) -> str:
    """How an HCL file is known to be k8s-workload-registrar's, empty if it is not.

    By a key that only it has, or by its name: its smallest file, without a mode,
    has no key that the layered registrar lacks.
    """
    key = next((name for name in root.entries if name in OWN_KEYS), "")
    if "mode" in root.entries:
        key = "mode"
    if key:
        return f"it has {key}"
    return f"it is named {path.name}" if path.name == _WORKLOAD_REGISTRAR_FILE else ""


def node_drivers(root: Table) -> Position | None:
    """Where the key stands that only the node driver's file has, and always; None without it."""
    entry = root.entries.get(NODE_DRIVER_KEY)
    return None if entry is None else entry.at


def _kind(document: Document) -> str:
    entry = document.root.entries.get("kind")
    if entry is None or is_zero(entry.value) or not isinstance(entry.value, Scalar):
        return ""
    return str(entry.value.value)
