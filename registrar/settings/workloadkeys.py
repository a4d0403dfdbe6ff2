"""The keys that only k8s-workload-registrar's file has: type, default and meaning, by mode.

Names, defaults and checks are the original's. What it shares with the layered registrar, and what
it lacks (an owner's mark on entries, the delete budget, probes in webhook mode, …), is in the
alias table of ``keys.py``.
"""

from pathlib import Path
from typing import Literal, TypeAlias

from registrar.settings import keys, kinds, values
from registrar.settings.kinds import Key, Kind
from registrar.settings.model import CRDMode, ReconcileMode, SpiffeIDWebhook

Mode: TypeAlias = Literal["webhook", "reconcile", "crd"]
MODES: tuple[Mode, ...] = ("webhook", "reconcile", "crd")

_CRD = CRDMode()
_RECONCILE = ReconcileMode()
_WEBHOOK = SpiffeIDWebhook()
_LOCKS = ("leases", "configmaps", "endpoints", "configmapsleases", "endpointsleases")
_NO_CONTEXT: tuple[tuple[str, str], ...] = ()

# The table: one row for each key.
# fmt: off
MODE: Key[Mode] = Key("mode", Kind("`webhook`, `reconcile` or `crd`", values.choice(MODES)),
    "webhook", "What the registrar hears of Pods by, and what it makes of them.")
SERVER = Key("server_address", kinds.SERVER_OR_SOCKET, None,
    "The SPIRE server: its TCP address, or `unix://` and the path of its socket. Over TCP "
    "the server must prove to be `spiffe://<trust domain>/spire/server`.",
    shown="none: the unix socket")
AGENT_SOCKET = Key("agent_socket_path", kinds.SOCKET, None,
    "The socket of the SPIRE agent's Workload API, from which the SVID for mTLS comes; "
    "required with a TCP address.")

ADDRESS = Key("addr", kinds.BIND, ("", 8443), "Where the HTTPS server listens.", shown='`":8443"`')
CERTIFICATE = Key("cert_path", kinds.PATH, Path("cert.pem"),
    "The server's certificate, PEM. This file and the next two are read anew when they change.")
PRIVATE_KEY = Key("key_path", kinds.PATH, Path("key.pem"), "The server's private key, PEM.")
CLIENT_AUTHORITY = Key("cacert_path", kinds.PATH, Path("cacert.pem"),
    "The authority that the API server's client certificate must come from, PEM.")
SKIP_CLIENTS = Key("insecure_skip_client_verification", kinds.BOOLEAN, default=False,
    meaning="Answer whoever calls. Then anybody who reaches the port can claim to be the API "
    "server: see the security page.")

LOCK = Key("leader_election_resource_lock", Kind("text", values.choice(_LOCKS)), "leases",
    "The lock is a Lease, whatever stands here; another value brings a warning.")
CONTROLLER_NAME = Key("controller_name", kinds.CLUSTER, _RECONCILE.controller_name,
    "First part of the parents' SPIFFE IDs: `/<controller_name>/<cluster>/node/<node name>`.")
POD_DNS_NAMES = Key("add_pod_dns_names", kinds.BOOLEAN, default=False,
    meaning="Put into SVIDs every name by which the cluster's DNS may know the Pod.")
DNS_ZONE = Key("cluster_dns_zone", kinds.DOMAIN, "cluster.local",
    "The cluster's DNS domain, for these names.")

IDENTITY = Key("identity_template", kinds.TEMPLATE, None,
    "Go template of the SPIFFE ID's path, over `.Pod.Name`, `.Pod.UID`, `.Pod.Namespace`, "
    "`.Pod.ServiceAccount`, `.Pod.Hostname`, `.Pod.NodeName` and `.Context`. Not together with "
    "`pod_label` or `pod_annotation`.", shown=f"`{_CRD.identity_template}`")
IDENTITY_LABEL = Key("identity_template_label", kinds.LABEL, None,
    "Only Pods whose label of this name is `true`, in any case, get an identity by the template.",
    shown="none: all Pods")
DNS_NAMES = Key("dns_name_templates", kinds.TEMPLATES, _CRD.dns_name_templates,
    "Go templates of the DNS names in a Pod's SVID; the first is its common name.",
    shown=f"`{list(_CRD.dns_name_templates)}`".replace("'", '"'),
    zeros={"[]": "no DNS names, as in the original"})
CONTEXT = Key("context", kinds.TEXT_MAP, _NO_CONTEXT,
    "What the templates see as `.Context.<name>`.", shown="none")
SERVICE_DNS_NAMES = Key("add_svc_dns_name", kinds.BOOLEAN, _CRD.service_dns_names,
    "Add `<service>.<namespace>.svc` to the DNS names of the ready Pods behind each service.")
NAMESPACED_DOWNSTREAM = Key("namespaced_downstream", kinds.BOOLEAN, _CRD.namespaced_downstream,
    "Whether a SpiffeID outside the registrar's own namespace may say `downstream: true`, "
    "as with the original. Whoever may write one can become a certificate authority of the "
    "trust domain; `false` refuses it.")
WEBHOOK = Key("webhook_enabled", kinds.BOOLEAN, default=False,
    meaning="Serve the validating webhook of SpiffeIDs.")
WEBHOOK_PORT = Key("webhook_port", kinds.PORT, _WEBHOOK.port, "Where it listens.")
WEBHOOK_SERVICE = Key("webhook_service_name", kinds.NAMESPACE, _WEBHOOK.service_name,
    "The Service that the API server calls it by; its certificate is made out to it.")
WEBHOOK_CONFIGURATION = Key("webhook_configuration_name", kinds.DNS_NAME,
    _WEBHOOK.configuration_name,
    "The ValidatingWebhookConfiguration whose `caBundle` is kept right, if its rights "
    "allow; else SPIRE's k8sbundle notifier must.")
# fmt: on

_ADDED = (
    keys.CLASS_NAME,
    keys.ENTRY_ID_PREFIX,
    keys.ADOPTION_POLICY,
    keys.DRIFT_INTERVAL,
    keys.BUDGET_COUNT,
    keys.BUDGET_FRACTION,
    keys.ALLOW_MASS_DELETION,
    keys.KUBECONFIG,
)
ADDED: tuple[Key[object], ...] = tuple(key.spelled("webhook") for key in _ADDED)
"""What the original lacks; in all modes."""

_SHARED = [key for key in keys.KEYS if key not in _ADDED]
_EVERYWHERE = [key for key in _SHARED if all(mode in key.names for mode in MODES)]
_COMMON = [key for key in _EVERYWHERE if key is not keys.METRICS]
COMMON: tuple[Key[object], ...] = (
    MODE,
    *(key.spelled("webhook") for key in _COMMON),
    SERVER,
    AGENT_SOCKET,
)
"""What all modes of the original have."""

_OWN: dict[Mode, tuple[Key[object], ...]] = {
    "webhook": (ADDRESS, CERTIFICATE, PRIVATE_KEY, CLIENT_AUTHORITY, SKIP_CLIENTS),
    "reconcile": (CONTROLLER_NAME, POD_DNS_NAMES, DNS_ZONE, LOCK),
    "crd": (
        IDENTITY,
        IDENTITY_LABEL,
        DNS_NAMES,
        CONTEXT,
        SERVICE_DNS_NAMES,
        NAMESPACED_DOWNSTREAM,
        WEBHOOK,
        WEBHOOK_PORT,
        WEBHOOK_SERVICE,
        WEBHOOK_CONFIGURATION,
        LOCK,
    ),
}
OF_MODE: dict[Mode, tuple[Key[object], ...]] = {
    mode: (
        *own,
        *(key.spelled(mode) for key in _SHARED if mode in key.names and key not in _COMMON),
    )
    for mode, own in _OWN.items()
}
IDLE: dict[str, str] = {
    "webhook_cert_dir": "the certificate comes from SPIRE and stays in memory",
    "add_svc_dns_names": "the original passes over it too: the key is add_svc_dns_name",
}
"""Keys that do nothing in any mode, and why; the last stands in the original's own example."""

OWN_KEYS: frozenset[str] = frozenset(
    {*(key.name for group in (COMMON, *OF_MODE.values()) for key in group), *IDLE}
) - {key.name for key in keys.KEYS}
"""Keys that only this tool has: a file with one of them is its own."""


def keys_of(mode: Mode) -> tuple[Key[object], ...]:
    """Every key of a mode, as it is there."""
    return (*COMMON, *OF_MODE[mode], *ADDED)


def other_modes(name: str, mode: Mode) -> list[Mode]:
    """The modes that have a key which this mode lacks; none if it has it, or no mode does."""
    if name in {key.name for key in keys_of(mode)}:
        return []
    return [other for other, group in OF_MODE.items() if name in {key.name for key in group}]


def idle_in(mode: Mode) -> dict[str, str]:
    """Keys that do nothing in a mode, and why: a file may be kept while its mode changes."""
    names = {key.name for group in OF_MODE.values() for key in group}
    others = {name: found for name in names if (found := other_modes(name, mode))}
    return {
        **{name: f"it is a key of {' and '.join(found)} mode" for name, found in others.items()},
        **IDLE,
    }
