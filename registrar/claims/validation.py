"""Checks of what an entry may hold, one rule set for every source.

Most rules stand in the CRD schemas as well; objects stored before a rule, and
sources without a schema, meet them here.
"""

import re
from collections.abc import Collection, Iterable

from api.durations import parse_duration
from registrar.errors import InvalidField
from registrar.identity.spiffeid import (
    MAX_TRUST_DOMAIN_LENGTH,
    SCHEME,
    check_trust_domain,
    trust_domain_of,
)

MAX_HINT_LENGTH = 1024
MAX_DOMAINS = 256
"""Trust domains that one entry may federate with; the schemas of our kinds say the same."""
MAX_PATTERNS = 8
"""How many of them may be patterns with ``*``: each is compared with every known domain."""
MAX_DNS_NAMES = 1000
MAX_SELECTORS = 1000
"""An entry goes to the SPIRE server in one message, and to an agent with all its others. The
schemas of our kinds allow less; those that a cluster had before may allow any number."""
_MAX_TTL = 2**31 - 1
_LABEL = re.compile(r"(?!..--)[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?")
"""SPIRE takes no two hyphens in the third and fourth place, where they could mean punycode."""
_PUNYCODE = re.compile(r"xn--[a-z0-9-]{1,59}")
_MAX_DNS_NAME = 253
"""Longest name in characters, not counting a leading ``*.``."""
_DOMAIN_PATTERN = re.compile(r"[a-z0-9._*-]+")
"""Parts of a trust domain with ``*`` for any characters."""
_STARS = re.compile(r"\*+")


def is_dns_name(value: str) -> bool:
    """Whether a DNS name may stand in an SVID; the first label may be ``*``.

    The one rule for names of every source: what a SPIRE server takes, and besides only
    what a DNS knows (SPIRE would take spaces).
    """
    name = value.removeprefix("*.")
    if len(name) > _MAX_DNS_NAME:
        return False
    return all(map(_is_label, name.split(".")))


def _is_label(label: str) -> bool:
    return bool(_LABEL.fullmatch(label)) or _is_international(label)


def _is_international(label: str) -> bool:
    """Whether it is punycode (RFC 3492) of letters that ASCII lacks, and the only one of them."""
    if not _PUNYCODE.fullmatch(label):
        return False
    encoded = label.removeprefix("xn--")
    try:
        text = encoded.encode().decode("punycode")
        return not text.isascii() and text.encode("punycode").decode() == encoded
    except ValueError:
        return False


def check_dns_name(value: str, *, path: str) -> str:
    """A DNS name for an SVID; the first label may be ``*``. Raises InvalidField."""
    if not is_dns_name(value):
        raise InvalidField(
            path,
            value,
            "not a DNS name that SPIRE takes: use labels of letters, digits, '-' and '_' joined "
            "by dots, such as web.shop.svc, none with '--' in its third and fourth place but "
            "for punycode",
        )
    return value


def check_number(number: int, limit: int, *, path: str) -> None:
    """How many things may stand in a field. Raises InvalidField."""
    if number > limit:
        raise InvalidField(path, f"{number} of them", f"at most {limit} may stand here")


def check_dns_names(values: Collection[str], *, path: str) -> tuple[str, ...]:
    """DNS names for an SVID in their order, nothing twice. Raises InvalidField."""
    check_number(len(values), MAX_DNS_NAMES, path=path)
    return tuple(
        dict.fromkeys(
            check_dns_name(name, path=f"{path}[{number}]") for number, name in enumerate(values)
        )
    )


def check_ttl(value: int, *, path: str) -> int:
    """A lifetime in seconds, 0 for the server's default. Raises InvalidField."""
    if not 0 <= value <= _MAX_TTL:
        raise InvalidField(
            path, str(value), f"use seconds from 1 to {_MAX_TTL}, or 0 for the server's default"
        )
    return value


def check_hint(value: str, *, path: str) -> str:
    """A hint of at most 1024 characters, SPIRE's limit. Raises InvalidField."""
    if len(value) > MAX_HINT_LENGTH:
        raise InvalidField(path, value[:32] + "…", f"shorten it to {MAX_HINT_LENGTH} characters")
    return value


def check_duration(value: str, *, path: str) -> int:
    """The whole seconds of a Go duration, none for the server's default. Raises InvalidField."""
    if not value:
        return 0
    try:
        nanoseconds = parse_duration(value)
    except ValueError as error:
        raise InvalidField(path, value, f"{error}: write a duration such as 1h or 90s") from error
    return check_ttl(nanoseconds // 1_000_000_000, path=path)


def check_federates_with(values: Iterable[str], *, path: str, trust_domain: str) -> tuple[str, ...]:
    """Foreign trust domains, or patterns of them, sorted, nothing twice. Raises InvalidField."""
    names = _federates_with(values, path)
    for number, name in enumerate(names):
        if name == trust_domain:
            raise InvalidField(
                f"{path}[{number}]", name, "this is the SPIRE server's own trust domain: remove it"
            )
    return tuple(sorted(set(names)))


def check_federation(values: Iterable[str], *, path: str, trust_domain: str) -> tuple[str, ...]:
    """As ``check_federates_with``; the server's own trust domain may be named and is left out."""
    return tuple(sorted(set(_federates_with(values, path)) - {trust_domain}))


def _federates_with(values: Iterable[str], path: str) -> list[str]:
    names = [_domain_or_pattern(value, f"{path}[{number}]") for number, value in enumerate(values)]
    different = set(names)
    patterns = sum("*" in name for name in different)
    for number, limit, what in (
        (len(different), MAX_DOMAINS, "trust domains"),
        (patterns, MAX_PATTERNS, "patterns with '*'"),
    ):
        if number > limit:
            raise InvalidField(
                path, f"{number} {what}", f"at most {limit} {what} may stand here: remove some"
            )
    return names


def _domain_or_pattern(value: str, path: str) -> str:
    """A trust domain, or a pattern of some, its runs of ``*`` written as one."""
    if "*" not in value:
        return check_trust_domain(_bare(value), path=path)
    if len(value) > MAX_TRUST_DOMAIN_LENGTH or not _DOMAIN_PATTERN.fullmatch(value):
        raise InvalidField(
            path,
            value,
            "not a pattern of trust domains: use lower case letters, digits, '.', '-', '_' and "
            f"'*', {MAX_TRUST_DOMAIN_LENGTH} characters at most",
        )
    return _STARS.sub("*", value)


def _bare(value: str) -> str:
    """A trust domain may be given as any SPIFFE ID in it, as Go's library takes it."""
    return trust_domain_of(value) if value.startswith(SCHEME) else value
