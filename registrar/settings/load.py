"""A configuration file and flags into Settings, or everything that is wrong with them.

Files of the layered registrar that this one follows work unchanged: an empty
text counts as not given, as it did there. Called before the event loop starts,
since it reads the file.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from registrar.settings import keys, legacy
from registrar.settings.hcl import Items, Scalar, Table, Value, parse, parse_scalar
from registrar.settings.hcltokens import HCLError, Position
from registrar.settings.keys import KEYS, Key
from registrar.settings.manager import expand_environment, interpret_manager
from registrar.settings.model import (
    DeletionBudget,
    LeaderElection,
    PodIdentity,
    Settings,
    SpireAddress,
    TCPAddress,
    UnixAddress,
)
from registrar.settings.problems import ConfigError, ConfigProblem
from registrar.settings.values import Wrong, lease_name

T = TypeVar("T")

_COMMAND_LINE = Position(1, 1)


RESOLVER = Path("/etc/resolv.conf")


def load(
    path: Path,
    *,
    overrides: Mapping[str, str] | None = None,
    expand_env: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of a file; ``overrides`` are flags, by key, as they were typed.

    With ``expand_env`` variables in the file are replaced first. Raises
    ConfigError with all problems.
    """
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError([ConfigProblem(path, None, "", f"cannot be read: {reason}")]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError([ConfigProblem(path, line, "", "is not UTF-8 text")]) from error
    variables = os.environ if environment is None else environment
    unset: list[str] = []
    if expand_env:
        text, unset = expand_environment(text, variables)
    settings = interpret(text, path=path, overrides=overrides, environment=variables)
    warnings = tuple(f"${name} is not set: it counts as empty" for name in unset)
    return replace(settings, warnings=(*warnings, *settings.warnings))


def interpret(
    text: str,
    *,
    path: Path,
    overrides: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """As ``load``, with the file's text given; ``path`` only names it in problems."""
    if legacy.is_controller_manager(text):
        return interpret_manager(
            text,
            path=path,
            overrides=overrides or {},
            environment=environment or {},
            resolver_configuration=_resolver_configuration(),
        )
    try:
        document = parse(text)
    except HCLError as error:
        place = error.at
        problem = ConfigProblem(path, place.line, "", error.message, place.column)
        raise ConfigError([problem]) from error
    if at := legacy.workload_registrar_mode(document.root):
        message = "not yet supported: the modes of k8s-workload-registrar"
        raise ConfigError([ConfigProblem(path, at.line, "mode", message, at.column)])
    reader = _Reader(path, document.root, overrides or {})
    for key in document.repeated:
        reader.report(key.key, key.at, f"stands twice, first in line {key.first.line}")
    reader.check_names()
    settings = _settings(reader)
    if reader.problems:
        raise ConfigError(reader.problems)
    return settings


def _resolver_configuration() -> str:
    try:
        return RESOLVER.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


class _Reader:
    """Looks keys up, flags before the file, and gathers what is wrong."""

    def __init__(self, path: Path, root: Table, overrides: Mapping[str, str]) -> None:
        self._path = path
        self._root = root
        self._overrides = overrides
        self.problems: list[ConfigProblem] = []

    def report(self, field: str, at: Position | None, message: str) -> None:
        """A problem in the file."""
        line, column = (at.line, at.column) if at else (None, None)
        self.problems.append(ConfigProblem(self._path, line, field, message, column))

    def report_key(self, key: Key[object], message: str) -> None:
        """A problem with a key as a whole, wherever it was given."""
        if key.name in self._overrides:
            self.problems.append(ConfigProblem(None, None, key.flag, message))
        else:
            entry = self._root.entries.get(key.name)
            self.report(key.name, entry.at if entry else None, message)

    def check_names(self) -> None:
        """Report every key that there is not."""
        known = {key.name for key in KEYS}
        for name, entry in self._root.entries.items():
            if name not in known:
                self.report(name, entry.at, _unknown(name, known))
        for name in self._overrides.keys() - known:
            self.problems.append(ConfigProblem(None, None, name, _unknown(name, known)))

    def given(self, key: Key[object]) -> bool:
        """Whether the key has a value, right or wrong."""
        return self._value(key) is not None

    def get(self, key: Key[T]) -> T:
        """The value of a key, or its default, also where the value is wrong and reported."""
        value = self._value(key)
        if value is None:
            if key.required:
                self.report_key(key, "missing; this key is required")
            return key.default
        try:
            return key.read(value)
        except Wrong as wrong:
            if key.name in self._overrides:
                self.report_key(key, wrong.message)
            else:
                self.report(key.name, wrong.at, wrong.message)
            return key.default

    def _value(self, key: Key[object]) -> Value | None:
        value: Value | None = None
        if key.name in self._overrides:
            value = _typed(key, self._overrides[key.name])
        elif entry := self._root.entries.get(key.name):
            value = entry.value
        return None if isinstance(value, Scalar) and value.value == "" else value


def _typed(key: Key[object], text: str) -> Value:
    """What a flag says, as if it stood in the file."""
    if isinstance(key.default, frozenset):
        names = [part.strip() for part in text.split(",")]
        return Items(tuple(Scalar(name, _COMMAND_LINE) for name in names if name), at=_COMMAND_LINE)
    scalar = parse_scalar(text) if key.bare else None
    return scalar or Scalar(text, _COMMAND_LINE)


def _unknown(name: str, known: set[str]) -> str:
    if name in legacy.WORKLOAD_REGISTRAR_KEYS:
        return "not yet supported: a key of k8s-workload-registrar"
    near = get_close_matches(name, sorted(known), n=1)
    return "unknown key" + (f"; did you mean {near[0]}?" if near else "")


def _settings(reader: _Reader) -> Settings:
    class_name = reader.get(keys.CLASS_NAME)
    return Settings(
        cluster=reader.get(keys.CLUSTER),
        trust_domain=reader.get(keys.TRUST_DOMAIN),
        spire=_spire(reader),
        class_name=class_name,
        entry_id_prefix=reader.get(keys.ENTRY_ID_PREFIX),
        adoption_policy=reader.get(keys.ADOPTION_POLICY),
        pods=_pods(reader),
        leader_election=_leader_election(reader, class_name),
        drift_interval_seconds=reader.get(keys.DRIFT_INTERVAL),
        deletion_budget=DeletionBudget(
            count=reader.get(keys.BUDGET_COUNT),
            fraction=reader.get(keys.BUDGET_FRACTION),
            allow_mass_deletion=reader.get(keys.ALLOW_MASS_DELETION),
        ),
        metrics_addr=reader.get(keys.METRICS),
        log_level=reader.get(keys.LOG_LEVEL),
        log_format=reader.get(keys.LOG_FORMAT),
        log_path=reader.get(keys.LOG_PATH),
        kubeconfig=reader.get(keys.KUBECONFIG),
    )


def _spire(reader: _Reader) -> SpireAddress:
    if reader.given(keys.SERVER_ADDRESS) and not reader.given(keys.SERVER_SOCKET_PATH):
        reader.report_key(
            keys.SERVER_SOCKET_PATH,
            "missing; with server_address it is required as the socket of the SPIRE agent's "
            "Workload API",
        )
        socket = keys.SERVER_SOCKET_PATH.default
    else:
        socket = reader.get(keys.SERVER_SOCKET_PATH)
    address = reader.get(keys.SERVER_ADDRESS)
    if address is None:
        return UnixAddress(socket)
    return TCPAddress(host=address[0], port=address[1], workload_api_socket=socket)


def _pods(reader: _Reader) -> PodIdentity | None:
    """How Pods are identified; the keys are checked also while the controller is off."""
    label, annotation = reader.get(keys.POD_LABEL), reader.get(keys.POD_ANNOTATION)
    disabled = reader.get(keys.DISABLED)
    if reader.given(keys.POD_LABEL) and reader.given(keys.POD_ANNOTATION):
        reader.report_key(
            keys.POD_ANNOTATION, "cannot be given together with pod_label: keep one of them"
        )
    if not reader.get(keys.POD_CONTROLLER):
        return None
    if label:
        return PodIdentity("label", label, disabled)
    if annotation:
        return PodIdentity("annotation", annotation, disabled)
    return PodIdentity("service_account", "", disabled)


def _leader_election(reader: _Reader, class_name: str) -> LeaderElection | None:
    name = reader.get(keys.LEASE)
    if name is None:
        name = f"{keys.LEASE_NAME}-{class_name}" if class_name else keys.LEASE_NAME
    before = len(reader.problems)
    election = LeaderElection(
        namespace=reader.get(keys.LEASE_NAMESPACE),
        name=name,
        lease_seconds=reader.get(keys.LEASE_DURATION),
        renew_deadline_seconds=reader.get(keys.RENEW_DEADLINE),
        retry_seconds=reader.get(keys.RETRY_PERIOD),
    )
    if len(reader.problems) == before:
        _check_order(reader, election)
    if not reader.get(keys.LEADER_ELECTION):
        return None
    if not reader.given(keys.LEASE):
        try:
            lease_name(Scalar(name, _COMMAND_LINE))
        except Wrong:
            reader.report_key(
                keys.CLASS_NAME,
                f"{class_name!r} cannot stand in the name of a Lease: give leader_election_name",
            )
    return election


def _check_order(reader: _Reader, election: LeaderElection) -> None:
    """A leader must stop before another begins, and have a second try before it stops."""
    lease, renew = election.lease_seconds, election.renew_deadline_seconds
    if renew >= lease:
        reader.report_key(
            keys.RENEW_DEADLINE, f"{renew:g} s is not less than the lease duration of {lease:g} s"
        )
    if election.retry_seconds >= renew:
        reader.report_key(
            keys.RETRY_PERIOD,
            f"{election.retry_seconds:g} s is not less than the renew deadline of {renew:g} s",
        )
