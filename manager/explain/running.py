"""What a registrar that runs knows: its own state, and what others have on the SPIRE server.

Nothing of that is copied. Entries of others, which a registrar does not hold, are asked for one
question at a time, with a filter. The server gives those of ours that fit it too, so each read ends
after so many entries, whoever they are of.
"""

import asyncio
from collections.abc import AsyncGenerator, Container, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from api.proto.types_pb2 import Entry as EntryMessage
from controllers.shared import SharedState
from controllers.source import AnySource
from manager.caches.cache import Caches, Unread
from manager.modes.mode import Mode
from manager.preview.comparison import Before, Comparison
from manager.preview.model import Action, Change
from manager.process import Working
from registrar.claims.outcome import State
from registrar.claims.ownership import is_ours
from registrar.claims.podselectors import PodSelectors
from registrar.identity.entry import Entry, EntryKey, differing
from registrar.identity.spiffeid import SCHEME
from registrar.kube.session import API
from registrar.settings.model import Settings
from registrar.spire.agents import Agent, AgentClient
from registrar.spire.calls import Channels
from registrar.spire.convert import from_proto
from registrar.spire.entries import EntryClient
from registrar.spire.errors import NotFound, SpireError

MOST_OTHERS = 1000
"""Entries of others that are kept of one read."""
MOST_READ = 10_000
"""Entries that one read fetches, ours too, but for the rest of a page: a question has its time."""
KEPT_SECONDS = 10.0
"""How long the agents, and the entries that give them other IDs, are taken to stay the same."""
_CALL_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_ON_ITS_WAY = (
    "the registrar is about to write it: ask again in a moment, and look at its log if it stays so"
)


@dataclass(frozen=True, slots=True)
class Others:
    """Entries that are not the registrar's; ``are_all`` False: there are more of them."""

    entries: Sequence[Entry]
    are_all: bool = True


class Asked:
    """Asks one SPIRE server. Every method raises SpireError.

    ``own`` are the IDs that the registrar's entries have: those are read, and not kept.
    """

    def __init__(self, connection: Channels, trust_domain: str) -> None:
        self._agents = AgentClient(connection, timeout_seconds=_CALL_SECONDS)
        self._entries = EntryClient(connection, timeout_seconds=_CALL_SECONDS)
        self._server = f"{SCHEME}{trust_domain}/spire/server"
        self._known_agents: tuple[float, Sequence[Agent]] | None = None
        self._known_aliases: tuple[float, Others] | None = None

    async def list(self) -> Sequence[Agent]:
        """The agents, as of KEPT_SECONDS ago at most."""
        now, kept = asyncio.get_running_loop().time(), self._known_agents
        if kept is None or now - kept[0] > KEPT_SECONDS:
            self._known_agents = kept = (now, await self._agents.list())
        return kept[1]

    async def aliases(self, own: Container[str]) -> Others:
        """The entries that are for agents, as of KEPT_SECONDS ago at most."""
        now, kept = asyncio.get_running_loop().time(), self._known_aliases
        if kept is None or now - kept[0] > KEPT_SECONDS:
            found = await _read(self._entries.pages(parent_id=self._server), own)
            self._known_aliases = kept = (now, found)
        return kept[1]

    async def with_id(self, entry_id: str) -> Others:
        """The entry with that ID, or none."""
        try:
            return Others([await self._entries.get(entry_id)])
        except NotFound:
            return Others([])

    async def with_spiffe_id(self, spiffe_id: str, own: Container[str]) -> Others:
        """The entries that give a SPIFFE ID."""
        return await _read(self._entries.pages(spiffe_id=spiffe_id), own)

    async def selecting(self, pod: PodSelectors, own: Container[str]) -> Others:
        """The entries all of whose selectors a Pod is known to have."""
        return await _read(self._entries.pages(selected_by=pod.known), own)


class Running:
    """One registrar that runs, for one question; made by ``of``."""

    def __init__(self, working: Working, asked: Asked, unread: Sequence[Unread]) -> None:
        self._working = working
        self._asked = asked
        self._mirror = working.term.mirror
        self.unread = unread
        self.remedy = _ON_ITS_WAY
        self._foreign: dict[EntryKey, Entry] = {}
        self._comparison = self._compared()

    @classmethod
    async def of(cls, working: Working, asked: Asked) -> "Running":
        """What it knows at this moment."""
        return cls(working, asked, await _unread(working.mode.caches))

    @property
    def settings(self) -> Settings:
        """Those that it works by."""
        return self._working.settings

    @property
    def mode(self) -> Mode:
        """What it reads of the API server."""
        return self._working.mode

    @property
    def shared(self) -> SharedState:
        """The claims, the outcomes and the problems."""
        return self._working.term.shared

    @property
    def sources(self) -> Sequence[AnySource]:
        """To ask for reasons."""
        return self._working.term.sources

    @property
    def session(self) -> API | None:
        """To ask the API server further."""
        return self._working.session

    @property
    def connection(self) -> Channels:
        """To ask the SPIRE server further."""
        return self._working.connection

    async def look(
        self, *, spiffe_id: str = "", entry_id: str = "", pod: PodSelectors | None = None
    ) -> str:
        """Learn which entries of others concern this; why that cannot be learnt, or empty."""
        own = self._mirror.own
        try:
            found = {"for agents": await self._asked.aliases(own)}
            if spiffe_id:
                found["that give this SPIFFE ID"] = await self._asked.with_spiffe_id(spiffe_id, own)
            if entry_id and entry_id not in own:
                found["with this ID"] = await self._asked.with_id(entry_id)
            if pod is not None:
                found["that select the Pod"] = await self._asked.selecting(pod, own)
        except SpireError as error:
            return f"entries of others on the SPIRE server: {error.message}"
        entries = (entry for others in found.values() for entry in others.entries)
        # The aliases are of a moment ago.
        self._foreign = {entry.key: entry for entry in entries if entry.id not in own}
        self._comparison = self._compared()
        cut = [which for which, others in found.items() if not others.are_all]
        if cut:
            return (
                f"entries of others on the SPIRE server: of those {' and of those '.join(cut)}, "
                f"only the first {MOST_OTHERS} were looked at, and no more than {MOST_READ} with "
                "ours among them: the command explain looks at all"
            )
        return ""

    def entries(self) -> Iterator[Entry]:
        """Those of others that concern the question, and all of ours."""
        yield from self._foreign.values()
        yield from self._mirror.own.values()

    def held(self, key: EntryKey) -> Entry | None:
        """The entry with that key, rather ours."""
        return self._mirror.entry_of(key) or self._foreign.get(key)

    def with_id(self, entry_id: str) -> Entry | None:
        """The entry with that ID."""
        own = self._mirror.own.get(entry_id)
        if own is not None:
            return own
        return next((entry for entry in self._foreign.values() if entry.id == entry_id), None)

    def is_ours(self, entry_id: str) -> bool:
        """Whether the entry of that ID is this registrar's."""
        return entry_id in self._mirror.own

    def keys_planned_as(self, entry_id: str) -> Sequence[EntryKey]:
        """The key that the registrar chose the ID for, while no entry has it."""
        prefix = self.shared.prefix
        if not is_ours(prefix, entry_id):
            return []
        key = self.shared.holder(entry_id.removeprefix(f"{prefix}."))
        return [] if key is None or key not in self.shared.index else [key]

    def change_of(self, key: EntryKey) -> Change | None:
        """What becomes of the entry with that key."""
        entry, outcome = self._mirror.entry_of(key), self.shared.outcomes.get(key)
        is_claimed, comparison = key in self.shared.index, self._comparison
        if entry is None:
            if not is_claimed:
                return None
            change = comparison.unserved(key)
            is_planned = change.action is Action.FAILED and outcome.state is State.PENDING
            return replace(change, action=Action.CREATE, why="") if is_planned else change
        change = comparison.stayed(entry, entry)
        if change.action is not Action.KEEP or change.why:
            return change
        if not is_claimed:
            return comparison.gone(entry)
        asked = self.shared.asked(self.shared.index.claims(key)[0])
        # Where a server does not know a field, the entry is set without it.
        if outcome.is_set or not differing(asked, entry.attributes):
            return change
        return comparison.changed(Action.UPDATE, entry, replace(entry, attributes=asked))

    def _compared(self) -> Comparison:
        before = Before(self._mirror.own, self._foreign, self._mirror.foreign_count)
        withheld = self._working.term.withheld()
        return Comparison(before, self._mirror, self.shared, withheld=withheld)


async def _read(pages: AsyncGenerator[list[EntryMessage], None], own: Container[str]) -> Others:
    """The entries of some pages that are not ours: MOST_OTHERS, out of MOST_READ, at most."""
    found: list[Entry] = []
    number = 0
    async with aclosing(pages) as reading:
        async for page in reading:
            found += (from_proto(message) for message in page if message.id not in own)
            number += len(page)
            if len(found) > MOST_OTHERS or number > MOST_READ:
                return Others(found[:MOST_OTHERS], are_all=False)
    return Others(found)


async def _unread(caches: Caches) -> Sequence[Unread]:
    """What cannot be read. A registrar that works knows that of everything, so nobody waits."""
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            return await caches.looked()
    except TimeoutError:
        why = caches.why_not_synced() or "it is being read"
        return [Unread("", f"not all objects are known: {why}", "ask again in a moment")]
