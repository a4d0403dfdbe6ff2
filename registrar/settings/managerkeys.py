"""The keys that only the controller manager's configuration has: type, default and meaning.

What it shares with the other tools is in the alias table of ``keys.py``. Dotted names are keys
within keys. ``IGNORED`` are keys that the original knows and that make no sense here; they are
accepted with a warning.
"""

from registrar.settings import keys, kinds
from registrar.settings.kinds import Key
from registrar.settings.model import CachedNamespace, ControllerManager, InvalidDNSNames, Webhooks

_DEFAULTS = ControllerManager()
_WEBHOOKS = Webhooks()
_NO_LABELS: tuple[tuple[str, str], ...] = ()
_ALL: tuple[CachedNamespace, ...] = ()
_RECONCILE = "true without `reconcile`, else false"

# The table: one row for each key, in the order of the reference page.
# fmt: off
CLUSTER_DOMAIN = Key("clusterDomain", kinds.TEXT, "",
    "The cluster's DNS domain, for the names of services.", shown="detected, else `cluster.local`")
CLASSLESS = Key("watchClassless", kinds.BOOLEAN, default=False,
    meaning="With `className`, also objects without a class are handled.")
LABELS = Key("clusterSPIFFEIDLabelSelector", kinds.LABELS, _NO_LABELS,
    "Only ClusterSPIFFEIDs with these labels are read.", shown="none: all")
BY_CLASS = Key("filterByClassName", kinds.BOOLEAN, default=False,
    meaning="Only ClusterSPIFFEIDs with the label `spire.spiffe.io/class-name: <className>` are "
    "read.")
IGNORE_NAMESPACES = Key("ignoreNamespaces", kinds.PATTERNS, _DEFAULTS.ignore_namespaces,
    "Namespaces whose Pods get no identity. A pattern may match anywhere in a name, as in "
    "the original: write `^name$` for just one. What a plain name hides besides is logged.",
    shown="`[" + ", ".join(f'"{name}"' for name in _DEFAULTS.ignore_namespaces) + "]`",
    zeros={"[]": "none is ignored, as in the original"})
CACHED = Key("cacheNamespaces", kinds.CACHED_NAMESPACES, _ALL,
    "Only Pods and services of these namespaces are read, so that rights on them suffice. "
    "Below a namespace `labelSelectors` and `fieldSelectors`, both mappings of names to values, "
    'leave out what differs: labels in Pods and services, fields in Pods. The name `""` stands for '
    "all other namespaces.", shown="none: all")
CACHED_ONE = Key("cacheNamespace", kinds.NAMESPACE, "",
    "The one namespace of `cacheNamespaces`, as older versions of the original write it.")
PARENT = Key("parentIDTemplate", kinds.GO_TEMPLATE, "",
    "Template of the parent ID of Pods' entries.",
    shown="`spiffe://{{ .TrustDomain }}/spire/agent/k8s_psat/{{ .ClusterName }}/"
    "{{ .NodeMeta.UID }}`")
INVALID_DNS_NAMES: Key[InvalidDNSNames] = Key("invalidDNSNames", kinds.DNS_POLICY, "omit",
    "What to do when a Pod would get a DNS name that SPIRE refuses or that is empty: leave "
    "that name out and say so, or set no entry at all, as the original.")
CLEANUP = Key("entryIDPrefixCleanup", kinds.OTHER_PREFIX, None,
    "Entries with this other prefix are removed unless something asks for them. Join tokens stay.",
    zeros={'""': "all entries whose ID has no prefix, manual ones included, as in the original"})
RECONCILE_TEMPLATES = Key("reconcile.clusterSPIFFEIDs", kinds.BOOLEAN, default=False,
    meaning="Whether ClusterSPIFFEIDs are handled.", shown=_RECONCILE)
RECONCILE_STATIC = Key("reconcile.clusterStaticEntries", kinds.BOOLEAN, default=False,
    meaning="Whether ClusterStaticEntries are handled.", shown=_RECONCILE)
RECONCILE_DOMAINS = Key("reconcile.clusterFederatedTrustDomains", kinds.BOOLEAN, default=False,
    meaning="Whether ClusterFederatedTrustDomains are handled.", shown=_RECONCILE)
BUNDLE_REFRESH = Key("bundleRefreshInterval", kinds.PAUSE,
    _DEFAULTS.bundle_refresh_interval_seconds,
    "How often the SPIRE server is told to fetch the bundles of federated trust domains, within a "
    "tenth of it. By itself it fetches in a fourth of the time that the other side hints at.",
    zeros={"0": "never, but when what a `trustDomainBundleFrom` names has changed", "0s": "",
        "0.0": ""})
MANIFESTS = Key("staticManifestPath", kinds.PATH, None,
    "A folder of manifests to read instead of a cluster: ClusterStaticEntries and "
    "ClusterFederatedTrustDomains.")
EXPAND = Key("expandEnvStaticManifests", kinds.BOOLEAN, default=False,
    meaning="Whether `$NAME` and `${NAME}` in those manifests stand for environment variables.")
HEALTH_ADDRESS = Key("health.healthProbeBindAddress", kinds.LISTEN, None,
    "Where `/healthz` and `/readyz` are served.", shown="beside the metrics",
    zeros={"0": "probes are not served, as in the original"})
WEBHOOK_NAME = Key("validatingWebhookConfigurationName", kinds.DNS_NAME,
    _WEBHOOKS.configuration_name,
    "The ValidatingWebhookConfiguration whose `caBundle` is kept right.")
WEBHOOK_HOST = Key("webhook.host", kinds.TEXT, "",
    "The address that the validating webhook listens at.", shown="every interface")
WEBHOOK_PORT = Key("webhook.port", kinds.PORT, _WEBHOOKS.port,
    "Where the validating webhook listens.")
# fmt: on

OWN_KEYS: tuple[Key[object], ...] = tuple(
    row for row in list(globals().values()) if type(row) is Key
)
MANAGER_KEYS: tuple[Key[object], ...] = (*keys.keys_of("manager"), *OWN_KEYS)
"""The table, in the order of the reference page."""

_CACHE = "only what changed is rendered, so there is nothing to cache"
IGNORED: dict[str, str] = {
    "enableEntryRenderCache": _CACHE,
    "entryRenderCacheSize": _CACHE,
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
