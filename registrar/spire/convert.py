"""Between the messages of the Entry API and our entries, and the masks that we ask with."""

import sys
from collections.abc import Iterable

from api.proto import types_pb2
from registrar.identity.entry import ATTRIBUTE_NAMES, Attributes, Entry, EntryKey
from registrar.identity.selectors import Selector
from registrar.identity.spiffeid import SCHEME

DROPPABLE = ("jwt_svid_ttl", "hint", "store_svid")
"""Attributes that servers which do not know them drop without a word."""

_PLAIN = Attributes()


def to_proto(entry: Entry) -> types_pb2.Entry:
    """The message for an entry; what the server sets itself is left out."""
    key, attributes = entry.key, entry.attributes
    return types_pb2.Entry(
        id=entry.id,
        spiffe_id=id_to_proto(key.spiffe_id),
        parent_id=id_to_proto(key.parent_id),
        selectors=[types_pb2.Selector(type=kind, value=value) for kind, value in key.selectors],
        x509_svid_ttl=attributes.x509_svid_ttl,
        jwt_svid_ttl=attributes.jwt_svid_ttl,
        federates_with=attributes.federates_with,
        dns_names=attributes.dns_names,
        admin=attributes.admin,
        downstream=attributes.downstream,
        store_svid=attributes.store_svid,
        hint=attributes.hint,
        expires_at=entry.expires_at,
    )


def from_proto(message: types_pb2.Entry) -> Entry:
    """The entry that a message with all fields tells of.

    Selectors come in canonical order, federated trust domains sorted and
    without their scheme, however the server gives them. Strings that many
    entries have in common are kept once.
    """
    attributes = Attributes(
        x509_svid_ttl=message.x509_svid_ttl,
        jwt_svid_ttl=message.jwt_svid_ttl,
        federates_with=tuple(sorted(domains_from_proto(message))),
        dns_names=tuple(message.dns_names),
        admin=message.admin,
        downstream=message.downstream,
        store_svid=message.store_svid,
        hint=message.hint,
    )
    return Entry(
        id=message.id,
        key=EntryKey.of(
            id_from_proto(message.spiffe_id),
            sys.intern(id_from_proto(message.parent_id)),
            [Selector(sys.intern(selector.type), selector.value) for selector in message.selectors],
        ),
        attributes=_PLAIN if attributes == _PLAIN else attributes,
        revision_number=message.revision_number,
        created_at=message.created_at,
        expires_at=message.expires_at,
    )


def id_from_proto(message: types_pb2.SPIFFEID) -> str:
    """A SPIFFE ID as text."""
    return f"{SCHEME}{message.trust_domain}{message.path}"


def attribute_mask(fields: Iterable[str]) -> types_pb2.EntryMask:
    """A mask of those attributes, or of ``expires_at``. Raises ValueError for anything else."""
    mask = types_pb2.EntryMask()
    for name in fields:
        if name not in ATTRIBUTE_NAMES and name != "expires_at":
            raise ValueError(f"{name!r} is not an attribute of an entry")
        setattr(mask, name, True)
    return mask


def domains_from_proto(message: types_pb2.Entry) -> set[str]:
    """The names of the trust domains that an entry federates with."""
    return {name.removeprefix(SCHEME) for name in message.federates_with}


def version_mask() -> types_pb2.EntryMask:
    """A mask of what tells two versions of an entry apart, and nothing else.

    The time of creation is part of it: an entry that was deleted and made
    anew under the same ID begins at the same revision. So are the trust
    domains: the server takes one out together with its bundle, and the
    revision stays.
    """
    return types_pb2.EntryMask(revision_number=True, created_at=True, federates_with=True)


def id_to_proto(spiffe_id: str) -> types_pb2.SPIFFEID:
    """A valid SPIFFE ID as the API writes it."""
    trust_domain, slash, path = spiffe_id.removeprefix(SCHEME).partition("/")
    return types_pb2.SPIFFEID(trust_domain=trust_domain, path=slash + path)
