"""The configurations of two sibling registrars, known by sight.

Neither is read yet. Somebody who tries one is told so, instead of being told
that each of its keys is unknown.
"""

import re

from registrar.settings.hcl import Table
from registrar.settings.hcltokens import Position

_YAML_KIND = re.compile(r"^kind:[ \t]*[\"']?ControllerManagerConfig\b", re.MULTILINE)

WORKLOAD_REGISTRAR_KEYS = frozenset(
    {
        "add_pod_dns_names",
        "add_svc_dns_name",
        "addr",
        "agent_socket_path",
        "cacert_path",
        "cert_path",
        "cluster_dns_zone",
        "context",
        "controller_name",
        "dns_name_templates",
        "identity_template",
        "identity_template_label",
        "insecure_skip_client_verification",
        "key_path",
        "leader_election_resource_lock",
        "metrics_bind_addr",
        "mode",
        "webhook_cert_dir",
        "webhook_enabled",
        "webhook_port",
        "webhook_service_name",
    }
)
"""Keys that only k8s-workload-registrar has."""


def controller_manager_kind(text: str) -> Position | None:
    """Where the text says that it is spire-controller-manager's YAML, or None."""
    found = _YAML_KIND.search(text)
    return Position(text.count("\n", 0, found.start()) + 1, 1) if found else None


def workload_registrar_mode(root: Table) -> Position | None:
    """Where the file chooses a mode of k8s-workload-registrar, or None."""
    entry = root.entries.get("mode")
    return entry.at if entry else None
