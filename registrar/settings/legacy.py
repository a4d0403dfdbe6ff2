"""Which of the three tools a configuration file is for, known by what stands in it."""

import re
from dataclasses import dataclass
from pathlib import Path

from registrar.settings.hcl import Document, Items, Scalar, Table
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
_DRIVERS_KEYS = (NODE_DRIVER_KEY, "workload_api_socket_path")
_SPIRES_BLOCKS = ("server", "agent", "plugins")
_RUNNING = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Pod", "Job"})
_MANIFESTS = frozenset({"ClusterSPIFFEID", "ClusterStaticEntry", "ClusterFederatedTrustDomain"})
_CONFIG_ARGUMENT = re.compile(r"(?:^| )--?config[= ](\S+)")
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
    file has. Raises YAMLError for a mistake in what can only be meant for YAML, and for what is
    known to be something else.
    """
    try:
        documents = parse_yaml(text)
    except YAMLError:
        if _LIKE_YAML.search(text):
            raise
        return None
    kinds = [_text_of(document.root, "kind") for document in documents]
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
                f"kind: {kind} is no configuration: it must be {_KINDS[0]}"
                + _instead(kind, document.root),
                document.root.entries["kind"].at,
            )
        if {"image", "name"} <= document.root.entries.keys():
            raise YAMLError(_container(document.root), document.root.entries["image"].at)
    return None


def why_not_yaml(text: str) -> str:
    """What to add to a mistake in HCL where the text is a mapping in YAML; empty where not."""
    try:
        documents = parse_yaml(text)
    except YAMLError:
        return ""
    if not any(document.root.entries for document in documents):
        return ""
    names = ", ".join(("kind", *_MANAGERS_KEYS))
    return f"; it reads as YAML, but has none of {names}, by which {MANAGER}'s file is known"


def _instead(kind: str, root: Table) -> str:
    """What to check in the place of an object of the API server."""
    if kind == "ConfigMap":
        data = root.entries.get("data")
        files = ", ".join(data.value.entries) if data and isinstance(data.value, Table) else ""
        return f"; it holds files, so check each as a file of its own: {files or 'it has none'}"
    if kind in _RUNNING:
        return "; it runs programs, so check the file that its container's --config names"
    if kind in _MANIFESTS:
        return "; apply it to a cluster, or put it into the folder that staticManifestPath names"
    return ""


def _container(root: Table) -> str:
    """What to say of a container of a Pod."""
    entry = root.entries.get("args") or root.entries.get("command")
    words = entry.value.values if entry and isinstance(entry.value, Items) else ()
    line = " ".join(str(word.value) for word in words if isinstance(word, Scalar))
    named = _CONFIG_ARGUMENT.search(line)
    return (
        "this is a container of a Pod, and no configuration: check the file that its --config "
        + (f"names, {named[1]}" if named else "names")
    )


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


def node_drivers(root: Table) -> tuple[str, Position] | None:
    """A key that only the node driver's file has, one of which it always has; None without it."""
    for name in _DRIVERS_KEYS:
        if name in root.entries:
            return name, root.entries[name].at
    return None


def spires(root: Table) -> tuple[str, Position] | None:
    """The block by which a file is known to be SPIRE's own, and where it is."""
    for name in _SPIRES_BLOCKS:
        entry = root.entries.get(name)
        if entry is not None and isinstance(entry.value, Table | Items):
            return name, entry.at
    return None


def _text_of(root: Table, name: str) -> str:
    entry = root.entries.get(name)
    if entry is None or is_zero(entry.value) or not isinstance(entry.value, Scalar):
        return ""
    return str(entry.value.value)
