"""The controller manager's YAML into Settings, or everything that is wrong with it."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from registrar.settings import managerkeys as keys
from registrar.settings.hcl import Entry, Scalar, Table, parse_scalar
from registrar.settings.hcltokens import Position
from registrar.settings.keys import Key
from registrar.settings.managerkeys import FLAGS, IGNORED, MANAGER_KEYS
from registrar.settings.model import (
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
from registrar.settings.problems import ConfigError, ConfigProblem
from registrar.settings.values import Wrong
from registrar.settings.yamltree import YAMLError, parse_yaml

T = TypeVar("T")

CLUSTER_DOMAIN = "cluster.local"
CLASS_LABEL = "spire.spiffe.io/class-name"
_API_VERSION = "spire.spiffe.io/v1alpha1"
_VARIABLE = re.compile(r"\$(?:\{([^}]{0,256})\}|([A-Za-z_][A-Za-z0-9_]*|[*#$@!?0-9-]))")
_PLACE = Position(1, 1)


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
    text: str,
    *,
    path: Path,
    overrides: Mapping[str, str],
    environment: Mapping[str, str],
    resolver_configuration: str = "",
) -> Settings:
    """The settings of a ControllerManagerConfig; ``overrides`` are flags by key.

    Raises ConfigError with all problems.
    """
    try:
        document = parse_yaml(text)
    except YAMLError as error:
        problem = ConfigProblem(path, error.at.line, "", error.message, error.at.column)
        raise ConfigError([problem]) from error
    reader = _Reader(path, document.root, overrides)
    for repeated in document.repeated:
        reader.report(
            repeated.key, repeated.at, f"stands twice, first in line {repeated.first.line}"
        )
    reader.check_names()
    settings = _settings(reader, environment, resolver_configuration)
    if reader.problems:
        raise ConfigError(reader.problems)
    return settings


class _Reader:
    """Looks keys up by their dotted names, flags before the file, and gathers what is wrong."""

    def __init__(self, path: Path, root: Table, overrides: Mapping[str, str]) -> None:
        self._path = path
        self._root = root
        self._overrides = {FLAGS[name]: text for name, text in overrides.items() if name in FLAGS}
        self.problems: list[ConfigProblem] = []
        self.warnings: list[str] = []
        for name in overrides.keys() - FLAGS.keys():
            flag = "--" + name.replace("_", "-")
            message = "goes with the configuration of the layered registrar only"
            self.problems.append(ConfigProblem(None, None, flag, message))

    def report(self, field: str, at: Position | None, message: str) -> None:
        """A problem in the file."""
        line, column = (at.line, at.column) if at else (None, None)
        self.problems.append(ConfigProblem(self._path, line, field, message, column))

    def check_names(self) -> None:
        """Report every key that there is not, and warn of those that do nothing."""
        known = {key.name for key in MANAGER_KEYS}
        groups = {name.partition(".")[0] for name in known if "." in name}
        for name, entry in self._entries(self._root, "", groups):
            if name in IGNORED:
                self.warnings.append(f"{name} does nothing here: {IGNORED[name]}")
            elif name == "apiVersion":
                if isinstance(entry.value, Scalar) and entry.value.value != _API_VERSION:
                    self.report(name, entry.at, f"must be {_API_VERSION}")
            elif name not in known and name not in {"kind", "metadata"}:
                near = get_close_matches(name, sorted(known), n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                self.report(name, entry.at, f"unknown key{hint}")

    def has(self, group: str) -> bool:
        """Whether a group of keys stands in the file."""
        return group in self._root.entries

    def given(self, key: Key[object]) -> bool:
        """Whether the key has a value, right or wrong."""
        return key.name in self._overrides or self._find(key.name) is not None

    def get(self, key: Key[T]) -> T:
        """The value of a key, or its default, also where the value is wrong and reported."""
        if key.name in self._overrides:
            text = self._overrides[key.name]
            scalar = (parse_scalar(text) if key.bare else None) or Scalar(text, _PLACE)
            try:
                return key.read(scalar)
            except Wrong as wrong:
                self.problems.append(ConfigProblem(None, None, key.name, wrong.message))
                return key.default
        entry = self._find(key.name)
        if entry is None:
            if key.required:
                self.report(key.name, None, "missing; this key is required")
            return key.default
        try:
            return key.read(entry.value)
        except Wrong as wrong:
            self.report(key.name, wrong.at, wrong.message)
            return key.default

    def report_key(self, key: Key[object], message: str) -> None:
        """A problem with a key as a whole."""
        entry = self._find(key.name)
        self.report(key.name, entry.at if entry else None, message)

    def _find(self, name: str) -> Entry | None:
        """What stands under a dotted name; an empty text counts, for some it means something."""
        table, _, rest = self._root, "", name
        while True:
            head, dot, rest = rest.partition(".")
            entry = table.entries.get(head)
            if entry is None or not dot:
                return entry
            if not isinstance(entry.value, Table):
                return None
            table = entry.value

    def _entries(self, table: Table, prefix: str, groups: set[str]) -> Iterator[tuple[str, Entry]]:
        for name, entry in table.entries.items():
            dotted = f"{prefix}{name}"
            if name in groups and not prefix and dotted not in IGNORED:
                if isinstance(entry.value, Table):
                    yield from self._entries(entry.value, f"{name}.", groups)
                else:
                    self.report(name, entry.at, "must be a mapping of keys")
            else:
                yield dotted, entry


def _settings(
    reader: _Reader, environment: Mapping[str, str], resolver_configuration: str
) -> Settings:
    class_name = reader.get(keys.CLASS)
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
        controller_manager=ControllerManager(
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
        ),
    )


def _one(namespace: str) -> tuple[str, ...]:
    return (namespace,) if namespace else ()


def _spire(reader: _Reader) -> SpireAddress:
    socket, address = reader.get(keys.SOCKET), reader.get(keys.ADDRESS)
    if address is None:
        return UnixAddress(socket)
    return TCPAddress(host=address[0], port=address[1], workload_api_socket=socket)


def _leader_election(reader: _Reader) -> LeaderElection | None:
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


def _cleanup(reader: _Reader) -> str | None:
    cleanup, prefix = reader.get(keys.CLEANUP), reader.get(keys.PREFIX)
    if cleanup and cleanup == prefix:
        reader.report_key(
            keys.CLEANUP, f"{cleanup!r} is the prefix in use (entryIDPrefix): name another one"
        )
    return cleanup


def _template_labels(reader: _Reader, class_name: str) -> tuple[tuple[str, str], ...]:
    labels = dict(reader.get(keys.LABELS))
    if reader.get(keys.BY_CLASS):
        if not class_name:
            reader.report_key(keys.BY_CLASS, "needs className: give one")
        labels[CLASS_LABEL] = class_name
    return tuple(sorted(labels.items()))


def _reconciled(reader: _Reader) -> Reconciled:
    if not reader.has("reconcile"):
        return Reconciled()
    return Reconciled(
        cluster_spiffe_ids=reader.get(keys.RECONCILE_TEMPLATES),
        cluster_static_entries=reader.get(keys.RECONCILE_STATIC),
        cluster_federated_trust_domains=reader.get(keys.RECONCILE_DOMAINS),
    )


def _webhooks(reader: _Reader, environment: Mapping[str, str]) -> Webhooks | None:
    webhooks = Webhooks(
        configuration_name=reader.get(keys.WEBHOOK_NAME),
        host=reader.get(keys.WEBHOOK_HOST),
        port=reader.get(keys.WEBHOOK_PORT),
    )
    is_off = environment.get("ENABLE_WEBHOOKS", "") == "false" or reader.given(keys.MANIFESTS)
    return None if is_off else webhooks


def _static_manifests(reader: _Reader) -> StaticManifests | None:
    path = reader.get(keys.MANIFESTS)
    return None if path is None else StaticManifests(path, reader.get(keys.EXPAND))
