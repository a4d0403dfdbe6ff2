"""Every key of k8s-workload-registrar's file: its type, default and meaning, said once.

Names, defaults and checks are the original's. What it lacks (an owner's mark
on entries, the delete budget, probes in webhook mode, …) has the layered
registrar's keys.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

from registrar.settings import keys, values
from registrar.settings.keys import Key
from registrar.settings.model import CRDMode, ReconcileMode, SpiffeIDWebhook

Mode: TypeAlias = Literal["webhook", "reconcile", "crd"]
MODES: tuple[Mode, ...] = ("webhook", "reconcile", "crd")

_CRD = CRDMode()
_RECONCILE = ReconcileMode()
_WEBHOOK = SpiffeIDWebhook()

MODE: Key[Mode] = Key(
    name="mode",
    kind="`webhook`, `reconcile` or `crd`",
    read=values.choice(MODES),
    default="webhook",
    meaning="What the registrar hears of Pods by, and what it makes of them.",
)
SERVER: Key[tuple[str, int] | Path | None] = Key(
    name="server_address",
    kind="host:port or `unix://` path",
    read=values.server_or_socket,
    default=None,
    shown="none: the unix socket",
    meaning="The SPIRE server: its TCP address, or `unix://` and the path of its socket. Over TCP "
    "the server must prove to be `spiffe://<trust domain>/spire/server`.",
)
SERVER_SOCKET: Key[Path | None] = Key(
    name="server_socket_path",
    kind="path",
    read=values.socket_path,
    default=None,
    shown="none: `server_address`",
    meaning="The SPIRE server's unix socket. One of the two must be given.",
)
AGENT_SOCKET: Key[Path | None] = Key(
    name="agent_socket_path",
    kind="path",
    read=values.socket_path,
    default=None,
    meaning="The socket of the SPIRE agent's Workload API, from which the SVID for mTLS comes; "
    "required with a TCP address.",
)
POD_LABEL = replace(
    keys.POD_LABEL,
    meaning="The SPIFFE ID's path is the value of this label; a Pod without it gets no identity. "
    "Not together with `pod_annotation`.",
)
POD_ANNOTATION = replace(
    keys.POD_ANNOTATION,
    meaning="As `pod_label`, from an annotation; its value may have slashes.",
)
DISABLED = replace(keys.DISABLED, meaning="Namespaces whose Pods get no identity.")

COMMON: tuple[Key[object], ...] = (
    MODE,
    keys.CLUSTER,
    keys.TRUST_DOMAIN,
    SERVER_SOCKET,
    SERVER,
    AGENT_SOCKET,
    POD_LABEL,
    POD_ANNOTATION,
    DISABLED,
    keys.LOG_LEVEL,
    keys.LOG_FORMAT,
    keys.LOG_PATH,
)
"""What all modes of the original have."""

ADDRESS: Key[tuple[str, int]] = Key(
    name="addr",
    kind="host:port",
    read=values.bind_address,
    default=("", 8443),
    shown='`":8443"`',
    meaning="Where the HTTPS server listens.",
)
CERTIFICATE: Key[Path] = Key(
    name="cert_path",
    kind="path",
    read=values.path,
    default=Path("cert.pem"),
    meaning="The server's certificate, PEM. This file and the next two are read anew when they "
    "change.",
)
PRIVATE_KEY: Key[Path] = Key(
    name="key_path",
    kind="path",
    read=values.path,
    default=Path("key.pem"),
    meaning="The server's private key, PEM.",
)
CLIENT_AUTHORITY: Key[Path] = Key(
    name="cacert_path",
    kind="path",
    read=values.path,
    default=Path("cacert.pem"),
    meaning="The authority that the API server's client certificate must come from, PEM.",
)
SKIP_CLIENTS: Key[bool] = Key(
    name="insecure_skip_client_verification",
    kind="boolean",
    read=values.boolean,
    bare=True,
    default=False,
    meaning="Answer whoever calls. Then anybody who reaches the port can claim to be the API "
    "server: see the security page.",
)
WEBHOOK_METRICS = replace(
    keys.METRICS, default="0", meaning=keys.METRICS.meaning + " The original had none of them."
)
WEBHOOK_KEYS: tuple[Key[object], ...] = (
    ADDRESS,
    CERTIFICATE,
    PRIVATE_KEY,
    CLIENT_AUTHORITY,
    SKIP_CLIENTS,
    WEBHOOK_METRICS,
)

ELECTION = keys.LEADER_ELECTION
LOCK: Key[str] = Key(
    name="leader_election_resource_lock",
    kind="text",
    read=values.choice(
        ("leases", "configmaps", "endpoints", "configmapsleases", "endpointsleases")
    ),
    default="leases",
    meaning="The lock is a Lease, whatever stands here; another value brings a warning.",
)
_LEASE = replace(keys.LEASE, shown="`<controller_name>-leader-election`, as the original's")
CONTROLLER_NAME: Key[str] = Key(
    name="controller_name",
    kind="text",
    read=values.cluster,
    default=_RECONCILE.controller_name,
    meaning="First part of the parents' SPIFFE IDs: "
    "`/<controller_name>/<cluster>/node/<node name>`.",
)
POD_DNS_NAMES: Key[bool] = Key(
    name="add_pod_dns_names",
    kind="boolean",
    read=values.boolean,
    bare=True,
    default=False,
    meaning="Put into SVIDs every name by which the cluster's DNS may know the Pod.",
)
DNS_ZONE: Key[str] = Key(
    name="cluster_dns_zone",
    kind="domain",
    read=values.dns_zone,
    default="cluster.local",
    meaning="The cluster's DNS domain, for these names.",
)
RECONCILE_KEYS: tuple[Key[object], ...] = (
    CONTROLLER_NAME,
    POD_DNS_NAMES,
    DNS_ZONE,
    keys.METRICS,
    ELECTION,
    LOCK,
    keys.LEASE_NAMESPACE,
    _LEASE,
    keys.LEASE_DURATION,
    keys.RENEW_DEADLINE,
    keys.RETRY_PERIOD,
)

PODS: Key[bool] = replace(
    keys.POD_CONTROLLER,
    default=True,
    meaning="Make a SpiffeID for every Pod and every Node.",
)
IDENTITY: Key[str | None] = Key(
    name="identity_template",
    kind="template",
    read=values.text,
    default=None,
    shown=f"`{_CRD.identity_template}`",
    meaning="Go template of the SPIFFE ID's path, over `.Pod.Name`, `.Pod.UID`, `.Pod.Namespace`, "
    "`.Pod.ServiceAccount`, `.Pod.Hostname`, `.Pod.NodeName` and `.Context`. Not together with "
    "`pod_label` or `pod_annotation`.",
)
IDENTITY_LABEL: Key[str | None] = Key(
    name="identity_template_label",
    kind="label name",
    read=values.metadata_key,
    default=None,
    shown="none: all Pods",
    meaning="Only Pods whose label of this name is `true`, in any case, get an identity by the "
    "template.",
)
DNS_NAMES: Key[tuple[str, ...]] = Key(
    name="dns_name_templates",
    kind="list of templates",
    read=values.texts,
    default=_CRD.dns_name_templates,
    shown=f"`{list(_CRD.dns_name_templates)}`".replace("'", '"'),
    meaning="Go templates of the DNS names in a Pod's SVID; the first is its common name.",
)
CONTEXT: Key[tuple[tuple[str, str], ...]] = Key(
    name="context",
    kind="block of texts",
    read=values.text_map,
    default=(),
    shown="none",
    meaning="What the templates see as `.Context.<name>`.",
)
SERVICE_DNS_NAMES: Key[bool] = Key(
    name="add_svc_dns_name",
    kind="boolean",
    read=values.boolean,
    bare=True,
    default=_CRD.service_dns_names,
    meaning="Add `<service>.<namespace>.svc` to the DNS names of the ready Pods behind each "
    "service.",
)
NAMESPACED_DOWNSTREAM: Key[bool] = Key(
    name="namespaced_downstream",
    kind="boolean",
    read=values.boolean,
    bare=True,
    default=_CRD.namespaced_downstream,
    meaning="Whether a SpiffeID outside the registrar's own namespace may say `downstream: true`, "
    "as with the original. Whoever may write one can become a certificate authority of the "
    "trust domain; `false` refuses it.",
)
CRD_METRICS = replace(keys.METRICS, name="metrics_bind_addr")
WEBHOOK: Key[bool] = Key(
    name="webhook_enabled",
    kind="boolean",
    read=values.boolean,
    bare=True,
    default=False,
    meaning="Serve the validating webhook of SpiffeIDs.",
)
WEBHOOK_PORT: Key[int] = Key(
    name="webhook_port",
    kind="port",
    read=values.port,
    bare=True,
    default=_WEBHOOK.port,
    meaning="Where it listens.",
)
WEBHOOK_SERVICE: Key[str] = Key(
    name="webhook_service_name",
    kind="text",
    read=values.namespace,
    default=_WEBHOOK.service_name,
    meaning="The Service that the API server calls it by; its certificate is made out to it.",
)
WEBHOOK_CONFIGURATION: Key[str] = Key(
    name="webhook_configuration_name",
    kind="text",
    read=values.lease_name,
    default=_WEBHOOK.configuration_name,
    meaning="The ValidatingWebhookConfiguration whose `caBundle` is kept right, if its rights "
    "allow; else SPIRE's k8sbundle notifier must.",
)
CRD_KEYS: tuple[Key[object], ...] = (
    PODS,
    IDENTITY,
    IDENTITY_LABEL,
    DNS_NAMES,
    CONTEXT,
    SERVICE_DNS_NAMES,
    NAMESPACED_DOWNSTREAM,
    CRD_METRICS,
    WEBHOOK,
    WEBHOOK_PORT,
    WEBHOOK_SERVICE,
    WEBHOOK_CONFIGURATION,
    ELECTION,
    LOCK,
    keys.LEASE_NAMESPACE,
    replace(_LEASE, shown="`spire-k8s-registrar-leader-election`, as the original's"),
    keys.LEASE_DURATION,
    keys.RENEW_DEADLINE,
    keys.RETRY_PERIOD,
)

ADDED: tuple[Key[object], ...] = (
    keys.CLASS_NAME,
    replace(keys.ENTRY_ID_PREFIX, shown="derived from `cluster`"),
    keys.ADOPTION_POLICY,
    keys.DRIFT_INTERVAL,
    keys.BUDGET_COUNT,
    keys.BUDGET_FRACTION,
    keys.ALLOW_MASS_DELETION,
    keys.KUBECONFIG,
)
"""What the original lacks; in all modes."""

OF_MODE: dict[Mode, tuple[Key[object], ...]] = {
    "webhook": WEBHOOK_KEYS,
    "reconcile": RECONCILE_KEYS,
    "crd": CRD_KEYS,
}
IDLE: dict[str, str] = {
    "webhook_cert_dir": "the certificate comes from SPIRE and stays in memory",
    "add_svc_dns_names": "the original passes over it too: the key is add_svc_dns_name",
}
"""Keys that do nothing in any mode, and why; the last stands in the original's own example."""

OWN_KEYS: frozenset[str] = frozenset(
    {
        *(key.name for group in (COMMON, *OF_MODE.values()) for key in group),
        *IDLE,
    }
) - {key.name for key in keys.KEYS}
"""Keys that only this tool has: a file with one of them is its own."""


def other_modes(name: str, mode: Mode) -> list[Mode]:
    """The modes that have a key which this mode lacks; none if it has it, or no mode does."""
    if name in {key.name for key in (*COMMON, *OF_MODE[mode], *ADDED)}:
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
