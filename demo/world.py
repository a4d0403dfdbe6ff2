"""The servers that the demo plays on, embedded or real: as much of them as it needs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from api.codec import JSONObject
from api.proto.types_pb2 import Bundle, Entry
from devcluster.client import Client


class World(Protocol):
    """A Kubernetes API and a SPIRE server, and a hand on both that is not the registrar's."""

    client: Client
    kubeconfig: Path
    spire_socket: Path

    async def apply(self, documents: Iterable[JSONObject]) -> None:
        """Apply objects in their order."""

    async def entries(self) -> list[Entry]:
        """All entries on the SPIRE server."""

    async def put_entry(self, entry: Entry) -> None:
        """Make an entry as somebody else would."""

    async def delete_entry(self, entry_id: str) -> None:
        """Delete an entry as somebody else would."""

    async def put_bundle(self, bundle: Bundle) -> None:
        """Let the SPIRE server know another trust domain."""
