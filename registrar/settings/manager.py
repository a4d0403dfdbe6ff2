"""The controller manager's YAML into Settings, or everything that is wrong with it."""

import re
from collections.abc import Mapping
from pathlib import Path

from registrar.settings import managerkeys as keys
from registrar.settings.hcl import Document, Scalar
from registrar.settings.managerkeys import FLAGS, IGNORED, MANAGER_KEYS
from registrar.settings.model import (
    CachedNamespace,
    ControllerManager,
    DeletionBudget,
    LeaderElection,
    Reconciled,
    Settings,
    SpireAddress,
    StaticManifests,
    TCPAddress,
    UnixAddress,
    Webhooks,
)
from registrar.settings.problems import ConfigError
from registrar.settings.reader import Reader

CLUSTER_DOMAIN = "cluster.local"
CLASS_LABEL = "spire.spiffe.io/class-name"
_API_VERSION = "spire.spiffe.io/v1alpha1"
_VARIABLE = re.compile(r"\$(?:\{([^}]{0,256})\}|([A-Za-z_][A-Za-z0-9_]*|[*#$@!?0-9-]))")
_OTHERS = frozenset({"apiVersion", "kind", "metadata"})


def expand_environment(text: str, environment: Mapping[str, str]) -> tuple[str, list[str]]:
    """The text with variables replaced as Go's os.ExpandEnv does, and the names of unset ones."""
    unset: list[str] = []

    def value(found: re.Match[str]) -> str:
        name = found[1] if found[1] is not None else found[2]
        if name not in environment:
            unset.append(name)
        return environment.get(name, "")

    return _VARIABLE.sub(value, text), sorted(set(unset))


def detect_cluster_domain(resolver_configuration: str) -> str:
    """The cluster's DNS domain out of the search list of a Pod's resolver, else the usual one."""
    for line in resolver_configuration.splitlines():
        words = line.split()
        if words[:1] != ["search"]:
            continue
        for domain in words[1:]:
            if domain.startswith("svc."):
                return domain.removeprefix("svc.").rstrip(".")
    return CLUSTER_DOMAIN


def interpret_manager(
    document: Document,
    *,
    path: Path,
    overrides: Mapping[str, str],
    fallbacks: Mapping[str, str],
    environment: Mapping[str, str],
    resolver_configuration: str = "",
) -> Settings:
    """The settings of a ControllerManagerConfig; ``overrides`` are flags by key.

    Raises ConfigError with all problems.
    """
    reader = Reader(
        path,
        document.root,
        {FLAGS[name]: text for name, text in overrides.items() if name in FLAGS},
        flags={key: flag for flag, key in FLAGS.items()},
        fallbacks={FLAGS[name]: text for name, text in fallbacks.items()},
    )
    for name in overrides.keys() - FLAGS.keys():
        reader.report_flag(name, "goes with the configuration of the layered registrar only")
    reader.report_repeated(document.repeated)
    version = document.root.entries.get("apiVersion")
    written = version.value.value if version and isinstance(version.value, Scalar) else None
    if version is not None and written not in {_API_VERSION, "", None}:
        reader.report("apiVersion", version.at, f"must be {_API_VERSION}")
    reader.check_names(MANAGER_KEYS, IGNORED, _OTHERS)
    settings = _settings(reader, environment, resolver_configuration)
    if reader.problems:
        raise ConfigError(reader.problems)
    return settings


def _settings(
    reader: Reader, environment: Mapping[str, str], resolver_configuration: str
) -> Settings:
    class_name = reader.get(keys.CLASS)
    config = ControllerManager(
        cluster_domain=reader.get(keys.CLUSTER_DOMAIN)
        or detect_cluster_domain(resolver_configuration),
        ignore_namespaces=reader.get(keys.IGNORE_NAMESPACES),
        parent_id_template=reader.get(keys.PARENT),
        refuses_dns_names=reader.get(keys.INVALID_DNS_NAMES) == "refuse",
        entry_id_prefix_cleanup=_cleanup(reader),
        cache_namespaces=reader.get(keys.CACHED) or _one(reader.get(keys.CACHED_ONE)),
        watch_classless=reader.get(keys.CLASSLESS),
        template_labels=_template_labels(reader, class_name),
        reconciled=_reconciled(reader),
        webhooks=_webhooks(reader, environment),
        static_manifests=_static_manifests(reader),
    )
    return Settings(
        cluster=reader.get(keys.CLUSTER_NAME),
        trust_domain=reader.get(keys.TRUST),
        spire=_spire(reader),
        class_name=class_name,
        entry_id_prefix=reader.get(keys.PREFIX),
        adoption_policy=reader.get(keys.ADOPTION),
        leader_election=_leader_election(reader),
        drift_interval_seconds=reader.get(keys.GC_INTERVAL),
        deletion_budget=DeletionBudget(
            count=reader.get(keys.COUNT),
            fraction=reader.get(keys.FRACTION),
            allow_mass_deletion=reader.get(keys.UNLIMITED),
        ),
        metrics_addr=reader.get(keys.METRICS_ADDRESS),
        health_addr=reader.get(keys.HEALTH_ADDRESS),
        log_level=reader.get(keys.LEVEL),
        log_format=reader.get(keys.ENCODING),
        log_path=reader.get(keys.LOG_FILE),
        kubeconfig=reader.get(keys.KUBECONFIG_FILE),
        warnings=tuple(reader.warnings),
        controller_manager=config,
    )


def _one(namespace: str) -> tuple[CachedNamespace, ...]:
    return (CachedNamespace(namespace),) if namespace else ()


def _spire(reader: Reader) -> SpireAddress:
    socket, address = reader.get(keys.SOCKET), reader.get(keys.ADDRESS)
    if address is None:
        return UnixAddress(socket)
    return TCPAddress(host=address[0], port=address[1], workload_api_socket=socket)


def _leader_election(reader: Reader) -> LeaderElection | None:
    election = LeaderElection(
        namespace=reader.get(keys.LEASE_IN),
        name=reader.get(keys.LEASE),
        lease_seconds=reader.get(keys.LEASE_DURATION),
        renew_deadline_seconds=reader.get(keys.RENEW),
        retry_seconds=reader.get(keys.RETRY),
    )
    lease, renew = election.lease_seconds, election.renew_deadline_seconds
    if renew >= lease:
        reader.report_key(keys.RENEW, f"{renew:g} s is not less than the lease's {lease:g} s")
    if election.retry_seconds >= renew:
        message = f"{election.retry_seconds:g} s is not less than the deadline of {renew:g} s"
        reader.report_key(keys.RETRY, message)
    return election if reader.get(keys.ELECT) else None


def _cleanup(reader: Reader) -> str | None:
    cleanup, prefix = reader.get(keys.CLEANUP), reader.get(keys.PREFIX)
    if cleanup and cleanup == prefix:
        reader.report_key(
            keys.CLEANUP, f"{cleanup!r} is the prefix in use (entryIDPrefix): name another one"
        )
    return cleanup


def _template_labels(reader: Reader, class_name: str) -> tuple[tuple[str, str], ...]:
    labels = dict(reader.get(keys.LABELS))
    if reader.get(keys.BY_CLASS):
        if not class_name:
            reader.report_key(keys.BY_CLASS, "needs className: give one")
        labels[CLASS_LABEL] = class_name
    return tuple(sorted(labels.items()))


def _reconciled(reader: Reader) -> Reconciled:
    if not reader.has("reconcile"):
        return Reconciled()
    reconciled = Reconciled(
        cluster_spiffe_ids=reader.get(keys.RECONCILE_TEMPLATES),
        cluster_static_entries=reader.get(keys.RECONCILE_STATIC),
        cluster_federated_trust_domains=reader.get(keys.RECONCILE_DOMAINS),
    )
    if reconciled == Reconciled(
        cluster_spiffe_ids=False,
        cluster_static_entries=False,
        cluster_federated_trust_domains=False,
    ):
        reader.warnings.append("reconcile turns all three kinds off: nothing is handled")
    return reconciled


def _webhooks(reader: Reader, environment: Mapping[str, str]) -> Webhooks | None:
    webhooks = Webhooks(
        configuration_name=reader.get(keys.WEBHOOK_NAME),
        host=reader.get(keys.WEBHOOK_HOST),
        port=reader.get(keys.WEBHOOK_PORT),
    )
    is_off = environment.get("ENABLE_WEBHOOKS", "") == "false" or reader.given(keys.MANIFESTS)
    return None if is_off else webhooks


def _static_manifests(reader: Reader) -> StaticManifests | None:
    path = reader.get(keys.MANIFESTS)
    return None if path is None else StaticManifests(path, reader.get(keys.EXPAND))
