"""The process's side towards SPIRE: one connection, its health, and what a term needs of it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

from api.proto.types_pb2 import EntryMask
from registrar.claims.ownership import is_ours
from registrar.settings.model import Settings
from registrar.spire.connection import open_connection
from registrar.spire.entries import EntryClient
from registrar.spire.errors import SpireError
from registrar.spire.mirror import EntryMirror
from registrar.spire.waiting import until_done
from registrar.spire.writer import EntryWriter
from registrar.telemetry.logging import kv
from registrar.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

_PROBE_SECONDS = 5.0


class SpireSide:
    """Holds the client while ``connected``; ``problem`` is for the readiness probe."""

    def __init__(
        self, settings: Settings, *, metrics: Metrics, is_leading: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._is_leading = is_leading
        self._client: EntryClient | None = None
        self._problem: str | None = "not reached yet"

    def problem(self) -> str | None:
        """None while the server answers, else why not."""
        return self._problem

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Open the connection until the block ends; does not wait for the server."""
        settings = self._settings
        async with open_connection(
            settings.spire, trust_domain=settings.trust_domain
        ) as connection:
            self._client = EntryClient(connection, observer=self._metrics.spire)
            yield

    async def watch(self) -> None:
        """Ask the server for one entry every few seconds, until cancelled."""
        while True:
            try:
                pages = self._connected_client().pages(mask=EntryMask(), page_size=1)
                async with aclosing(pages):
                    async for _ in pages:
                        break
            except SpireError as error:
                if self._problem is None:
                    log.warning("the SPIRE server went away", extra=kv(error=error.message))
                self._problem = error.message
            else:
                if self._problem is not None:
                    log.info("the SPIRE server answers")
                self._problem = None
            await asyncio.sleep(_PROBE_SECONDS if self._problem is None else 0.5)

    @asynccontextmanager
    async def term(self, prefix: str) -> AsyncIterator[tuple[EntryMirror, EntryWriter]]:
        """A mirror, filled, and a running writer, for one term of leadership."""
        client = self._connected_client()
        # What was adopted is found anew by the claim on it, never believed of a record.
        mirror = EntryMirror(client, is_ours=lambda id_: is_ours(prefix, id_))
        await until_done(mirror.load, what="reading its entries")
        writer = EntryWriter(client, mirror, gate=self._is_leading, observer=self._metrics.spire)
        async with writer.running():
            yield mirror, writer

    def _connected_client(self) -> EntryClient:
        if self._client is None:
            raise RuntimeError("not connected")
        return self._client
