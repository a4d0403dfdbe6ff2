"""SPIFFE IDs and trust domains, checked as the SPIFFE ID specification says.

Section 2 of the specification gives the syntax: a trust domain of lower case
letters, digits, dots, dashes and underscores (255 characters at most), a path
whose segments are letters, digits, dots, dashes and underscores, none of them
empty, ``.`` or ``..``, and 2048 bytes in all.
"""

import re

from registrar.errors import InvalidField

SCHEME = "spiffe://"
MAX_TRUST_DOMAIN_LENGTH = 255
_TRUST_DOMAIN = re.compile(rf"[a-z0-9._-]{{1,{MAX_TRUST_DOMAIN_LENGTH}}}")
_SEGMENT = re.compile(r"[a-zA-Z0-9._-]+")
_MAX_LENGTH = 2048
_TRUST_DOMAIN_REMEDY = "use lower case letters, digits, '.', '-' and '_', such as example.org"


def check_trust_domain(value: str, *, path: str) -> str:
    """The name of a trust domain, without the scheme if it was given with one.

    Raises InvalidField, naming ``path``, for anything else.
    """
    name = value.removeprefix(SCHEME)
    if not _TRUST_DOMAIN.fullmatch(name):
        raise InvalidField(path, value, f"not a trust domain: {_TRUST_DOMAIN_REMEDY}")
    return name


def check_path(value: str, *, path: str) -> str:
    """The path of a SPIFFE ID, with its leading slash. Raises InvalidField."""
    segments = value.removeprefix("/").split("/")
    _check_segments(segments, value, path)
    return "/" + "/".join(segments)


def check_spiffe_id(value: str, *, path: str, trust_domain: str = "") -> str:
    """A SPIFFE ID with a path, of ``trust_domain`` if one is given.

    Raises InvalidField, naming ``path``, when it is malformed, has no path, is
    too long or belongs to another trust domain.
    """
    if not value.startswith(SCHEME):
        example = trust_domain or "example.org"
        raise InvalidField(path, value, f"a SPIFFE ID starts with {SCHEME}{example}/")
    if len(value) > _MAX_LENGTH:
        raise InvalidField(path, value, f"longer than {_MAX_LENGTH} bytes: shorten the path")
    name, slash, rest = value.removeprefix(SCHEME).partition("/")
    if not _TRUST_DOMAIN.fullmatch(name):
        raise InvalidField(
            path, value, f"its trust domain {name!r} is none: {_TRUST_DOMAIN_REMEDY}"
        )
    if not slash:
        raise InvalidField(path, value, f"a path is missing: write {SCHEME}{name}/<workload>")
    _check_segments(rest.split("/"), value, path)
    if trust_domain and name != trust_domain:
        raise InvalidField(
            path,
            value,
            f"its trust domain is {name!r}, the SPIRE server's is {trust_domain!r}: "
            f"write {SCHEME}{trust_domain}/{rest}",
        )
    return value


def _check_segments(segments: list[str], value: str, path: str) -> None:
    for segment in segments:
        if segment in {"", ".", ".."} or not _SEGMENT.fullmatch(segment):
            what = repr(segment) if segment else "an empty segment"
            raise InvalidField(
                path,
                value,
                f"{what} cannot stand in the path of a SPIFFE ID: use segments of letters, "
                "digits, '.', '-' and '_', without a slash at the end",
            )


def check_workload_id(value: str, *, path: str, trust_domain: str) -> str:
    """A SPIFFE ID that an entry may give away: not in the path that SPIRE keeps for itself."""
    check_spiffe_id(value, path=path, trust_domain=trust_domain)
    first = path_of(value).split("/")[1]
    if first == "spire":
        raise InvalidField(
            path, value, "the path /spire is reserved for SPIRE itself: choose another path"
        )
    return value


def full_id(text: str, trust_domain: str, *, path: str) -> str:
    """A SPIFFE ID that may be given by its path alone, such as ``/ns/x``."""
    if not text.startswith("/"):
        return text
    return f"{SCHEME}{trust_domain}{check_path(text, path=path)}"


def path_of(spiffe_id: str) -> str:
    """The path of a valid SPIFFE ID, with its leading slash."""
    return "/" + spiffe_id.removeprefix(SCHEME).partition("/")[2]


def trust_domain_of(spiffe_id: str) -> str:
    """The trust domain of a valid SPIFFE ID."""
    return spiffe_id.removeprefix(SCHEME).partition("/")[0]
