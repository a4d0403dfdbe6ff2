"""The kinds of values that keys have, one row for each, and the shape of a row for a key.

The tables ``keys``, ``managerkeys``, ``workloadkeys`` and ``csi`` are made of these. Nothing is
read here: ``reader.py`` does that.
"""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import Generic, Literal, TypeVar

from registrar.settings import managervalues, values
from registrar.settings.hcl import Value
from registrar.settings.model import AdoptionPolicy, InvalidDNSNames, LogFormat, LogLevel
from registrar.settings.values import Zero

T_co = TypeVar("T_co", covariant=True)

Dialect = Literal["layered", "manager", "webhook", "reconcile", "crd", "csi"]
"""Whose file it is; k8s-workload-registrar's differ by mode."""

_TEXT: frozenset[Zero] = frozenset({"0", "0s"})


@dataclass(frozen=True, slots=True)
class Kind(Generic[T_co]):
    """A kind of value.

    ``name`` is for a person; ``read`` checks and converts, and ``in_yaml`` does where the
    controller manager's file writes it otherwise. ``zeros`` are the zero values that are values of
    this kind; the other ones say that nobody gave the key. ``bare``: on a command line it is a
    number or boolean, not text.
    """

    name: str
    read: Callable[[Value], T_co]
    zeros: frozenset[Zero] = frozenset()
    bare: bool = False
    in_yaml: Callable[[Value], T_co] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class As(Generic[T_co]):
    """What a key is called in the file of another tool, and what else differs there."""

    name: str = ""
    kind: Kind[T_co] | None = None
    default: T_co | None = None
    meaning: str = ""
    shown: str = ""
    required: bool = True


@dataclass(frozen=True, slots=True)
class Key(Generic[T_co]):
    """One key.

    ``default`` holds where nobody gave the key; of a required one it is never used. ``shown`` is
    the default in words where the value does not tell. ``zeros`` are zero values that mean
    something of their own, in words. ``inherited``: the layered registrar that this one follows
    has it. ``names`` is the alias table: the key in the files of the other tools.
    """

    name: str
    kind: Kind[T_co]
    default: T_co
    meaning: str
    _: KW_ONLY
    required: bool = False
    shown: str = ""
    inherited: bool = False
    zeros: Mapping[Zero, str] = field(default_factory=dict)
    names: Mapping[Dialect, As[T_co]] = field(default_factory=dict)

    @property
    def flag(self) -> str:
        """The flag that overrides it."""
        return "--" + self.name.replace("_", "-")

    def spelled(self, dialect: Dialect) -> "Key[T_co]":
        """The key as it is in the file of one tool."""
        other = self.names.get(dialect)
        if other is None:
            return self
        return replace(
            self,
            name=other.name or self.name,
            kind=other.kind or self.kind,
            default=self.default if other.default is None else other.default,
            meaning=other.meaning or self.meaning,
            shown=other.shown or ("" if other.default is not None else self.shown),
            required=self.required and other.required,
        )

    def is_nothing(self, value: Value) -> bool:
        """Whether a value says that nobody gave the key.

        This is the one rule for every tool's file and for flags: null, an empty text, list or
        mapping, 0 and 0s say nothing, except where the kind or the row names a meaning for them.
        """
        zero = values.zero_of(value)
        return zero is not None and zero not in self.kind.zeros and zero not in self.zeros


LOG_LEVELS: tuple[LogLevel, ...] = ("trace", "debug", "info", "warn", "error", "fatal", "panic")
_MANAGERS_LEVELS: tuple[LogLevel, ...] = ("debug", "info", "warn", "error")
_POLICIES: tuple[AdoptionPolicy, ...] = ("adopt", "refuse")
_FORMATS: tuple[LogFormat, ...] = ("text", "json")
_DNS: tuple[InvalidDNSNames, ...] = ("omit", "refuse")
_WARNING: dict[str, LogLevel] = {"warning": "warn"}

# The table: one row for each kind.
# fmt: off
TEXT = Kind("text", values.text, _TEXT)
TEMPLATE = Kind("template", values.text, _TEXT)
GO_TEMPLATE = Kind("Go template", values.text, _TEXT)
TEMPLATES = Kind("list of templates", values.texts)
TEXT_MAP = Kind("block of texts", values.text_map)
CLUSTER = Kind("text", values.cluster, _TEXT)
TRUST_DOMAIN = Kind("text", values.trust_domain, _TEXT)
CLASS_NAME = Kind("text", values.class_name, _TEXT)
PREFIX: Kind[str | None] = Kind(
    "text", values.entry_id_prefix, _TEXT, in_yaml=managervalues.prefix)
OTHER_PREFIX: Kind[str | None] = Kind("text", managervalues.cleanup, _TEXT)
NAMESPACE = Kind("text", values.namespace, _TEXT)
DNS_NAME = Kind("text", values.lease_name, _TEXT)
DOMAIN = Kind("domain", values.dns_zone, _TEXT)
NAMESPACES = Kind("list of text", values.namespaces)
LABEL = Kind("label name", values.metadata_key, _TEXT)
ANNOTATION = Kind("annotation name", values.metadata_key, _TEXT)
PATH: Kind[Path] = Kind("path", values.path, _TEXT)
SOCKET: Kind[Path] = Kind("path", values.socket_path, _TEXT)
SERVER = Kind("host:port", values.server_address)
SERVER_OR_SOCKET = Kind("host:port or `unix://` path", values.server_or_socket)
LISTEN = Kind("host:port", values.listen_address)
LOCAL = Kind("host:port", values.local_address)
BIND = Kind("host:port", values.bind_address)
PORT = Kind("port", values.port, bare=True)
BOOLEAN = Kind("boolean", values.boolean, frozenset({"0"}), bare=True,
    in_yaml=managervalues.boolean)
COUNT = Kind("whole number", values.count, bare=True)
FRACTION = Kind("number from 0 to 1", values.fraction, bare=True)
DURATION = Kind("duration", values.seconds, bare=True, in_yaml=managervalues.duration)
INTERVAL = Kind("duration", managervalues.interval, bare=True)
PAUSE = Kind("duration", managervalues.pause_or_none, bare=True)
LEVEL = Kind("level", values.choice(LOG_LEVELS, _WARNING))
MANAGERS_LEVEL = Kind("level", values.choice(_MANAGERS_LEVELS, _WARNING))
FORMAT = Kind("`text` or `json`", values.choice(_FORMATS))
ENCODING = Kind("`console` or `json`", managervalues.encoding)
POLICY = Kind("`adopt` or `refuse`", values.choice(_POLICIES))
DNS_POLICY = Kind("`omit` or `refuse`", values.choice(_DNS))
PATTERNS = Kind("list of regular expressions", managervalues.patterns)
LABELS = Kind("mapping of labels to values", managervalues.labels)
CACHED_NAMESPACES = Kind("mapping with namespaces as keys", managervalues.namespaces)
# fmt: on
