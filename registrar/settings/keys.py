"""Every key that the tools share: its names, type, default and meaning, said once.

A row is the layered registrar's key. ``names`` says what the same setting is called in the files
of the other tools, and what is different there. Flags and the reference page are read off this
table, too.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar, get_args

from registrar.settings import kinds
from registrar.settings.kinds import As, Dialect, Key
from registrar.settings.model import (
    DISABLED_NAMESPACES,
    DRIFT_INTERVAL_SECONDS,
    METRICS_ADDR,
    AdoptionPolicy,
    DeletionBudget,
    LeaderElection,
    LogFormat,
    LogLevel,
)

T = TypeVar("T")

LEASE_NAME = "spire-registrar"
"""The Lease's default name; an instance with a class name adds ``-<class name>``."""
MANAGERS_LEASE = "spire-controller-manager"
CRD_LEASE = "spire-k8s-registrar-leader-election"
NODE_DRIVER_KEY = "agent_admin_socket_path"
"""A key of the node driver's file, which the registrars' files lack."""

_LEASE = LeaderElection(namespace=None, name=LEASE_NAME)
_BUDGET = DeletionBudget()
_DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
_MODES: tuple[Dialect, ...] = ("webhook", "reconcile", "crd")
_ELECTING: tuple[Dialect, ...] = ("reconcile", "crd")


def _in(*same: Dialect, **others: As[T] | str) -> Mapping[Dialect, As[T]]:
    """A row's part of the alias table: who has the key as it is, and who by another name."""
    found: dict[Dialect, As[T]] = {dialect: As() for dialect in same}
    for dialect in _DIALECTS:
        if dialect in others:
            other = others[dialect]
            found[dialect] = As(name=other) if isinstance(other, str) else other
    return found


# The table: one row for each key, in the order of the reference page and of --help.
# fmt: off
CLUSTER = Key("cluster", kinds.CLUSTER, "",
    "Name of the Kubernetes cluster, as the SPIRE agents attest it (`k8s_psat:cluster`).",
    required=True, inherited=True, names=_in(*_MODES, manager="clusterName"))
TRUST_DOMAIN = Key("trust_domain", kinds.TRUST_DOMAIN, "",
    "The SPIRE server's trust domain, such as `example.org`.",
    required=True, inherited=True, names=_in(*_MODES, manager="trustDomain"))
_SERVER_SOCKET: As[Path] = As(required=False, shown="none: `server_address`",
    meaning="The SPIRE server's unix socket. One of the two must be given.")
SERVER_SOCKET_PATH = Key("server_socket_path", kinds.SOCKET, Path(),
    "The SPIRE server's unix socket; with `server_address` the socket of the agent's "
    "Workload API, from which the SVID for mTLS comes.",
    required=True, inherited=True,
    names=_in(webhook=_SERVER_SOCKET, reconcile=_SERVER_SOCKET, crd=_SERVER_SOCKET,
        manager=As(name="spireServerSocketPath", required=False,
            default=Path("/spire-server/api.sock"),
            meaning="The SPIRE server's unix socket; with `spireServerAddress` the socket of the "
            "agent's Workload API.")))
SERVER_ADDRESS = Key("server_address", kinds.SERVER, None,
    "The SPIRE server's TCP address. The server must prove to be "
    "`spiffe://<trust domain>/spire/server`.",
    shown="none: the unix socket", inherited=True, names=_in(manager="spireServerAddress"))
CLASS_NAME = Key("class_name", kinds.CLASS_NAME, "",
    "Name of this instance where several of one mode work on one cluster; each has a "
    "prefix of its own and leaves the SpireEntries of the others alone.",
    names=_in(*_MODES, manager=As(name="className",
        meaning="Only objects of this class are handled. Without it, only objects without a class "
        "are: what another controller's class names is left to that one.")))
_PREFIX: As[str | None] = As(shown="derived from `cluster`")
ENTRY_ID_PREFIX = Key("entry_id_prefix", kinds.PREFIX, None,
    "What the IDs of our SPIRE entries begin with, before a dot. Entries with this "
    "prefix are taken to be ours, so no other registrar on the server may use it: a second one "
    "in the cluster writes nothing.", shown="derived from cluster, mode and class",
    names=_in(manager="entryIDPrefix", webhook=_PREFIX, reconcile=_PREFIX, crd=_PREFIX))
ADOPTION_POLICY: Key[AdoptionPolicy] = Key("adoption_policy", kinds.POLICY, "adopt",
    "What to do with an entry that has the same SPIFFE ID, parent and selectors under "
    "an ID that is not ours, such as those of the tool that was here before: manage it from now "
    "on, or leave it and report a conflict.", names=_in(*_MODES, manager="adoptionPolicy"))
POD_CONTROLLER = Key("pod_controller", kinds.BOOLEAN, default=False, inherited=True,
    meaning="Make a ClusterSpiffeId for every Pod: by `pod_label` or `pod_annotation`, else by "
    "its service account as `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.",
    names=_in(crd=As(default=True, meaning="Make a SpiffeID for every Pod and every Node.")))
_LABEL: As[str | None] = As(
    meaning="The SPIFFE ID's path is the value of this label; a Pod without it gets no identity. "
    "Not together with `pod_annotation`.")
POD_LABEL = Key("pod_label", kinds.LABEL, None,
    "The pod controller takes the SPIFFE ID's path from this label; a Pod without it "
    "gets no identity. Not together with `pod_annotation`.",
    inherited=True, names=_in(webhook=_LABEL, reconcile=_LABEL, crd=_LABEL))
_ANNOTATION: As[str | None] = As(
    meaning="As `pod_label`, from an annotation; its value may have slashes.")
POD_ANNOTATION = Key("pod_annotation", kinds.ANNOTATION, None,
    "As `pod_label`, from an annotation.",
    inherited=True, names=_in(webhook=_ANNOTATION, reconcile=_ANNOTATION, crd=_ANNOTATION))
_DISABLED: As[frozenset[str]] = As(meaning="Namespaces whose Pods get no identity.")
DISABLED = Key("disabled_namespaces", kinds.NAMESPACES, DISABLED_NAMESPACES,
    "Namespaces whose Pods get nothing from the pod controller.",
    zeros={"[]": "no namespace is left out"},
    names=_in(webhook=_DISABLED, reconcile=_DISABLED, crd=_DISABLED))
DRIFT_INTERVAL = Key("drift_interval", kinds.DURATION, DRIFT_INTERVAL_SECONDS,
    "How often the entries on the SPIRE server are compared with what they should be, "
    "and put right.", names=_in(*_MODES, manager=As(name="gcInterval", kind=kinds.INTERVAL,
        default=10.0,
        meaning="How often the entries on the SPIRE server are compared with what they should be. "
        "Changes in the cluster do not wait for it; an hour is fine.")))
BUDGET_COUNT = Key("deletion_budget_count", kinds.COUNT, _BUDGET.count,
    "A pass that would delete more entries than this, and also more than the fraction "
    "below, is withheld until a person confirms it.",
    zeros={"0": "a budget of none"}, names=_in(*_MODES, manager="deletionBudget.count"))
BUDGET_FRACTION = Key("deletion_budget_fraction", kinds.FRACTION, _BUDGET.fraction,
    "The fraction of our entries for `deletion_budget_count`.",
    zeros={"0": "the count alone decides", "0.0": ""},
    names=_in(*_MODES, manager=As(name="deletionBudget.fraction",
        meaning="The fraction of our entries for `deletionBudget.count`.")))
ALLOW_MASS_DELETION = Key("allow_mass_deletion", kinds.BOOLEAN, _BUDGET.allow_mass_deletion,
    "Confirms every deletion, however large.",
    names=_in(*_MODES, manager="deletionBudget.allowMassDeletion"))
LEADER_ELECTION = Key("leader_election", kinds.BOOLEAN, default=False, inherited=True,
    meaning="Hold a Lease before writing, so that several replicas may run.",
    names=_in(*_ELECTING, manager="leaderElection.leaderElect"))
LEASE_NAMESPACE = Key("leader_election_namespace", kinds.NAMESPACE, None,
    "The namespace of the Lease.", shown="the namespace it runs in",
    names=_in(*_ELECTING, manager="leaderElection.resourceNamespace"))
LEASE = Key("leader_election_name", kinds.DNS_NAME, None,
    "The name of the Lease.", shown=f"`{LEASE_NAME}`, with `-<class_name>` if there is one",
    names=_in(manager=As(name="leaderElection.resourceName", shown=f'`"{MANAGERS_LEASE}"`'),
        reconcile=As(shown="`<controller_name>-leader-election`, as the original's"),
        crd=As(shown=f"`{CRD_LEASE}`, as the original's")))
LEASE_DURATION = Key("leader_election_lease_duration", kinds.DURATION, _LEASE.lease_seconds,
    "How long a Lease that is not renewed keeps the other replicas waiting.",
    names=_in(*_ELECTING, manager="leaderElection.leaseDuration"))
RENEW_DEADLINE = Key("leader_election_renew_deadline", kinds.DURATION,
    _LEASE.renew_deadline_seconds,
    "How long the leader tries to renew its Lease before it ends; less than "
    "the lease duration.", names=_in(*_ELECTING, manager="leaderElection.renewDeadline"))
RETRY_PERIOD = Key("leader_election_retry_period", kinds.DURATION, _LEASE.retry_seconds,
    "The pause between two attempts to renew the Lease; less than the renew deadline. Who waits "
    "for it looks every half second, or as often if that is more.",
    names=_in(*_ELECTING, manager="leaderElection.retryPeriod"))
_METRICS = (
    "Where `/metrics`, `/healthz` and `/readyz` are served; port 0 takes a free one.")
METRICS = Key("metrics_addr", kinds.LISTEN, METRICS_ADDR, _METRICS, inherited=True,
    zeros={"0": "nothing is served"}, names=_in("reconcile",
        manager=As(name="metrics.bindAddress", meaning="Where `/metrics` is served."),
        webhook=As(default="0", meaning=_METRICS + " The original had none of them."),
        crd=As(name="metrics_bind_addr"), csi=As(default=":8090")))
STATUS_PAGE = Key("status_page_addr", kinds.LOCAL, "0",
    "Where the status page is served. Without a host this machine alone can "
    "reach it, as `kubectl port-forward` does; it asks nobody for a password.",
    shown='`"0"`, nothing is served', zeros={"0": "nothing is served"},
    names=_in(*_MODES, manager="statusPage.bindAddress"))
LOG_LEVEL: Key[LogLevel] = Key("log_level", kinds.LEVEL, "info",
    "The least severe messages to write: `trace`, `debug`, `info`, `warn` (or "
    "`warning`), `error`, `fatal`, `panic`, in any case.", inherited=True,
    names=_in(*_MODES, "csi", manager=As(name="logLevel", kind=kinds.MANAGERS_LEVEL,
        meaning="The least severe messages to write: `debug`, `info`, `warn`, `error`.")))
LOG_FORMAT: Key[LogFormat] = Key("log_format", kinds.FORMAT, "text",
    "How a line of the log is written.",
    names=_in(*_MODES, "csi",
        manager=As(name="logEncoding", kind=kinds.ENCODING, shown="`console`")))
LOG_PATH = Key("log_path", kinds.PATH, None,
    "The file to write the log to.", shown="standard error", inherited=True,
    names=_in(*_MODES, "csi", manager="logPath"))
TRACING = Key("tracing", kinds.BOOLEAN, default=False,
    meaning="Make OpenTelemetry spans of the way from a Pod to its entry and its record, and send "
    "them where the standard variables `OTEL_EXPORTER_OTLP_*` say.",
    names=_in(*_MODES, manager="tracing"))
KUBECONFIG = Key("kubeconfig", kinds.PATH, None,
    "How to reach the Kubernetes API; wins over the Pod's own.",
    shown="as kubectl finds it, see above", names=_in(*_MODES, "csi", manager="kubeconfig"))
# fmt: on

KEYS: tuple[Key[object], ...] = tuple(row for row in list(globals().values()) if type(row) is Key)
"""The layered registrar's keys: every row above."""


def keys_of(dialect: Dialect) -> tuple[Key[object], ...]:
    """The rows above that a file of another tool has, as they are there."""
    return tuple(key.spelled(dialect) for key in KEYS if dialect in key.names)
