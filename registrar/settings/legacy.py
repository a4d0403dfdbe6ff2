"""Which of the three tools a configuration file is for, known by what stands in it."""

import re
from pathlib import Path

from registrar.settings.hcl import Table
from registrar.settings.workloadkeys import OWN_KEYS

_YAML_KIND = re.compile(
    r"^kind:[ \t]*[\"']?(?:ControllerManagerConfig|ProjectConfig)\b", re.MULTILINE
)
_WORKLOAD_REGISTRAR_FILE = "k8s-workload-registrar.conf"


def is_controller_manager(text: str) -> bool:
    """Whether the text says that it is the controller manager's YAML."""
    return _YAML_KIND.search(text) is not None


def is_workload_registrar(root: Table, path: Path) -> bool:
    """Whether an HCL file is k8s-workload-registrar's: by a key that only it has, or its name.

    Its smallest file, without a mode, has no key that the layered registrar lacks.
    """
    return not OWN_KEYS.isdisjoint(root.entries) or path.name == _WORKLOAD_REGISTRAR_FILE
