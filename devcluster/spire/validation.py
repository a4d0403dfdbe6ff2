"""What a SPIRE server accepts: each check raises ``Refusal`` with the server's status."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from api.proto import types_pb2
from devcluster.spire import dnsnames
from devcluster.spire.refusal import Refusal
from devcluster.spire.urls import endpoint_url

SCHEME = "spiffe://"
MAX_ENTRY_ID = 255
MAX_HINT_BYTES = 1024

_INVALID_ENTRY = "datastore-validation: invalid registration entry"
_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}")
_PATH = re.compile(r"(?:/[A-Za-z0-9._-]+)*")
_DOTS = re.compile(r"/\.{1,2}(?:/|$)")
_ENTRY_ID = re.compile(r"[A-Za-z0-9._-]*")


def code_number(code: grpc.StatusCode) -> int:
    """The number that stands for a code on the wire."""
    return int(code.value[0])


def status(code: grpc.StatusCode, message: str) -> types_pb2.Status:
    """The status of one item of a batch."""
    return types_pb2.Status(code=code_number(code), message=message)


def ok() -> types_pb2.Status:
    """The status of an item that went well."""
    return types_pb2.Status(code=0, message="OK")


def refused(refusal: Refusal, doing: str) -> types_pb2.Status:
    """The status of an item that was refused while ``doing`` something with it."""
    return status(refusal.code, f"{doing}: {refusal}")


def id_text(spiffe_id: types_pb2.SPIFFEID) -> str:
    """``spiffe://<trust domain><path>``."""
    return f"{SCHEME}{spiffe_id.trust_domain}{spiffe_id.path}"


def trust_domain(name: str) -> str:
    """A trust domain's name; it may be given as any SPIFFE ID of it."""
    bare = name
    if ":/" in name:
        if not name.startswith(SCHEME):
            raise Refusal("scheme is missing or invalid")
        bare, slash, path = name.removeprefix(SCHEME).partition("/")
        _check_path(slash + path)
    if not bare:
        raise Refusal("trust domain is missing")
    if not _TRUST_DOMAIN.fullmatch(bare):
        raise Refusal(
            "trust domain characters are limited to lowercase letters, numbers, dots, dashes, "
            "and underscores"
        )
    return bare


def member_id(spiffe_id: types_pb2.SPIFFEID, domain: str) -> str:
    """A well-formed SPIFFE ID with a path, of the server's trust domain."""
    text = _text_within(spiffe_id, domain)
    if not spiffe_id.path:
        raise Refusal(f'"{text}" is not a member of trust domain "{domain}"; path is empty')
    return text


def _text_within(spiffe_id: types_pb2.SPIFFEID, domain: str) -> str:
    name = trust_domain(spiffe_id.trust_domain)
    _check_path(spiffe_id.path)
    text = f"{SCHEME}{name}{spiffe_id.path}"
    if name != domain:
        raise Refusal(f'"{text}" is not a member of trust domain "{domain}"')
    return text


def _check_path(path: str) -> None:
    if path and not path.startswith("/"):
        raise Refusal("path must have a leading slash")
    if "//" in path:
        raise Refusal("path cannot contain empty segments")
    if path.endswith("/"):
        raise Refusal("path cannot have a trailing slash")
    if not _PATH.fullmatch(path):
        raise Refusal(
            "path segment characters are limited to letters, numbers, dots, dashes, and underscores"
        )
    if _DOTS.search(path):
        raise Refusal("path cannot contain dot segments")


def workload_id(spiffe_id: types_pb2.SPIFFEID, domain: str) -> str:
    """A SPIFFE ID that an entry may give to a workload."""
    text = _text_within(spiffe_id, domain)
    if not spiffe_id.path:
        raise Refusal(f'"{text}" is not a workload in trust domain "{domain}"; path is empty')
    if spiffe_id.path == "/spire" or spiffe_id.path.startswith("/spire/"):
        raise Refusal(
            f'"{text}" is not a workload in trust domain "{domain}"; '
            "path is in the reserved namespace"
        )
    return text


def selectors(given: Iterable[types_pb2.Selector]) -> None:
    """Each selector has a type without a colon, and a value."""
    for selector in given:
        if not selector.type:
            raise Refusal("missing selector type")
        if ":" in selector.type:
            raise Refusal("selector type contains ':'")
        if not selector.value:
            raise Refusal("missing selector value")


def entry_id(given: str) -> None:
    """An entry ID that a client chose, or none."""
    if len(given) > MAX_ENTRY_ID:
        raise Refusal(f"{_INVALID_ENTRY}: entry ID too long")
    if not _ENTRY_ID.fullmatch(given):
        raise Refusal(f"{_INVALID_ENTRY}: entry ID contains invalid characters")


def entry(given: types_pb2.Entry, fields: frozenset[str], domain: str) -> None:
    """Those fields of an entry as the server would store them."""
    _ids(given, fields, domain)
    if "dns_names" in fields:
        for name in given.dns_names:
            dnsnames.check(name)
    if "federates_with" in fields:
        for other in given.federates_with:
            _prefixed("invalid federated trust domain", partial(trust_domain, other))
    if "selectors" in fields:
        if not given.selectors:
            raise Refusal("selector list is empty")
        selectors(given.selectors)
    _numbers(given, fields)
    if "hint" in fields and len(given.hint.encode()) > MAX_HINT_BYTES:
        raise Refusal(f"hint is too long, max length is {MAX_HINT_BYTES} characters")


def storable(given: types_pb2.Entry) -> None:
    """SVIDs that are stored need selectors of one type."""
    if given.store_svid and len({selector.type for selector in given.selectors}) > 1:
        raise Refusal(
            f"{_INVALID_ENTRY}: selector types must be the same when store SVID is enabled"
        )


def without_duplicates(given: types_pb2.Entry) -> None:
    """The database holds each name and each selector of an entry once."""
    if len(set(given.dns_names)) < len(given.dns_names):
        raise not_unique("dns_names.registered_entry_id, dns_names.value")
    if len({(selector.type, selector.value) for selector in given.selectors}) < len(
        given.selectors
    ):
        raise not_unique("selectors.registered_entry_id, selectors.type, selectors.value")


def not_unique(columns: str) -> Refusal:
    """What the database says of a row that it has, as the server passes it on."""
    return Refusal(
        f"datastore-sql: UNIQUE constraint failed: {columns}", grpc.StatusCode.ALREADY_EXISTS
    )


def relationship(given: types_pb2.FederationRelationship, fields: frozenset[str]) -> None:
    """A federation relationship, or those fields of it."""
    _prefixed("failed to parse trust domain", lambda: trust_domain(given.trust_domain))
    if "bundle_endpoint_url" in fields:
        endpoint_url(given.bundle_endpoint_url)
    if "bundle_endpoint_profile" in fields:
        profile = given.WhichOneof("bundle_endpoint_profile")
        if profile is None:
            raise Refusal("unsupported bundle endpoint profile type: <nil>")
        if profile == "https_spiffe":
            _endpoint_id(given.https_spiffe.endpoint_spiffe_id)
    if "trust_domain_bundle" in fields and given.HasField("trust_domain_bundle"):
        inside = trust_domain(given.trust_domain_bundle.trust_domain)
        outside = trust_domain(given.trust_domain)
        if inside != outside:
            raise Refusal(
                f'trust domain bundle ("{inside}") must match the trust domain of the '
                f'federation relationship ("{outside}")'
            )
        authorities(given.trust_domain_bundle)


def authorities(given: types_pb2.Bundle) -> None:
    """Certificates and public keys that can be read."""
    for certificate in given.x509_authorities:
        try:
            for der in _concatenated(certificate.asn1):
                x509.load_der_x509_certificate(der)
        except ValueError as error:
            raise Refusal(f"unable to parse X.509 authority: {error}") from error
    for key in given.jwt_authorities:
        try:
            load_der_public_key(key.public_key)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Refusal(f"unable to parse JWT authority: {error}") from error
        if not key.key_id:
            raise Refusal("unable to parse JWT authority: missing key ID")


def _concatenated(ders: bytes) -> Iterator[bytes]:
    """The certificates of one field, where a server takes several. Raises ValueError."""
    while True:
        size = 2
        if len(ders) > 1:
            more = ders[1] & 0x7F if ders[1] & 0x80 else 0
            size += more + (int.from_bytes(ders[2 : 2 + more], "big") if more else ders[1])
        yield ders[:size]
        ders = ders[size:]
        if not ders:
            return


def _ids(given: types_pb2.Entry, fields: frozenset[str], domain: str) -> None:
    if "parent_id" in fields:
        if not given.HasField("parent_id"):
            raise Refusal("invalid parent ID: request must specify SPIFFE ID")
        _prefixed("invalid parent ID", partial(member_id, given.parent_id, domain))
    if "spiffe_id" in fields:
        if not given.HasField("spiffe_id"):
            raise Refusal("invalid spiffe ID: request must specify SPIFFE ID")
        _prefixed("invalid spiffe ID", partial(workload_id, given.spiffe_id, domain))


def _numbers(given: types_pb2.Entry, fields: frozenset[str]) -> None:
    if "x509_svid_ttl" in fields and given.x509_svid_ttl < 0:
        raise Refusal("X509-SVID TTL cannot be negative")
    if "jwt_svid_ttl" in fields and given.jwt_svid_ttl < 0:
        raise Refusal("JWT-SVID TTL cannot be negative")


def _endpoint_id(text: str) -> None:
    what = "failed to parse endpoint SPIFFE ID"
    if not text.startswith(SCHEME):
        raise Refusal(f"{what}: scheme is missing or invalid")
    _prefixed(what, partial(trust_domain, text))


def _prefixed(what: str, check: Callable[[], str]) -> None:
    try:
        check()
    except Refusal as error:
        raise Refusal(f"{what}: {error}", error.code) from error
