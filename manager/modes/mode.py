"""What a mode brings: its caches, and for each term the controllers of its sources.

The modes are the tools that we replace: the layered registrar, the controller
manager, the three of the workload registrar. From the claim on they are one.
"""

from collections.abc import Iterator
from typing import Protocol

from controllers.book import Book
from controllers.confirmation import Confirmation
from controllers.drift import Drifting
from controllers.refusal import Refusable
from manager.latency import PodLatency
from manager.stores import Caches, SpireEntryCache
from manager.wiring import Run, World
from registrar.admission.certificates import Minter
from registrar.claims.claim import Claim
from registrar.claims.instance import Form, Made
from registrar.kube.session import Session


class Sources(Drifting, Protocol):
    """The controllers of one term that turn objects into claims."""

    def runs(self) -> Iterator[Run]:
        """The loops to run."""
        ...

    def listen(self) -> None:
        """Hear of changes from now on."""
        ...

    async def look_at_all(self) -> None:
        """Look at every source once; returns when all are claimed for."""
        ...


class Webhook(Protocol):
    """A server that the API server calls."""

    port: int
    """Where it listens, once it does."""

    def problem(self) -> str | None:
        """None while it serves, else why not."""
        ...

    async def run(self) -> None:
        """Serve until cancelled. Raises InvalidField for an address that cannot be had."""
        ...


class Mode(Protocol):
    """One way to run the registrar."""

    @property
    def caches(self) -> Caches:
        """What it reads."""
        ...

    @property
    def spire_entries(self) -> SpireEntryCache:
        """The records, one of the caches."""
        ...

    def alias(self) -> Claim | None:
        """The registrar's own claim, if it needs one."""
        ...

    @property
    def made(self) -> Made:
        """Whether this mode made a record of an earlier version, which named no mode."""
        ...

    @property
    def form(self) -> Form:
        """Whether only this mode makes entries of that form."""
        ...

    def confirmation(self, world: World, book: Book) -> Confirmation:
        """Where a person agrees to withheld deletions."""
        ...

    def refusable(self) -> Iterator[Refusable]:
        """The objects that only this mode and class handles, and that have conditions."""
        ...

    def sources(self, world: World, book: Book, latency: PodLatency) -> Sources:
        """The controllers of its sources, for one term."""
        ...

    def webhook(self, session: Session, minter: Minter) -> Webhook | None:
        """The server that the API server calls, if there is one; every replica has it."""
        ...
