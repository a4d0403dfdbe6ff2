"""All entries of a SPIRE server, read once and before anything else.

What stands on the server at that moment is for objects that were there before: of objects that
are read later none is missing, so a registrar that works meanwhile makes nobody believe that
its newest entries are for nothing.
"""

from collections.abc import AsyncGenerator

from api.proto import types_pb2
from registrar.identity.entry import Entry
from registrar.spire.entries import EntryClient


class HeldPages:
    """Gives the pages that were read to whoever lists all entries; what else is asked is read."""

    def __init__(self, client: EntryClient) -> None:
        self._client = client
        self._held: list[list[types_pb2.Entry]] = []

    async def read(self) -> None:
        """Read all entries. Raises SpireError."""
        self._held = [page async for page in self._client.pages()]

    async def pages(
        self, *, mask: types_pb2.EntryMask | None = None, spiffe_id: str = ""
    ) -> AsyncGenerator[list[types_pb2.Entry], None]:
        """All entries, as they were read, once; or those of one SPIFFE ID as they are now."""
        if spiffe_id:
            async for page in self._client.pages(mask=mask, spiffe_id=spiffe_id):
                yield page
            return
        while self._held:
            yield self._held.pop(0)

    async def get(self, entry_id: str) -> Entry:
        """One entry as it is now. Raises NotFound."""
        return await self._client.get(entry_id)
