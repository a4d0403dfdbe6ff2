"""Values of a configuration file into typed ones, each with its own check.

A reader takes a value of the tree and returns what it means, or raises Wrong.
Which reader a key has is said by its kind, in ``kinds.py``.
"""

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeVar

from api.errors import MOST_SHOWN, shortened
from registrar.errors import InvalidField
from registrar.identity.spiffeid import check_path, check_trust_domain
from registrar.settings.hcl import Items, Scalar, Table, Value
from registrar.settings.hcltokens import Position

T = TypeVar("T", bound=str)

Zero = Literal["null", '""', "0", "0.0", "0s", "[]", "{}"]
"""The ways to write nothing; 0.0 is a number with a fraction, which no text can mean."""

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_LONGEST_DURATION = 1000
"""Characters; the search below takes the square of it."""
_DIGITS = re.compile("-?[0-9]{1,18}")
_SOCKET_PATH_BYTES = 107
_LOOPBACK = "127.0.0.1"
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DNS_NAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
)
_ENTRY_ID_PREFIX = re.compile(r"[A-Za-z0-9._-]*[A-Za-z0-9_-]")


def zero_of(value: Value) -> Zero | None:
    """Which of the zero values this is, None if it is none.

    Go's decoders leave one where nothing was given. So programs that write a Go structure out,
    and templates, write such a value for every key that nobody set.
    """
    if isinstance(value, Table):
        return None if value.entries else "{}"
    if isinstance(value, Items):
        return None if value.values else "[]"
    written = value.value
    if written is None:
        return "null"
    if isinstance(written, str):
        if not written:
            return '""'
        return "0s" if go_seconds(written) == 0 else None
    if isinstance(written, bool) or written != 0:
        return None
    return "0" if value.written or isinstance(written, int) else "0.0"


def is_zero(value: Value) -> bool:
    """Whether this is a zero value."""
    return zero_of(value) is not None


class Wrong(ValueError):  # noqa: N818 - reads as what it is
    """A value cannot stand where it stands; ``at`` is the value's own place."""

    def __init__(self, message: str, at: Position) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


def text(value: Value) -> str:
    """A text as it is; a whole number stands for its digits, as Go's HCL decoder takes it."""
    if isinstance(value, Scalar) and isinstance(value.value, str):
        return value.value
    if isinstance(value, Scalar) and (value.written or type(value.value) is int):
        return value.written or str(value.value)
    raise Wrong(f"must be text in double quotes, not {described(value)}", value.at)


def texts(value: Value) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, Items):
        raise Wrong(f'must be a list of texts such as ["a", "b"], not {described(value)}', value.at)
    return tuple(text(item) for item in value.values)


def text_map(value: Value) -> tuple[tuple[str, str], ...]:
    """Texts by name, as a block or an object; blocks of one name are one."""
    tables = value.values if isinstance(value, Items) else (value,)
    found: dict[str, str] = {}
    for table in tables:
        if not isinstance(table, Table):
            raise Wrong(f"must be a block of texts by name, not {described(value)}", value.at)
        found |= {name: text(entry.value) for name, entry in table.entries.items()}
    return tuple(found.items())


def port(value: Value) -> int:
    """A port."""
    number = count(value)
    if not 0 < number <= 0xFFFF:
        raise Wrong(f"must be from 1 to 65535, it is {number}", value.at)
    return number


def boolean(value: Value) -> bool:
    """``true`` or ``false``, also in quotes or as 1 and 0, as Go's HCL decoder takes them."""
    if isinstance(value, Scalar):
        word = str(value.value).lower()
        if word in {"true", "1"}:
            return True
        if word in {"false", "0"}:
            return False
    raise Wrong(f"must be true or false, not {described(value)}", value.at)


def count(value: Value) -> int:
    """A whole number from 0, also in quotes, as Go's HCL decoder takes it."""
    number = value.value if isinstance(value, Scalar) else None
    if isinstance(number, str) and _DIGITS.fullmatch(number):
        number = int(number)
    if type(number) is not int:
        raise Wrong(f"must be a whole number, not {described(value)}", value.at)
    if number < 0:
        raise Wrong(f"must not be negative, it is {number}", value.at)
    return number


def fraction(value: Value) -> float:
    """A number from 0 to 1."""
    number = _number(value)
    if number is None:
        raise Wrong(f"must be a number from 0 to 1, not {described(value)}", value.at)
    if not 0 <= number <= 1:
        raise Wrong(f"must be from 0 to 1, it is {number:g}", value.at)
    return number


def seconds(value: Value) -> float:
    """A duration above zero: a number of seconds, or Go's notation such as ``"1m30s"``."""
    number = _number(value)
    if number is None and isinstance(value, Scalar) and isinstance(value.value, str):
        number = go_seconds(value.value)
    if number is None:
        raise Wrong(
            f'must be a duration such as "30s", "1m30s" or a number of seconds, '
            f"not {described(value)}",
            value.at,
        )
    if not number > 0 or math.isinf(number):
        raise Wrong(f"must be more than zero, it is {described(value)}", value.at)
    return number


def choice(names: tuple[T, ...], other: Mapping[str, T] | None = None) -> Callable[[Value], T]:
    """A reader for one of ``names`` in any case; ``other`` are further spellings."""
    spellings = {str(name): name for name in names} | dict(other or {})

    def read(value: Value) -> T:
        name = spellings.get(text(value).lower())
        if name is None:
            listed = ", ".join(f'"{name}"' for name in names)
            raise Wrong(f"must be one of {listed}, not {described(value)}", value.at)
        return name

    return read


def path(value: Value) -> Path:
    """The path of a file."""
    return Path(_without_nul(value))


def without_scheme(written: str) -> str:
    """A socket's path without the ``unix:`` or ``unix://`` that may stand in front of it."""
    return written.removeprefix("unix://").removeprefix("unix:")


def socket_path(value: Value) -> Path:
    """The path of a unix socket, ``unix:`` in front of it or not."""
    plain = without_scheme(_without_nul(value))
    if not plain or "://" in plain:
        raise Wrong(f"must be the path of a unix socket, not {described(value)}", value.at)
    if len(plain.encode()) > _SOCKET_PATH_BYTES:
        raise Wrong(
            f"is longer than the {_SOCKET_PATH_BYTES} bytes that the path of a socket may have: "
            f"give a shorter one than {described(value)}",
            value.at,
        )
    return Path(plain)


def trust_domain(value: Value) -> str:
    """The name of a trust domain, ``spiffe://`` in front of it or not."""
    try:
        return check_trust_domain(text(value), path="trust_domain")
    except InvalidField as error:
        raise Wrong(f"{error.value!r}: {error.remedy}", value.at) from error


def cluster(value: Value) -> str:
    """The name of a cluster; it becomes part of SPIFFE IDs."""
    name = text(value)
    try:
        check_path(name, path="cluster")
    except InvalidField as error:
        raise Wrong(f"{error.value!r}: {error.remedy}", value.at) from error
    if name.startswith("/"):
        raise Wrong(f"{name!r}: write it without the slash in front", value.at)
    return name


def class_name(value: Value) -> str:
    """The name of an instance; SpireEntries carry it as a label."""
    return _matched(
        value,
        LABEL_VALUE,
        "use at most 63 letters, digits, '.', '-' and '_', a letter or digit at both ends",
    )


def entry_id_prefix(value: Value) -> str:
    """What the IDs of our entries begin with."""
    return _matched(
        value, _ENTRY_ID_PREFIX, "use letters, digits, '.', '-' and '_', not ending with a dot"
    )


def lease_name(value: Value) -> str:
    """The name of a Lease."""
    return _matched(value, _DNS_NAME, "use lower case letters, digits, '-' and '.'")


def namespace(value: Value) -> str:
    """The name of a namespace."""
    return _matched(value, _DNS_LABEL, "use at most 63 lower case letters, digits and '-'")


def namespaces(value: Value) -> frozenset[str]:
    """A list of namespaces, which may be empty, or say so by one that has no name."""
    if not isinstance(value, Items):
        raise Wrong(f'must be a list such as ["kube-system"], not {described(value)}', value.at)
    return frozenset(namespace(item) for item in value.values if text(item))


def dns_zone(value: Value) -> str:
    """The DNS domain of a cluster; the dot of the root may stand behind it."""
    written = text(value).removesuffix(".")
    if not _DNS_NAME.fullmatch(written):
        raise Wrong(f"{text(value)!r}: write a domain such as cluster.local", value.at)
    return written


def metadata_key(value: Value) -> str:
    """The name of a label or annotation, such as ``example.org/identity``."""
    prefix, slash, name = text(value).rpartition("/")
    if (slash and not _DNS_NAME.fullmatch(prefix)) or not LABEL_VALUE.fullmatch(name):
        raise Wrong(
            f"{text(value)!r} cannot be the name of a label or annotation: "
            "write it as identity or example.org/identity",
            value.at,
        )
    return text(value)


def listen_address(value: Value) -> str:
    """``host:port`` to listen at; without a host it is every interface, ``0`` is not to listen."""
    written = text(value)
    if written == "0":
        return written
    host, port = _host_and_port(written)
    if port is None or " " in host:
        raise Wrong(
            f'{written!r}: write ":8080", "127.0.0.1:8080", or "0" for neither metrics nor probes',
            value.at,
        )
    return written


def local_address(value: Value) -> str:
    """``host:port`` to listen at; without a host it is this machine alone, ``0`` is not to listen.

    Unlike what metrics are for, what is served there is for people who may look at everything.
    """
    written = text(value)
    if written == "0":
        return written
    host, port = _host_and_port(written)
    if port is None or " " in host:
        raise Wrong(
            f'{written!r}: write ":8083" for this machine alone, "0.0.0.0:8083" for all '
            'addresses, or "0" for none',
            value.at,
        )
    return written if host else f"{_LOOPBACK}{written}"


def bind_address(value: Value) -> tuple[str, int]:
    """Host, empty for every interface, and port to listen at."""
    written = text(value)
    host, port_ = _host_and_port(written)
    if port_ is None or " " in host:
        raise Wrong(f'{written!r}: write ":8443" or "127.0.0.1:8443"', value.at)
    return host, port_


def server_or_socket(value: Value) -> tuple[str, int] | Path:
    """Host and port to connect to, or the path of a unix socket after ``unix://``."""
    return socket_path(value) if text(value).startswith("unix:") else server_address(value)


def server_address(value: Value) -> tuple[str, int]:
    """Host and port to connect to; gRPC's ``dns:///`` may stand in front."""
    written = text(value)
    host, port = _host_and_port(written.removeprefix("dns:///").removeprefix("dns:"))
    if written.startswith("unix:"):
        raise Wrong("for a unix socket leave it out and give server_socket_path", value.at)
    if not port or not host or "/" in host or " " in host:
        raise Wrong(f'{written!r}: write "host:port", such as "spire-server:8081"', value.at)
    return host, port


def _number(value: Value) -> float | None:
    if not isinstance(value, Scalar) or isinstance(value.value, str | bool | None):
        return None
    return float(value.value)


def go_seconds(written: str) -> float | None:
    """The seconds of a duration in Go's notation; the sign is kept, None if it is not one."""
    if len(written) > _LONGEST_DURATION:
        return None
    unsigned = written.removeprefix("-")
    parts = _DURATION_PART.findall(unsigned)
    if not parts or "".join(number + unit for number, unit in parts) != unsigned:
        return None
    try:
        total = math.fsum(float(number) * _SECONDS[unit] for number, unit in parts)
    except OverflowError:
        total = math.inf
    return -total if written.startswith("-") else total


def _host_and_port(written: str) -> tuple[str, int | None]:
    """Both parts of ``host:port``, brackets of IPv6 taken off; port None if malformed."""
    host, colon, digits = written.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    is_port = colon and digits.isascii() and digits.isdecimal() and len(digits) <= 5
    if not is_port or int(digits) > 0xFFFF or (":" in host) is not bracketed:
        return host, None
    return host.removeprefix("[").removesuffix("]"), int(digits)


def _matched(value: Value, pattern: re.Pattern[str], remedy: str) -> str:
    written = text(value)
    if not pattern.fullmatch(written):
        raise Wrong(f"{written!r}: {remedy}", value.at)
    return written


def _without_nul(value: Value) -> str:
    written = text(value)
    if not written:
        raise Wrong("must be the path of a file, it is empty", value.at)
    if "\0" in written:
        raise Wrong(f"a path cannot hold a zero byte, as {described(value)} does", value.at)
    return written


def described(value: Value) -> str:
    """A value as a person would point at it."""
    if isinstance(value, Table):
        return "a block"
    if isinstance(value, Items):
        return "a list"
    if isinstance(value.value, bool):
        return "true" if value.value else "false"
    if isinstance(value.value, str):
        return f'the text "{shortened(value.value, MOST_SHOWN)}"'
    return "null" if value.value is None else f"the number {value.written or value.value}"
