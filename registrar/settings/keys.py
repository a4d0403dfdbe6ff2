"""Every key of the configuration: its type, default and meaning, said once.

The file, the flags and the reference page are all read off this table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from registrar.settings import values
from registrar.settings.hcl import Value
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

T_co = TypeVar("T_co", covariant=True)

LEASE_NAME = "spire-registrar"
"""The Lease's default name; an instance with a class name adds ``-<class name>``."""

LOG_LEVELS: tuple[LogLevel, ...] = ("trace", "debug", "info", "warn", "error", "fatal", "panic")
LOG_FORMATS: tuple[LogFormat, ...] = ("text", "json")
ADOPTION_POLICIES: tuple[AdoptionPolicy, ...] = ("adopt", "refuse")

_LEASE = LeaderElection(namespace=None, name=LEASE_NAME)
_BUDGET = DeletionBudget()


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(Generic[T_co]):
    """One key.

    ``kind`` is the type's name for a person; ``read`` checks and converts.
    ``bare``: on a command line its value is a number or boolean, not text.
    ``default`` holds where the key is not given; of a required key it is
    never used. ``shown`` is the default in words where the value does not
    tell. ``inherited``: the layered registrar that this one follows has it.
    ``blank``: an empty text has a meaning of its own, elsewhere it is nothing.
    """

    name: str
    kind: str
    read: Callable[[Value], T_co]
    default: T_co
    meaning: str
    bare: bool = False
    required: bool = False
    shown: str = ""
    inherited: bool = False
    blank: bool = False

    @property
    def flag(self) -> str:
        """The flag that overrides it."""
        return "--" + self.name.replace("_", "-")


CLUSTER: Key[str] = Key(
    name="cluster",
    kind="text",
    read=values.cluster,
    default="",
    required=True,
    inherited=True,
    meaning="Name of the Kubernetes cluster, as the SPIRE agents attest it (`k8s_psat:cluster`).",
)
TRUST_DOMAIN: Key[str] = Key(
    name="trust_domain",
    kind="text",
    read=values.trust_domain,
    default="",
    required=True,
    inherited=True,
    meaning="The SPIRE server's trust domain, such as `example.org`.",
)
SERVER_SOCKET_PATH: Key[Path] = Key(
    name="server_socket_path",
    kind="path",
    read=values.socket_path,
    default=Path(),
    required=True,
    inherited=True,
    meaning="The SPIRE server's unix socket; with `server_address` the socket of the agent's "
    "Workload API, from which the SVID for mTLS comes.",
)
SERVER_ADDRESS: Key[tuple[str, int] | None] = Key(
    name="server_address",
    kind="host:port",
    read=values.server_address,
    default=None,
    shown="none: the unix socket",
    inherited=True,
    meaning="The SPIRE server's TCP address. The server must prove to be "
    "`spiffe://<trust domain>/spire/server`.",
)
CLASS_NAME: Key[str] = Key(
    name="class_name",
    kind="text",
    read=values.class_name,
    default="",
    meaning="Name of this instance where several of one mode work on one cluster; each has a "
    "prefix of its own and leaves the SpireEntries of the others alone.",
)
ENTRY_ID_PREFIX: Key[str | None] = Key(
    name="entry_id_prefix",
    kind="text",
    read=values.entry_id_prefix,
    default=None,
    shown="derived from cluster, mode and class",
    meaning="What the IDs of our SPIRE entries begin with, before a dot. Entries with this "
    "prefix are taken to be ours, so no other registrar on the server may use it: a second one "
    "in the cluster writes nothing.",
)
ADOPTION_POLICY: Key[AdoptionPolicy] = Key(
    name="adoption_policy",
    kind="`adopt` or `refuse`",
    read=values.choice(ADOPTION_POLICIES),
    default="adopt",
    meaning="What to do with an entry that has the same SPIFFE ID, parent and selectors under "
    "an ID that is not ours: manage it from now on, or leave it and report a conflict.",
)
POD_CONTROLLER: Key[bool] = Key(
    name="pod_controller",
    kind="boolean",
    read=values.boolean,
    bare=True,
    default=False,
    inherited=True,
    meaning="Make a ClusterSpiffeId for every Pod: by `pod_label` or `pod_annotation`, else by "
    "its service account as `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.",
)
POD_LABEL: Key[str | None] = Key(
    name="pod_label",
    kind="label name",
    read=values.metadata_key,
    default=None,
    inherited=True,
    meaning="The pod controller takes the SPIFFE ID's path from this label; a Pod without it "
    "gets no identity. Not together with `pod_annotation`.",
)
POD_ANNOTATION: Key[str | None] = Key(
    name="pod_annotation",
    kind="annotation name",
    read=values.metadata_key,
    default=None,
    inherited=True,
    meaning="As `pod_label`, from an annotation.",
)
DISABLED: Key[frozenset[str]] = Key(
    name="disabled_namespaces",
    kind="list of text",
    read=values.namespaces,
    default=DISABLED_NAMESPACES,
    meaning="Namespaces whose Pods get nothing from the pod controller.",
)
DRIFT_INTERVAL: Key[float] = Key(
    name="drift_interval",
    kind="duration",
    read=values.seconds,
    bare=True,
    default=DRIFT_INTERVAL_SECONDS,
    meaning="How often the entries on the SPIRE server are compared with what they should be, "
    "and put right.",
)
BUDGET_COUNT: Key[int] = Key(
    name="deletion_budget_count",
    kind="whole number",
    read=values.count,
    bare=True,
    default=_BUDGET.count,
    meaning="A pass that would delete more entries than this, and also more than the fraction "
    "below, is withheld until a person confirms it.",
)
BUDGET_FRACTION: Key[float] = Key(
    name="deletion_budget_fraction",
    kind="number from 0 to 1",
    read=values.fraction,
    bare=True,
    default=_BUDGET.fraction,
    meaning="The fraction of our entries for `deletion_budget_count`.",
)
ALLOW_MASS_DELETION: Key[bool] = Key(
    name="allow_mass_deletion",
    kind="boolean",
    read=values.boolean,
    bare=True,
    default=_BUDGET.allow_mass_deletion,
    meaning="Confirms every deletion, however large.",
)
LEADER_ELECTION: Key[bool] = Key(
    name="leader_election",
    kind="boolean",
    read=values.boolean,
    bare=True,
    default=False,
    inherited=True,
    meaning="Hold a Lease before writing, so that several replicas may run.",
)
LEASE_NAMESPACE: Key[str | None] = Key(
    name="leader_election_namespace",
    kind="text",
    read=values.namespace,
    default=None,
    shown="the namespace it runs in",
    meaning="The namespace of the Lease.",
)
LEASE: Key[str | None] = Key(
    name="leader_election_name",
    kind="text",
    read=values.lease_name,
    default=None,
    shown=f"`{LEASE_NAME}`, with `-<class_name>` if there is one",
    meaning="The name of the Lease.",
)
LEASE_DURATION: Key[float] = Key(
    name="leader_election_lease_duration",
    kind="duration",
    read=values.seconds,
    bare=True,
    default=_LEASE.lease_seconds,
    meaning="How long a Lease that is not renewed keeps the other replicas waiting.",
)
RENEW_DEADLINE: Key[float] = Key(
    name="leader_election_renew_deadline",
    kind="duration",
    read=values.seconds,
    bare=True,
    default=_LEASE.renew_deadline_seconds,
    meaning="How long the leader tries to renew its Lease before it stops writing; less than "
    "the lease duration.",
)
RETRY_PERIOD: Key[float] = Key(
    name="leader_election_retry_period",
    kind="duration",
    read=values.seconds,
    bare=True,
    default=_LEASE.retry_seconds,
    meaning="The pause between two attempts to take or renew the Lease; less than the renew "
    "deadline.",
)
METRICS: Key[str] = Key(
    name="metrics_addr",
    kind="host:port",
    read=values.listen_address,
    default=METRICS_ADDR,
    inherited=True,
    meaning="Where `/metrics`, `/healthz` and `/readyz` are served; port 0 takes a free one, "
    '`"0"` alone serves nothing.',
)
LOG_LEVEL: Key[LogLevel] = Key(
    name="log_level",
    kind="level",
    read=values.choice(LOG_LEVELS, {"warning": "warn"}),
    default="info",
    inherited=True,
    meaning="The least severe messages to write: `trace`, `debug`, `info`, `warn` (or "
    "`warning`), `error`, `fatal`, `panic`, in any case.",
)
LOG_FORMAT: Key[LogFormat] = Key(
    name="log_format",
    kind="`text` or `json`",
    read=values.choice(LOG_FORMATS),
    default="text",
    meaning="How a line of the log is written.",
)
LOG_PATH: Key[Path | None] = Key(
    name="log_path",
    kind="path",
    read=values.path,
    default=None,
    shown="standard error",
    inherited=True,
    meaning="The file to write the log to.",
)
NODE_DRIVER_KEY = "agent_admin_socket_path"
"""A key of the node driver's file, which the registrars' files lack."""

KUBECONFIG: Key[Path | None] = Key(
    name="kubeconfig",
    kind="path",
    read=values.path,
    default=None,
    shown="as kubectl finds it, see above",
    meaning="How to reach the Kubernetes API; wins over the Pod's own.",
)

KEYS: tuple[Key[object], ...] = (
    CLUSTER,
    TRUST_DOMAIN,
    SERVER_SOCKET_PATH,
    SERVER_ADDRESS,
    CLASS_NAME,
    ENTRY_ID_PREFIX,
    ADOPTION_POLICY,
    POD_CONTROLLER,
    POD_LABEL,
    POD_ANNOTATION,
    DISABLED,
    DRIFT_INTERVAL,
    BUDGET_COUNT,
    BUDGET_FRACTION,
    ALLOW_MASS_DELETION,
    LEADER_ELECTION,
    LEASE_NAMESPACE,
    LEASE,
    LEASE_DURATION,
    RENEW_DEADLINE,
    RETRY_PERIOD,
    METRICS,
    LOG_LEVEL,
    LOG_FORMAT,
    LOG_PATH,
    KUBECONFIG,
)
"""The table, in the order of the reference page and of ``--help``."""
