"""Who may do what: the authorizer's file, and the decisions that come of it. Pure.

What is not allowed is refused. A path that two programs may read in two ways is refused too, since
Envoy, the authorizer and the server behind them must mean the same by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from api.codec import DecodeError, convert
from api.documents import load_yaml_documents
from registrar.errors import InvalidField
from registrar.identity.spiffeid import check_spiffe_id

_AMBIGUOUS = ("//", "\\", "/./", "/../", "%2e", "%2f", "%5c", "%00", ";", "#")
_EVERY_METHOD = "*"


class _Rule(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    methods: list[str] = []


class _Ingress(msgspec.Struct, forbid_unknown_fields=True):
    audience: str = ""
    allow: dict[str, list[_Rule]] = {}


class _Egress(msgspec.Struct, forbid_unknown_fields=True):
    audiences: dict[str, str] = {}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    ingress: _Ingress | None = None
    egress: _Egress | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A path with all that lies below it, and the methods that are allowed there."""

    path: str
    methods: frozenset[str]

    def allows(self, method: str, path: str) -> bool:
        """Whether the request is among them."""
        prefix = self.path.rstrip("/")
        lies_below = path == prefix or path.startswith(f"{prefix}/")
        return lies_below and (_EVERY_METHOD in self.methods or method in self.methods)


@dataclass(frozen=True, slots=True)
class Policy:
    """``audience`` is whom tokens must be for; empty stands for our own SPIFFE ID."""

    audience: str
    allow: Mapping[str, tuple[Rule, ...]]
    audiences: Mapping[str, str]

    def why_refused(self, spiffe_id: str, method: str, target: str) -> str:
        """Why this one may not ask for that; empty where it may. ``target`` is as it was sent."""
        rules = self.allow.get(spiffe_id)
        if rules is None:
            return f"{spiffe_id} may do nothing here"
        path = target.partition("?")[0]
        if is_ambiguous(path):
            return "the path can be read in several ways"
        if not any(rule.allows(method, path) for rule in rules):
            return f"{spiffe_id} may not {method} {path}"
        return ""

    def audience_for(self, host: str) -> str:
        """Whom a token for this host, with or without a port, is to be for; empty for no host."""
        found = self.audiences.get(host.lower())
        if found is None:
            found = self.audiences.get(_without_port(host.lower()))
        return found or ""


def is_ambiguous(path: str) -> bool:
    """Whether not everybody reads it in the same way."""
    if not path.startswith("/") or not path.isascii() or not path.isprintable():
        return True
    closed = f"{path.lower()}/" if not path.endswith("/") else path.lower()
    return any(part in closed for part in _AMBIGUOUS)


def parse_policy(text: str, *, path: str) -> Policy:
    """Read the authorizer's file. Raises InvalidField."""
    try:
        documents = load_yaml_documents(text)
        if len(documents) != 1:
            raise InvalidField(path, "", f"it has {len(documents)} documents: write one")
        file = convert(documents[0], _File)
    except DecodeError as error:
        raise InvalidField(path, "", str(error)) from error
    ingress, egress = file.ingress or _Ingress(), file.egress or _Egress()
    if file.ingress is None and file.egress is None:
        raise InvalidField(path, "", "nothing is allowed: write ingress, egress or both")
    allow = {}
    for spiffe_id, rules in ingress.allow.items():
        where = f"{path}: ingress.allow"
        check_spiffe_id(spiffe_id, path=where)
        allow[spiffe_id] = tuple(
            _rule(rule, f"{where}[{spiffe_id}][{number}]") for number, rule in enumerate(rules)
        )
    audiences = {}
    for host, audience in egress.audiences.items():
        if not host or not audience:
            where = f"{path}: egress.audiences[{host}]"
            raise InvalidField(where, audience, "write HOST or HOST:PORT, and an audience for it")
        audiences[host.lower()] = audience
    return Policy(ingress.audience, allow, audiences)


def _rule(rule: _Rule, where: str) -> Rule:
    if is_ambiguous(rule.path) or "?" in rule.path:
        remedy = "write a path that starts with /, without dots between slashes or %-signs for them"
        raise InvalidField(f"{where}.path", rule.path, remedy)
    if not rule.methods:
        raise InvalidField(f"{where}.methods", "", 'name them, or write ["*"] for all')
    for method in rule.methods:
        if method != _EVERY_METHOD and not (method.isalpha() and method.isupper()):
            raise InvalidField(f"{where}.methods", method, "write methods as GET and POST")
    return Rule(rule.path, frozenset(rule.methods))


def _without_port(host: str) -> str:
    """The name or address before a port; an IPv6 address stands in brackets."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and not name.endswith(":") else host
