"""The controller manager's YAML into Settings."""

import re
from collections.abc import Mapping
from dataclasses import replace

from registrar.settings import keys
from registrar.settings import managerkeys as own
from registrar.settings.hcl import Scalar
from registrar.settings.model import (
    CachedNamespace,
    ControllerManager,
    Reconciled,
    Settings,
    SpireAddress,
    StaticManifests,
    TCPAddress,
    UnixAddress,
    Webhooks,
)
from registrar.settings.reader import Reader
from registrar.settings.shared import leader_election, shared_settings
from registrar.settings.values import described, is_zero

CLUSTER_DOMAIN = "cluster.local"
CLASS_LABEL = "spire.spiffe.io/class-name"
_API_VERSION = "spire.spiffe.io/v1alpha1"
_VARIABLE = re.compile(r"\$(?:\{([^}]{0,256})\}|([A-Za-z_][A-Za-z0-9_]*|[*#$@!?0-9-]))")
_IN_YAML = re.compile(r""""(?:\\[^\n]|[^"\n])*"?|'[^'\n]*'|(?<!\S)\#[^\n]*""")
_IN_HCL = re.compile(
    _IN_YAML.pattern
    + r"|<<-?(\w+)\n(?:.*?^[ \t]*\1[ \t\r]*$|.*)|(?<!\S)//[^\n]*|(?<!\S)/\*(?:.*?\*/|.*)",
    re.DOTALL | re.MULTILINE,
)
"""What is quoted, a heredoc too, is no comment, whatever stands in it."""
_OTHERS = frozenset({"apiVersion", "kind", "metadata"})


def expand_environment(text: str, environment: Mapping[str, str]) -> str:
    """The text with variables replaced as Go's os.ExpandEnv does; unset ones are empty."""
    return _VARIABLE.sub(lambda found: environment.get(_name(found), ""), text)


def unset_variables(
    text: str, environment: Mapping[str, str], *, is_yaml: bool = False
) -> list[str]:
    """The names of the variables in a text that are not set.

    Those are left out that stand in comments only, of HCL or of YAML: nobody misses them.
    """

    def without_comment(found: re.Match[str]) -> str:
        has_no_end = found[0].startswith("/*") and not found[0].endswith("*/")
        return found[0] if has_no_end or found[0][0] in "\"'<" else ""

    code = (_IN_YAML if is_yaml else _IN_HCL).sub(without_comment, text)
    return sorted({_name(found) for found in _VARIABLE.finditer(code)} - environment.keys())


def _name(variable: re.Match[str]) -> str:
    return variable[1] if variable[1] is not None else variable[2]


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
    reader: Reader, *, environment: Mapping[str, str], resolver_configuration: str = ""
) -> Settings:
    """The settings of a ControllerManagerConfig; what is wrong is left with the reader."""
    version = reader.root.entries.get("apiVersion")
    written = version.value.value if version and isinstance(version.value, Scalar) else None
    if version is not None and written != _API_VERSION and not is_zero(version.value):
        reader.report(
            "apiVersion", version.at, f"must be {_API_VERSION}, not {described(version.value)}"
        )
    reader.check_names(own.MANAGER_KEYS, own.IGNORED, _OTHERS)
    settings = shared_settings(reader, _spire)
    config = ControllerManager(
        cluster_domain=reader.get(own.CLUSTER_DOMAIN)
        or detect_cluster_domain(resolver_configuration),
        ignore_namespaces=reader.get(own.IGNORE_NAMESPACES),
        parent_id_template=reader.get(own.PARENT),
        refuses_dns_names=reader.get(own.INVALID_DNS_NAMES) == "refuse",
        entry_id_prefix_cleanup=_cleanup(reader),
        cache_namespaces=_cached(reader),
        watch_classless=reader.get(own.CLASSLESS),
        template_labels=_template_labels(reader, settings.class_name),
        reconciled=_reconciled(reader),
        webhooks=_webhooks(reader, environment),
        static_manifests=_static_manifests(reader),
        bundle_refresh_interval_seconds=reader.get(own.BUNDLE_REFRESH),
    )
    return replace(
        settings,
        health_addr=reader.get(own.HEALTH_ADDRESS),
        leader_election=leader_election(reader, keys.MANAGERS_LEASE, named_by=keys.LEASE),
        controller_manager=config,
    )


def _cached(reader: Reader) -> tuple[CachedNamespace, ...]:
    """The namespaces that are read; older files name the one in a key of its own."""
    several, one = reader.get(own.CACHED), reader.get(own.CACHED_ONE)
    if not one:
        return several
    meaning = (
        f"{own.CACHED.name} counts, and this does nothing"
        if several
        else f"it counts as {own.CACHED.name}: {{{one}: {{}}}}"
    )
    reader.warn_key(own.CACHED_ONE, f"is deprecated: {meaning}")
    return several or (CachedNamespace(one),)


def _spire(reader: Reader) -> SpireAddress:
    socket, address = reader.get(keys.SERVER_SOCKET_PATH), reader.get(keys.SERVER_ADDRESS)
    if address is None:
        return UnixAddress(socket)
    return TCPAddress(host=address[0], port=address[1], workload_api_socket=socket)


def _cleanup(reader: Reader) -> str | None:
    cleanup, prefix = reader.get(own.CLEANUP), reader.get(keys.ENTRY_ID_PREFIX)
    if cleanup and cleanup == prefix:
        reader.report_key(
            own.CLEANUP, f"{cleanup!r} is the prefix in use (entryIDPrefix): name another one"
        )
    return cleanup


def _template_labels(reader: Reader, class_name: str) -> tuple[tuple[str, str], ...]:
    labels = dict(reader.get(own.LABELS))
    if reader.get(own.BY_CLASS):
        if not class_name:
            reader.report_key(own.BY_CLASS, "needs className: give one")
        labels[CLASS_LABEL] = class_name
    return tuple(sorted(labels.items()))


def _reconciled(reader: Reader) -> Reconciled:
    if not reader.has("reconcile"):
        return Reconciled()
    reconciled = Reconciled(
        cluster_spiffe_ids=reader.get(own.RECONCILE_TEMPLATES),
        cluster_static_entries=reader.get(own.RECONCILE_STATIC),
        cluster_federated_trust_domains=reader.get(own.RECONCILE_DOMAINS),
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
        configuration_name=reader.get(own.WEBHOOK_NAME),
        host=reader.get(own.WEBHOOK_HOST),
        port=reader.get(own.WEBHOOK_PORT),
    )
    is_off = environment.get("ENABLE_WEBHOOKS", "") == "false" or reader.given(own.MANIFESTS)
    return None if is_off else webhooks


def _static_manifests(reader: Reader) -> StaticManifests | None:
    path = reader.get(own.MANIFESTS)
    return None if path is None else StaticManifests(path, reader.get(own.EXPAND))
