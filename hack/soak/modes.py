"""The modes of the registrar: their configuration, their rights, and the kinds of their objects."""

import dataclasses
from pathlib import Path

from hack.soak.asked import CLUSTER, OWN_NAMESPACE, POD_LABEL, TRUST_DOMAIN

ROOT = Path(__file__).resolve().parents[2]

_SPIFFEID, _SPIRE = "/apis/spiffeid.spiffe.io/v1beta1", "/apis/spire.spiffe.io/v1alpha1"
PODS, NODES, NAMESPACES = "/api/v1/pods", "/api/v1/nodes", "/api/v1/namespaces"
PATHS = {
    "pods": PODS,
    "nodes": NODES,
    "namespaces": NAMESPACES,
    "clusterspiffeids": f"{_SPIFFEID}/clusterspiffeids",
    "spiffeids": f"{_SPIFFEID}/spiffeids",
    "records": f"{_SPIFFEID}/spireentries",
    "templates": f"{_SPIRE}/clusterspiffeids",
    "static": f"{_SPIRE}/clusterstaticentries",
    "federation": f"{_SPIRE}/clusterfederatedtrustdomains",
}
"""Where all objects of a kind are, by the judge's name of the kind."""

CRDS = {
    "clusterspiffeids": "spiffeid.spiffe.io_clusterspiffeids",
    "spiffeids": "spiffeid.spiffe.io_spiffeids",
    "templates": "spire.spiffe.io_clusterspiffeids",
    "static": "spire.spiffe.io_clusterstaticentries",
    "federation": "spire.spiffe.io_clusterfederatedtrustdomains",
}
"""The file of a kind's definition in config/crd/bases."""

_LEADING = """\
leader_election = true
leader_election_lease_duration = "{lease}s"
leader_election_renew_deadline = "{deadline}s"
leader_election_retry_period = "{retry}"
"""

_LAYERED = f"""\
cluster = "{CLUSTER}"
trust_domain = "{TRUST_DOMAIN}"
server_socket_path = "{{socket}}"
metrics_addr = "127.0.0.1:{{port}}"
pod_controller = true
pod_label = "{POD_LABEL}"
drift_interval = "2s"
log_level = "debug"
log_path = "{{log}}"
{{leading}}"""

_MANAGER = f"""\
apiVersion: spire.spiffe.io/v1alpha1
kind: ControllerManagerConfig
clusterName: {CLUSTER}
trustDomain: {TRUST_DOMAIN}
clusterDomain: cluster.local
spireServerSocketPath: {{socket}}
gcInterval: 2s
metrics: {{{{bindAddress: "127.0.0.1:{{port}}"}}}}
logLevel: debug
logPath: {{log}}
{{leading}}"""

_MANAGER_LEADING = """\
leaderElection:
  leaderElect: true
  leaseDuration: {lease}s
  renewDeadline: {deadline}s
  retryPeriod: {retry}
"""

_WORKLOAD = f"""\
mode = "{{mode}}"
cluster = "{CLUSTER}"
trust_domain = "{TRUST_DOMAIN}"
server_socket_path = "{{socket}}"
pod_label = "{POD_LABEL}"
drift_interval = "2s"
log_level = "debug"
log_path = "{{log}}"
{{address}}
{{leading}}"""


@dataclasses.dataclass(frozen=True, slots=True)
class Mode:
    """One mode. `account` is who it is to the API server, `rights` the files that say what it may.

    `kinds` are what the judge reads, `custom` those of them that may go with their definition.
    """

    name: str
    account: str
    rights: tuple[str, ...]
    kinds: tuple[str, ...]
    custom: tuple[str, ...] = ()
    replicas: int = 2
    elects: bool = True
    """Whether it can hold a Lease as the leader of several."""
    lease_seconds: int = 8
    retry: str = "500ms"
    """How often the leader renews its Lease; more often than usual, so that much happens."""

    @property
    def needs_cluster(self) -> bool:
        """Whether there is an API server."""
        return self.name != "static"

    def configuration(self, socket: Path, log: Path, port: int, folder: Path) -> str:
        """Return the text of the registrar's file."""
        deadline = self.lease_seconds * 2 // 3
        lease = {"lease": self.lease_seconds, "deadline": deadline, "retry": self.retry}
        leading = _LEADING.format(**lease) if self.elects else ""
        if self.name == "layered":
            return _LAYERED.format(socket=socket, log=log, port=port, leading=leading)
        if self.name == "controller-manager":
            return _MANAGER.format(
                socket=socket, log=log, port=port, leading=_MANAGER_LEADING.format(**lease)
            )
        if self.name == "static":
            folder_key = f"staticManifestPath: {folder / 'disk' / 'manifests'}\n"
            return _MANAGER.format(socket=socket, log=log, port=port, leading=folder_key)
        address = f'metrics_addr = "127.0.0.1:{port}"'
        if self.name == "crd":
            address = f'metrics_bind_addr = "127.0.0.1:{port}"\nadd_svc_dns_name = false'
        elif self.name == "webhook":
            address += "".join(
                f'\n{key}_path = "{folder / key}.pem"' for key in ("cert", "key", "cacert")
            )
            address += f'\naddr = "127.0.0.1:{folder_port(folder)}"'
        return _WORKLOAD.format(
            mode=self.name, socket=socket, log=log, address=address, leading=leading
        )


def folder_port(folder: Path) -> int:
    """Return the port that the webhook of a world listens at, as `webhook` chose it."""
    return int((folder / "webhook-port").read_text(encoding="ascii"))


_WORKLOAD_ROLE = "config/overlays/workload-registrar/{}/role.yaml"
_MANAGER_ROLES = "config/overlays/controller-manager/rbac/"
_RBAC = "config/rbac/"

MODES = {
    mode.name: mode
    for mode in (
        Mode(
            "layered",
            "spire-registrar",
            (
                f"{_RBAC}role.yaml",
                f"{_RBAC}role_binding.yaml",
                f"{_RBAC}leader_election_role.yaml",
                f"{_RBAC}leader_election_role_binding.yaml",
            ),
            ("pods", "clusterspiffeids", "records"),
            ("clusterspiffeids",),
        ),
        Mode(
            "controller-manager",
            "spire-controller-manager",
            (f"{_MANAGER_ROLES}role.yaml", f"{_MANAGER_ROLES}bindings.yaml"),
            ("pods", "nodes", "namespaces", "templates", "static", "federation", "records"),
            ("templates", "static", "federation"),
        ),
        Mode("static", "", (), ("static", "federation"), replicas=1, elects=False),
        Mode(
            "reconcile",
            "spire-server",
            (_WORKLOAD_ROLE.format("reconcile"),),
            ("pods", "nodes", "records"),
        ),
        Mode(
            "webhook",
            "spire-server",
            (_WORKLOAD_ROLE.format("webhook"),),
            ("pods", "records"),
            replicas=1,
            elects=False,
        ),
        Mode(
            "crd",
            "spire-server",
            (_WORKLOAD_ROLE.format("crd"),),
            ("pods", "nodes", "spiffeids", "records"),
            ("spiffeids",),
        ),
    )
}

ENVIRONMENT = {"ENABLE_WEBHOOKS": "false", "MY_POD_NAMESPACE": OWN_NAMESPACE}
"""What a Pod's environment would say."""
