"""Every key of the controller manager's configuration: its type, default and meaning, said once.

Dotted names are keys within keys. ``IGNORED`` are keys that the original
knows and that make no sense here; they are accepted with a warning.
"""

from pathlib import Path
from typing import TypeVar

from registrar.settings import managervalues, values
from registrar.settings.keys import (
    ADOPTION_POLICIES,
    ALLOW_MASS_DELETION,
    BUDGET_COUNT,
    BUDGET_FRACTION,
    CLASS_NAME,
    CLUSTER,
    ENTRY_ID_PREFIX,
    KUBECONFIG,
    LEASE_NAMESPACE,
    LOG_PATH,
    METRICS,
    SERVER_ADDRESS,
    TRUST_DOMAIN,
    Key,
)
from registrar.settings.model import (
    AdoptionPolicy,
    CachedNamespace,
    ControllerManager,
    InvalidDNSNames,
    LeaderElection,
    LogFormat,
    LogLevel,
    Webhooks,
)

T = TypeVar("T")

_DEFAULTS = ControllerManager()
_WEBHOOKS = Webhooks()
_LEASE = LeaderElection(namespace=None, name="spire-controller-manager")
_LEVELS: tuple[LogLevel, ...] = ("debug", "info", "warn", "error")


def _like(key: Key[T], name: str, **changes: object) -> Key[T]:
    """The same key under the name that it has here."""
    fields = {
        "kind": key.kind,
        "read": key.read,
        "default": key.default,
        "meaning": key.meaning,
        "bare": key.bare,
        "required": key.required,
        "shown": key.shown,
    }
    return Key(name=name, **{**fields, **changes})  # type: ignore[arg-type]


CLUSTER_NAME = _like(CLUSTER, "clusterName")
TRUST = _like(TRUST_DOMAIN, "trustDomain")
CLUSTER_DOMAIN: Key[str] = Key(
    name="clusterDomain",
    kind="text",
    read=values.text,
    default="",
    shown="detected, else `cluster.local`",
    meaning="The cluster's DNS domain, for the names of services.",
)
IGNORE_NAMESPACES: Key[tuple[str, ...]] = Key(
    name="ignoreNamespaces",
    kind="list of regular expressions",
    read=managervalues.patterns,
    default=_DEFAULTS.ignore_namespaces,
    shown="`[" + ", ".join(f'"{name}"' for name in _DEFAULTS.ignore_namespaces) + "]`",
    meaning="Namespaces whose Pods get no identity. A pattern may match anywhere in a name, as in "
    "the original: write `^name$` for just one. What a plain name hides besides is logged.",
)
WEBHOOK_NAME: Key[str] = Key(
    name="validatingWebhookConfigurationName",
    kind="text",
    read=values.lease_name,
    default=_WEBHOOKS.configuration_name,
    meaning="The ValidatingWebhookConfiguration whose `caBundle` is kept right.",
)
GC_INTERVAL: Key[float] = Key(
    name="gcInterval",
    kind="duration",
    read=managervalues.interval,
    default=managervalues.DEFAULT_INTERVAL_SECONDS,
    meaning="How often the entries on the SPIRE server are compared with what they should be. "
    "Changes in the cluster do not wait for it; an hour is fine.",
)
SOCKET: Key[Path] = Key(
    name="spireServerSocketPath",
    kind="path",
    read=values.socket_path,
    default=Path("/spire-server/api.sock"),
    meaning="The SPIRE server's unix socket; with `spireServerAddress` the socket of the agent's "
    "Workload API.",
)
ADDRESS = _like(SERVER_ADDRESS, "spireServerAddress")
LEVEL: Key[LogLevel] = Key(
    name="logLevel",
    kind="level",
    read=values.choice(_LEVELS, {"warning": "warn"}),
    default="info",
    meaning="The least severe messages to write: `debug`, `info`, `warn`, `error`.",
)
ENCODING: Key[LogFormat] = Key(
    name="logEncoding",
    kind="`console` or `json`",
    read=managervalues.encoding,
    default="text",
    shown="`console`",
    meaning="How a line of the log is written.",
)
CLASS = _like(
    CLASS_NAME,
    "className",
    meaning="Only objects of this class are handled. Without it, only objects without a class are: "
    "what another controller's class names is left to that one.",
)
CLASSLESS: Key[bool] = Key(
    name="watchClassless",
    kind="boolean",
    read=managervalues.boolean,
    default=False,
    meaning="With `className`, also objects without a class are handled.",
)
LABELS: Key[tuple[tuple[str, str], ...]] = Key(
    name="clusterSPIFFEIDLabelSelector",
    kind="mapping of labels to values",
    read=managervalues.labels,
    default=(),
    shown="none: all",
    meaning="Only ClusterSPIFFEIDs with these labels are read.",
)
BY_CLASS: Key[bool] = Key(
    name="filterByClassName",
    kind="boolean",
    read=managervalues.boolean,
    default=False,
    meaning="Only ClusterSPIFFEIDs with the label `spire.spiffe.io/class-name: <className>` are "
    "read.",
)
PARENT: Key[str] = Key(
    name="parentIDTemplate",
    kind="Go template",
    read=values.text,
    default="",
    shown="`spiffe://{{ .TrustDomain }}/spire/agent/k8s_psat/{{ .ClusterName }}/"
    "{{ .NodeMeta.UID }}`",
    meaning="Template of the parent ID of Pods' entries.",
)
INVALID_DNS_NAMES: Key[InvalidDNSNames] = Key(
    name="invalidDNSNames",
    kind="`omit` or `refuse`",
    read=values.choice(("omit", "refuse")),
    default="omit",
    meaning="What to do when a Pod would get a DNS name that SPIRE refuses or that is empty: leave "
    "that name out and say so, or set no entry at all, as the original.",
)
RECONCILE_TEMPLATES: Key[bool] = Key(
    name="reconcile.clusterSPIFFEIDs",
    kind="boolean",
    read=managervalues.boolean,
    default=False,
    shown="true without `reconcile`, else false",
    meaning="Whether ClusterSPIFFEIDs are handled.",
)
RECONCILE_STATIC = _like(
    RECONCILE_TEMPLATES,
    "reconcile.clusterStaticEntries",
    meaning="Whether ClusterStaticEntries are handled.",
)
RECONCILE_DOMAINS = _like(
    RECONCILE_TEMPLATES,
    "reconcile.clusterFederatedTrustDomains",
    meaning="Whether ClusterFederatedTrustDomains are handled.",
)
PREFIX = _like(ENTRY_ID_PREFIX, "entryIDPrefix", read=managervalues.prefix)
CLEANUP: Key[str | None] = Key(
    name="entryIDPrefixCleanup",
    kind="text",
    read=managervalues.cleanup,
    default=None,
    blank=True,
    meaning="Entries with this other prefix are removed unless something asks for them; the empty "
    "text means all entries whose ID has no prefix, manual ones included. Join tokens stay.",
)
MANIFESTS: Key[Path | None] = Key(
    name="staticManifestPath",
    kind="path",
    read=values.path,
    default=None,
    meaning="A folder of manifests to read instead of a cluster: ClusterStaticEntries and "
    "ClusterFederatedTrustDomains.",
)
EXPAND: Key[bool] = Key(
    name="expandEnvStaticManifests",
    kind="boolean",
    read=managervalues.boolean,
    default=False,
    meaning="Whether `$NAME` and `${NAME}` in those manifests stand for environment variables.",
)
CACHED: Key[tuple[CachedNamespace, ...]] = Key(
    name="cacheNamespaces",
    kind="mapping with namespaces as keys",
    read=managervalues.namespaces,
    default=(),
    shown="none: all",
    meaning="Only Pods and services of these namespaces are read, so that rights on them suffice. "
    "Below a namespace `labelSelectors` and `fieldSelectors`, both mappings of names to values, "
    'leave out what differs: labels in Pods and services, fields in Pods. The name `""` stands for '
    "all other namespaces.",
)
CACHED_ONE: Key[str] = Key(
    name="cacheNamespace",
    kind="text",
    read=values.text,
    default="",
    meaning="The one namespace of `cacheNamespaces`, as older versions of the original write it.",
)
ELECT: Key[bool] = Key(
    name="leaderElection.leaderElect",
    kind="boolean",
    read=managervalues.boolean,
    default=False,
    meaning="Hold a Lease before writing, so that several replicas may run.",
)
LEASE: Key[str] = Key(
    name="leaderElection.resourceName",
    kind="text",
    read=values.lease_name,
    default=_LEASE.name,
    meaning="The name of the Lease.",
)
LEASE_IN = _like(LEASE_NAMESPACE, "leaderElection.resourceNamespace")
LEASE_DURATION: Key[float] = Key(
    name="leaderElection.leaseDuration",
    kind="duration",
    read=managervalues.duration,
    default=_LEASE.lease_seconds,
    meaning="How long a Lease that is not renewed keeps the other replicas waiting.",
)
RENEW: Key[float] = Key(
    name="leaderElection.renewDeadline",
    kind="duration",
    read=managervalues.duration,
    default=_LEASE.renew_deadline_seconds,
    meaning="How long the leader tries to renew its Lease; less than the lease duration.",
)
RETRY: Key[float] = Key(
    name="leaderElection.retryPeriod",
    kind="duration",
    read=managervalues.duration,
    default=_LEASE.retry_seconds,
    meaning="The pause between two attempts; less than the renew deadline.",
)
METRICS_ADDRESS = _like(METRICS, "metrics.bindAddress", meaning="Where `/metrics` is served.")
HEALTH_ADDRESS: Key[str | None] = Key(
    name="health.healthProbeBindAddress",
    kind="host:port",
    read=values.listen_address,
    default=None,
    shown="beside the metrics",
    meaning="Where `/healthz` and `/readyz` are served.",
)
WEBHOOK_PORT: Key[int] = Key(
    name="webhook.port",
    kind="port",
    read=values.port,
    default=_WEBHOOKS.port,
    meaning="Where the validating webhook listens.",
)
WEBHOOK_HOST: Key[str] = Key(
    name="webhook.host",
    kind="text",
    read=values.text,
    default="",
    shown="every interface",
    meaning="The address that the validating webhook listens at.",
)
ADOPTION: Key[AdoptionPolicy] = Key(
    name="adoptionPolicy",
    kind="`adopt` or `refuse`",
    read=values.choice(ADOPTION_POLICIES),
    default="adopt",
    meaning="What to do with an entry that has the same SPIFFE ID, parent and selectors under an "
    "ID that is not ours, such as those of the original: manage it, or report a conflict.",
)
COUNT = _like(BUDGET_COUNT, "deletionBudget.count")
FRACTION = _like(
    BUDGET_FRACTION,
    "deletionBudget.fraction",
    meaning="The fraction of our entries for `deletionBudget.count`.",
)
UNLIMITED = _like(ALLOW_MASS_DELETION, "deletionBudget.allowMassDeletion")
LOG_FILE = _like(LOG_PATH, "logPath")
KUBECONFIG_FILE = _like(KUBECONFIG, "kubeconfig")

MANAGER_KEYS: tuple[Key[object], ...] = (
    CLUSTER_NAME,
    TRUST,
    CLUSTER_DOMAIN,
    SOCKET,
    ADDRESS,
    CLASS,
    CLASSLESS,
    LABELS,
    BY_CLASS,
    IGNORE_NAMESPACES,
    CACHED,
    CACHED_ONE,
    PARENT,
    INVALID_DNS_NAMES,
    PREFIX,
    CLEANUP,
    ADOPTION,
    COUNT,
    FRACTION,
    UNLIMITED,
    GC_INTERVAL,
    RECONCILE_TEMPLATES,
    RECONCILE_STATIC,
    RECONCILE_DOMAINS,
    MANIFESTS,
    EXPAND,
    ELECT,
    LEASE,
    LEASE_IN,
    LEASE_DURATION,
    RENEW,
    RETRY,
    WEBHOOK_NAME,
    WEBHOOK_HOST,
    WEBHOOK_PORT,
    METRICS_ADDRESS,
    HEALTH_ADDRESS,
    LEVEL,
    ENCODING,
    LOG_FILE,
    KUBECONFIG_FILE,
)
"""The table, in the order of the reference page."""

FLAGS: dict[str, str] = {
    "cluster": "clusterName",
    "trust_domain": "trustDomain",
    "server_socket_path": "spireServerSocketPath",
    "server_address": "spireServerAddress",
    "class_name": "className",
    "entry_id_prefix": "entryIDPrefix",
    "adoption_policy": "adoptionPolicy",
    "drift_interval": "gcInterval",
    "deletion_budget_count": "deletionBudget.count",
    "deletion_budget_fraction": "deletionBudget.fraction",
    "allow_mass_deletion": "deletionBudget.allowMassDeletion",
    "leader_election": "leaderElection.leaderElect",
    "leader_election_namespace": "leaderElection.resourceNamespace",
    "leader_election_name": "leaderElection.resourceName",
    "metrics_addr": "metrics.bindAddress",
    "log_level": "logLevel",
    "log_format": "logEncoding",
    "log_path": "logPath",
    "kubeconfig": "kubeconfig",
}
"""The flag that overrides a key here, by its name without dashes."""

IGNORED: dict[str, str] = {
    "enableEntryRenderCache": "only what changed is rendered, so there is nothing to cache",
    "entryRenderCacheSize": "only what changed is rendered, so there is nothing to cache",
    "grpc": "pages adapt to the size that the server allows",
    "syncPeriod": "watches are resumed and checked without it",
    "gracefulShutDown": "a stop is always in order and takes no time to speak of",
    "controller": "concurrency is not a matter of groups of kinds here",
    "recoverPanic": "an error in one object never stops the others",
    "leaderElection.resourceLock": "the lock is a Lease, as the original's default",
    "leaderElection.leaderElectionReleaseOnCancel": "the Lease is always given back",
    "health.readinessEndpointName": "the path is /readyz",
    "health.livenessEndpointName": "the path is /healthz",
    "healthProbe": "the original passes over it too: the key is health.healthProbeBindAddress",
    "webhook.certDir": "the certificate comes from SPIRE and stays in memory",
}
"""Keys of the original that do nothing here, and why."""
