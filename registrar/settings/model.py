"""The settings of one registrar process, typed and already checked.

``load.py`` makes a Settings out of a file and flags; everything else only reads
it. What each key of the file means stands in ``keys.py``.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

DRIFT_INTERVAL_SECONDS = 30.0
"""How often, by default, what SPIRE holds is compared with what it should hold."""

METRICS_ADDR = ":8080"
"""Where metrics and probes are served by default: this port of every interface."""

DISABLED_NAMESPACES = frozenset({"kube-system", "kube-public"})
"""Namespaces whose Pods get no identity from the pod controller by default."""

ModeName = Literal["layered", "controller-manager", "static", "webhook", "reconcile", "crd"]
MODES: tuple[ModeName, ...] = get_args(ModeName)
"""What the registrar can be: each of the tools that it replaces, or a mode of one."""

IdentityMode = Literal["label", "annotation", "service_account", "template"]
AdoptionPolicy = Literal["adopt", "refuse"]
InvalidDNSNames = Literal["omit", "refuse"]
LogLevel = Literal["trace", "debug", "info", "warn", "error", "fatal", "panic"]
LogFormat = Literal["text", "json"]


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A SPIRE server reached through its own unix socket."""

    path: Path


@dataclass(frozen=True, slots=True)
class TCPAddress:
    """A SPIRE server reached over mTLS, with an SVID from the agent's Workload API.

    ``host`` is a name or an address without brackets.
    """

    host: str
    port: int
    workload_api_socket: Path


SpireAddress = UnixAddress | TCPAddress


@dataclass(frozen=True, slots=True)
class PodIdentity:
    """How the pod controller finds the SPIFFE ID of a Pod.

    ``key`` names the label or annotation; it is empty for service accounts. By
    template (CRDMode has it) ``key`` is the label that must be "true", empty for all Pods.
    """

    mode: IdentityMode
    key: str = ""
    disabled_namespaces: frozenset[str] = DISABLED_NAMESPACES


@dataclass(frozen=True, slots=True)
class LeaderElection:
    """The Lease that lets one of several registrars write.

    ``namespace`` None is the namespace that the registrar runs in. The lease
    is longer than the deadline for renewing it, and that is longer than the
    pause between two attempts.
    """

    namespace: str | None
    name: str
    lease_seconds: float = 15.0
    renew_deadline_seconds: float = 10.0
    retry_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class DeletionBudget:
    """The most that one pass may delete without a person's word.

    A pass is withheld when it would delete more than ``count`` entries and
    more than ``fraction`` (0 to 1) of ours, unless ``allow_mass_deletion``.
    """

    count: int = 100
    fraction: float = 0.2
    allow_mass_deletion: bool = False


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Which of the controller manager's kinds are handled."""

    cluster_spiffe_ids: bool = True
    cluster_static_entries: bool = True
    cluster_federated_trust_domains: bool = True


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The validating webhook: where it listens and which configuration names it."""

    configuration_name: str = "spire-controller-manager-webhook"
    host: str = ""
    port: int = 9443


@dataclass(frozen=True, slots=True)
class StaticManifests:
    """A folder of manifests in the place of a cluster."""

    path: Path
    expand_env: bool = False


@dataclass(frozen=True, slots=True)
class CachedNamespace:
    """A namespace that is read, within selectors of the API; the empty name: all others."""

    name: str
    label_selector: str = ""
    field_selector: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerManager:
    """What only the controller manager's mode knows.

    ``ignore_namespaces`` are regular expressions that may match anywhere in a
    name. ``parent_id_template`` is empty for the default. ``refuses_dns_names``: a
    DNS name that SPIRE refuses costs the entry, otherwise it is left out.
    ``entry_id_prefix_cleanup`` None removes nothing; the empty text means
    entries whose ID has no prefix. ``cache_namespaces`` empty: all.
    ``webhooks`` None: they are off. ``static_manifests``: no cluster at all.
    ``bundle_refresh_interval_seconds`` 0: the SPIRE server alone refreshes bundles.
    """

    cluster_domain: str = "cluster.local"
    ignore_namespaces: tuple[str, ...] = ("kube-system", "kube-public", "spire-system")
    parent_id_template: str = ""
    refuses_dns_names: bool = False
    entry_id_prefix_cleanup: str | None = None
    cache_namespaces: tuple[CachedNamespace, ...] = ()
    watch_classless: bool = False
    template_labels: tuple[tuple[str, str], ...] = ()
    reconciled: Reconciled = field(default_factory=Reconciled)
    webhooks: Webhooks | None = None
    static_manifests: StaticManifests | None = None
    bundle_refresh_interval_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMode:
    """The workload registrar's webhook mode: an HTTPS server that the API server calls.

    ``client_authority`` None: client certificates are not asked for.
    """

    certificate: Path
    key: Path
    client_authority: Path | None
    host: str = ""
    port: int = 8443


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileMode:
    """The workload registrar's reconcile mode. ``dns_zone`` empty: SVIDs have no DNS names."""

    controller_name: str = "spire-k8s-registrar"
    dns_zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CRDMode:
    """The workload registrar's crd mode.

    The templates are Go's, over ``.Pod`` and ``.Context``. ``webhook`` None: it is off.
    """

    identity_template: str = "ns/{{.Pod.Namespace}}/sa/{{.Pod.ServiceAccount}}"
    dns_name_templates: tuple[str, ...] = ("{{.Pod.Name}}",)
    context: tuple[tuple[str, str], ...] = ()
    service_dns_names: bool = True
    webhook: "SpiffeIDWebhook | None" = None
    namespaced_downstream: bool = True
    """Whether SpiffeIDs outside the registrar's own namespace may ask for ``downstream``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpiffeIDWebhook:
    """The validating webhook of SpiffeIDs.

    It is called by the Service ``service_name`` of the namespace that the
    registrar runs in, and by what its ValidatingWebhookConfiguration names.
    """

    host: str = ""
    port: int = 9443
    service_name: str = "k8s-workload-registrar"
    configuration_name: str = "k8s-workload-registrar"


@dataclass(frozen=True, slots=True)
class Origin:
    """Which tool's file the settings come from, the mode that it means, and how both are known."""

    tool: str = ""
    mode: str = ""
    why: str = ""

    def __str__(self) -> str:
        return f"a file of {self.tool} in {self.mode} mode ({self.why})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be configured.

    ``pods`` None: the pod controller is off. ``leader_election`` None: this
    process always writes. ``entry_id_prefix`` None: derived at start from the
    cluster. ``log_path`` None: standard error. ``kubeconfig`` None: as
    kubectl finds it, or the Pod's own. ``context`` is the one to use of a
    kubeconfig, empty for its current one. ``health_addr`` None: probes
    are served beside the metrics. ``status_page_addr`` "0": there is no
    status page. ``warnings`` are what a person should know of the file though it
    can be used. One of ``controller_manager`` and ``workload_registrar`` chooses a
    mode; without either it is the layered one.
    """

    cluster: str
    trust_domain: str
    spire: SpireAddress
    class_name: str = ""
    entry_id_prefix: str | None = None
    adoption_policy: AdoptionPolicy = "adopt"
    pods: PodIdentity | None = None
    leader_election: LeaderElection | None = None
    drift_interval_seconds: float = DRIFT_INTERVAL_SECONDS
    deletion_budget: DeletionBudget = field(default_factory=DeletionBudget)
    metrics_addr: str = METRICS_ADDR
    health_addr: str | None = None
    status_page_addr: str = "0"
    log_level: LogLevel = "info"
    log_format: LogFormat = "text"
    log_path: Path | None = None
    tracing: bool = False
    kubeconfig: Path | None = None
    context: str = ""
    warnings: tuple[str, ...] = ()
    origin: Origin = field(default=Origin(), compare=False)
    controller_manager: ControllerManager | None = None
    workload_registrar: WebhookMode | ReconcileMode | CRDMode | None = None

    @property
    def mode(self) -> ModeName:
        """The mode that is chosen."""
        manager, workload = self.controller_manager, self.workload_registrar
        if manager is not None:
            return "controller-manager" if manager.static_manifests is None else "static"
        match workload:
            case WebhookMode():
                return "webhook"
            case ReconcileMode():
                return "reconcile"
            case CRDMode():
                return "crd"
        return "layered"
