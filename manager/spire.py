"""The process's side towards SPIRE: one connection, its health, and what a term needs of it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from api.proto.types_pb2 import EntryMask
from controllers.ports import Bundles, Federation, SpireWriter
from registrar.claims.ownership import Ownership
from registrar.ending import Ending
from registrar.settings.model import Settings
from registrar.spire.background import background
from registrar.spire.bundles import BundleClient
from registrar.spire.connection import Connection, open_connection
from registrar.spire.droppedfields import DroppedFields
from registrar.spire.entries import EntryClient
from registrar.spire.errors import SpireError
from registrar.spire.federation import FederationClient
from registrar.spire.mirror import EntryMirror
from registrar.spire.svids import Minter
from registrar.spire.trustdomains import KnownDomains
from registrar.spire.waiting import until_done
from registrar.spire.writer import EntryWriter
from registrar.telemetry.logging import kv
from registrar.telemetry.metrics import Metrics
from registrar.telemetry.rounds import attempt
from registrar.telemetry.tracing import Tracer

log = logging.getLogger(__name__)

_PROBE_SECONDS = 5.0


class TermWriter(SpireWriter, Protocol):
    """Writes entries; ``registrar.spire.writer.EntryWriter`` is one."""

    @property
    def room(self) -> int:
        """How many creations and updates to have under way."""
        ...


@dataclass(frozen=True, slots=True)
class TermSide:
    """What one term of leadership needs of the SPIRE server."""

    mirror: EntryMirror
    writer: TermWriter
    trust_domains: KnownDomains
    federation: Federation
    bundles: Bundles
    dropped: DroppedFields


class SpireSide:
    """Holds the client while ``connected``; ``problem`` is for the readiness probe."""

    def __init__(
        self,
        settings: Settings,
        *,
        metrics: Metrics,
        is_leading: Callable[[], bool],
        ending: Ending,
        tracer: Tracer | None = None,
    ) -> None:
        self._settings = settings
        self._tracer = tracer
        self._ending = ending
        self._metrics = metrics
        self._is_leading = is_leading
        self._client: EntryClient | None = None
        self._problem: str | None = "not reached yet"
        self._answers = asyncio.Event()
        self.connection: Connection | None = None
        """To ask the server further, once connected."""
        self.bundles: BundleClient | None = None
        self.federation: FederationClient | None = None
        self.minter: Minter | None = None
        self.dropped = DroppedFields()

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
            self.connection = connection
            observer, gate, ending = self._metrics.spire, self._is_leading, self._ending
            self._client = EntryClient(connection, observer=observer, gate=gate, ending=ending)
            self.bundles = BundleClient(connection, observer=observer, gate=gate, ending=ending)
            self.federation = FederationClient(
                connection, observer=observer, gate=gate, ending=ending
            )
            self.minter = Minter(connection, observer=observer)
            yield

    async def watch(self) -> None:
        """Ask the server for one entry every few seconds, until cancelled."""
        while True:
            if not await attempt("probe of the SPIRE server", self._probe):
                self._problem = "what the SPIRE server answers cannot be read: see the log"
            await asyncio.sleep(_PROBE_SECONDS if self._problem is None else 0.5)

    async def _probe(self) -> None:
        try:
            pages = self._connected_client().pages(mask=EntryMask(), page_size=1)
            async with aclosing(pages):
                async for _ in pages:
                    break
        except SpireError as error:
            if self._problem is None:
                log.warning("the SPIRE server went away", extra=kv(error=error.message))
            self._problem = error.message
            self._answers.clear()
            return
        if self._problem is not None:
            log.info("the SPIRE server answers")
            # Another version may have come back.
            self.dropped.forget()
        self._problem = None
        self._answers.set()

    @asynccontextmanager
    async def term(self, owns: Ownership) -> AsyncIterator[TermSide]:
        """A mirror, filled, and a running writer, for one term of leadership."""
        client = self._connected_client()
        # What was adopted is found anew by the claim on it, never believed of a record.
        mirror = EntryMirror(
            client, is_ours=owns, may_be_ours=owns.is_former, has_our_form=owns.form
        )
        await until_done(mirror.load, what="reading its entries", answers=self._answers)
        writer = EntryWriter(
            client,
            mirror,
            gate=self._is_leading,
            observer=self._metrics.spire,
            dropped=self.dropped,
            tracer=self._tracer,
        )
        bundles, federation = self.bundles, self.federation
        if bundles is None or federation is None:
            raise RuntimeError("not connected")
        known = KnownDomains(bundles, interval_seconds=self._settings.drift_interval_seconds)
        # Before any entry is planned: what federates with a missing bundle would else fail first.
        what = "listing the bundles that it holds"
        await until_done(known.refresh, what=what, answers=self._answers)
        async with writer.running(), background() as tasks:
            tasks.create_task(known.run(), name="known-trust-domains")
            yield TermSide(mirror, writer, known, federation, bundles, self.dropped)

    def connected_minter(self) -> Minter:
        """The client that mints certificates."""
        if self.minter is None:
            raise RuntimeError("not connected")
        return self.minter

    def _connected_client(self) -> EntryClient:
        if self._client is None:
            raise RuntimeError("not connected")
        return self._client
