"""Entries of the SPIRE side, as we keep them and as the server does."""

from dataclasses import replace

from api.proto import types_pb2
from registrar.identity.entry import Attributes, Entry, EntryKey
from registrar.identity.selectors import Selector
from registrar.spire.convert import to_proto

PREFIX = "ours."
PLAIN = Attributes()


def is_ours(entry_id: str) -> bool:
    """Whether an entry ID is of those that ``make_entry`` gives."""
    return entry_id.startswith(PREFIX)


def make_entry(name: str = "web", attributes: Attributes = PLAIN) -> Entry:
    """Our entry of that name and path, with these attributes."""
    return Entry(
        id=f"{PREFIX}{name}",
        key=EntryKey.of(
            f"spiffe://example.org/{name}",
            "spiffe://example.org/node",
            [Selector("k8s", f"pod-name:{name}"), Selector("k8s", "ns:shop")],
        ),
        attributes=attributes,
    )


def foreign(name: str = "other", attributes: Attributes = PLAIN) -> types_pb2.Entry:
    """Somebody else's entry, as a message."""
    entry = make_entry(name, attributes)
    return to_proto(replace(entry, id=f"theirs.{name}"))


def spire_entry(entry_id: str, path: str, *, parent: str, selectors: list[str]) -> types_pb2.Entry:
    """An entry as a SPIRE server holds it; IDs are given by their paths."""
    return types_pb2.Entry(
        id=entry_id,
        spiffe_id=types_pb2.SPIFFEID(trust_domain="example.org", path=path),
        parent_id=types_pb2.SPIFFEID(trust_domain="example.org", path=parent),
        selectors=[
            types_pb2.Selector(type=text.partition(":")[0], value=text.partition(":")[2])
            for text in selectors
        ],
    )
