"""Whose token it is that a request brings: verified by the keys of its own trust domain. Pure."""

from collections.abc import Mapping
from datetime import datetime

from registrar.errors import InvalidField
from registrar.identity.spiffeid import check_spiffe_id, trust_domain_of
from topology.checks.check import Untrue
from topology.checks.token import read_token, verify_token
from workloads.source import Keys

HEADERS = ("authorization", "x-emissary-auth")
"""Where a token stands; the second is where clients of Emissary put it."""

_LONGEST = 8192
_BEARER = "bearer "


class NoToken(Exception):  # noqa: N818 - named by what was found
    """The request brings none, or brings several."""


def token_in(headers: Mapping[str, str]) -> str:
    """The one token of a request. Raises NoToken."""
    found = {name: headers[name] for name in HEADERS if headers.get(name)}
    if not found:
        raise NoToken(f"no token: bring one in {HEADERS[0]}: Bearer …")
    if len(found) > 1:
        raise NoToken(f"a token in {' and in '.join(found)}: bring one")
    ((name, text),) = found.items()
    if text[: len(_BEARER)].lower() == _BEARER:
        return text[len(_BEARER) :].strip()
    if name == HEADERS[0]:
        raise NoToken(f"no token: {name} is not Bearer …")
    return text.strip()


def brings_token(headers: Mapping[str, str]) -> bool:
    """Whether a request has anything where a token stands, even if it is none."""
    return any(name in headers for name in HEADERS)


def subject_of(text: str, keys: Keys, *, audience: str, now: datetime) -> str:
    """The SPIFFE ID of a token that is good. Raises Untrue with the reason."""
    if len(text) > _LONGEST or not text.isascii():
        raise Untrue("not a token")
    subject = read_token(text).subject
    try:
        check_spiffe_id(subject, path="sub")
    except InvalidField as error:
        raise Untrue(f"its subject is no SPIFFE ID: {error}") from error
    trust_domain = trust_domain_of(subject)
    known = keys.get(trust_domain)
    if not known:
        raise Untrue(f"no keys of {trust_domain} are known here")
    verify_token(text, known.items(), audience=audience, now=now)
    return subject
