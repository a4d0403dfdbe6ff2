"""What the mirror keeps of an entry that is not ours."""

from dataclasses import dataclass
from typing import TypeAlias

from api.proto import types_pb2
from registrar.identity.entry import Entry
from registrar.spire.convert import id_from_proto

Version: TypeAlias = tuple[int, int]
"""Revision number and time of creation."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """Its ID and version; ``privileged_id`` is the SPIFFE ID of a privileged one, else empty."""

    id: str
    version: Version
    privileged_id: str

    @classmethod
    def of(cls, message: types_pb2.Entry) -> "Foreign":
        """Of what the server answered."""
        is_privileged = message.admin or message.downstream
        return cls(
            message.id,
            (message.revision_number, message.created_at),
            id_from_proto(message.spiffe_id) if is_privileged else "",
        )

    @classmethod
    def of_entry(cls, entry: Entry) -> "Foreign":
        """Of an entry that was read whole."""
        is_privileged = entry.attributes.is_privileged
        return cls(
            entry.id,
            (entry.revision_number, entry.created_at),
            entry.key.spiffe_id if is_privileged else "",
        )
