"""The configurations of the sibling registrars, known by sight.

That of k8s-workload-registrar is not read yet. Somebody who tries it is told
so, instead of being told that each of its keys is unknown.
"""

import re

from registrar.settings.hcl import Table
from registrar.settings.hcltokens import Position

_YAML_KIND = re.compile(
    r"^kind:[ \t]*[\"']?(?:ControllerManagerConfig|ProjectConfig)\b", re.MULTILINE
)

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


def is_controller_manager(text: str) -> bool:
    """Whether the text says that it is the controller manager's YAML."""
    return _YAML_KIND.search(text) is not None


def workload_registrar_mode(root: Table) -> Position | None:
    """Where the file chooses a mode of k8s-workload-registrar, or None."""
    entry = root.entries.get("mode")
    return entry.at if entry else None
