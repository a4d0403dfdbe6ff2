"""One random walk through a mode: registrars come and go, servers fail, objects break.

Beside what should be in the end it holds to one rule at every moment: what worked works on,
until the object that asked for it is known to be gone or its next entry is set.
"""

import asyncio
from dataclasses import dataclass

import aiohttp

from api.kinds import SPIRE_ENTRY
from api.proto.types_pb2 import Entry
from tests.support.entries import spire_entry
from tests.support.setup import eventually, until
from tests.support.walk.actor import Action, Actor
from tests.support.walk.model import Model
from tests.support.walk.replicas import Replica, Replicas
from tests.support.walk.servers import Servers

_RECORDS = SPIRE_ENTRY.resource.partition(".")[0]
_LOOKS = 4
_CALLS, _WRITES = "spire_registrar_spire_call_seconds_count", ("create", "update", "delete")
FOREIGN = spire_entry("foreign", "/w-foreign", parent="/spire/server", selectors=["unix:uid:0"])
"""An entry of somebody else's, which nobody may touch."""


@dataclass(kw_only=True)
class Length:
    """How far a walk goes: lives of registrars, and steps in each."""

    lives: int
    steps: int


@dataclass(kw_only=True)
class Walk:
    """``has_records``: records of what is claimed, which may be deleted and forbidden.

    ``needs_records``: without them the mode does nothing. ``has_replicas``: several registrars
    may run, of which one leads or all work.
    """

    servers: Servers
    replicas: Replicas
    model: Model
    actors: list[Actor]
    length: Length
    has_records: bool = True
    needs_records: bool = False
    has_replicas: bool = True

    async def go(self) -> None:
        """Walk, then see whether all came right. Failures tell the steps."""
        try:
            await self._go()
        except BaseException as error:
            error.add_note("steps: " + "; ".join(self.model.steps))
            raise

    async def _go(self) -> None:
        for actor in self.actors:
            await actor.begin()
        kept = self._put_foreign()
        async with asyncio.TaskGroup() as tasks, self.replicas.managed():
            watching = tasks.create_task(self._watch())
            for _ in range(self.length.lives):
                await self._live()
            await self._mend()
            await self._start()
            await self._rest()
            await self._see_no_writes()
            assert self._foreign() == [kept]
            await self.replicas.end_all(cleanly=True)
            watching.cancel()

    async def _live(self) -> None:
        """One life of a registrar or two, and what happens until the next one begins."""
        await self._start()
        for _ in range(self.length.steps):
            await self._act(self._actions())
            if self.model.chance(0.3):
                await self._mend()
            if self.model.chance(0.5):
                await self._rest()
        if not await self._may_end():
            await self._mend()
            assert await self._may_end()
        cleanly = self.model.chance(0.5)
        self.model.note(f"all registrars {'stop' if cleanly else 'are killed'}")
        await self.replicas.end_all(cleanly=cleanly)
        for _ in range(self.model.random.randrange(4)):
            await self._act(self._objects_actions())  # while nobody looks

    async def _act(self, actions: list[Action]) -> None:
        if actions:
            await self.model.random.choice(actions)()

    def _objects_actions(self) -> list[Action]:
        return [action for actor in self.actors for action in actor.actions()]

    def _actions(self) -> list[Action]:
        servers = [self._upset, self._drift, self._cut_spire, self._cut_api]
        lives = [self._restart]
        if self.has_replicas:
            lives.append(self._take_over)
        records = [self._delete_record, self._forbid_records] if self.has_records else []
        # Objects are what most happens to.
        objects = self._objects_actions()
        return [*objects, *objects, *servers, *lives, *records]

    # Registrars.

    async def _start(self) -> Replica:
        self.model.note("a registrar starts")
        return await self.replicas.start()

    async def _may_end(self) -> bool:
        """Whether registrars may end: what only they know must be on the SPIRE server."""
        if not any(actor.is_only_said for actor in self.actors):
            return True
        if self._is_in_doubt():
            return False
        await self._rest()
        return True

    async def _restart(self) -> None:
        if await self._may_end():
            cleanly = self.model.chance(0.5)
            self.model.note(f"a restart, {'clean' if cleanly else 'after a kill'}")
            await self.replicas.end_all(cleanly=cleanly)
            await self._start()

    async def _take_over(self) -> None:
        """A second one runs for a while, and the first one goes or is cut off from the API."""
        if not await self._may_end():
            return
        first = list(self.replicas.running)
        second = await self._start()
        for _ in range(2):
            await self._act(self._objects_actions())
        how = self.model.random.choice(["cleanly", "killed", "cut off"])
        if not await self._may_end():
            await self._mend()
            await self._may_end()
        self.model.note(f"another takes over, the first one is {how}")
        if how == "cut off":
            for replica in first:
                replica.api.cut()
            if not (second.is_cut_off or self._are_objects_in_doubt()):
                await self.replicas.until_looked(second)
        for replica in first:
            await self.replicas.end(replica, cleanly=how == "cleanly")

    # Servers.

    async def _upset(self) -> None:
        self.model.note("the servers")
        self.model.note(await self.servers.upset(self.model.random.randrange(1000)))

    async def _cut_spire(self) -> None:
        """SPIRE cannot be reached, until things are mended or just for a moment."""
        self.model.note("SPIRE is cut off")
        for replica in self.replicas.running:
            replica.spire.cut()
            if self.model.chance(0.5):
                replica.spire.mend()

    async def _cut_api(self) -> None:
        """The API server cannot be reached, for a moment or for longer: a leader may end."""
        self.model.note("the API server is cut off")
        for replica in self.replicas.running:
            replica.api.cut()
            if self.model.chance(0.7):
                replica.api.mend()

    async def _drift(self) -> None:
        """Somebody deletes an entry on the SPIRE server, while it need not be there."""
        if self._is_in_doubt() or any(actor.is_only_said for actor in self.actors):
            return  # of what is in doubt, or hearsay, nobody could bring it back
        await self._rest()
        entries = self._entries()
        if entries:
            entry = self.model.random.choice(entries)
            self.model.note(f"somebody deletes the entry of {entry.spiffe_id.path}")
            self.model.loses(entry.spiffe_id.path)
            self.servers.delete_entry(entry.id)

    async def _delete_record(self) -> None:
        self.model.note("somebody deletes a record")
        await self.servers.delete_record(self.model.random.randrange(100))

    async def _forbid_records(self) -> None:
        if _RECORDS in self.servers.forbidden:
            self.model.note("records are allowed")
            await self.servers.allow(_RECORDS)
        else:
            self.model.note("records are forbidden")
            await self.servers.forbid(_RECORDS)

    # What should be.

    def _is_in_doubt(self) -> bool:
        """Whether something is broken or out of reach, so that nobody can tell what should be."""
        cut_off = [replica.is_cut_off for replica in self.replicas.running]
        return any(cut_off) or self._are_objects_in_doubt()

    def _are_objects_in_doubt(self) -> bool:
        lacks_records = self.needs_records and _RECORDS in self.servers.forbidden
        return lacks_records or any(actor.is_in_doubt() for actor in self.actors)

    async def _mend(self) -> None:
        self.model.note("all is mended")
        for replica in self.replicas.running:
            replica.spire.mend()
            replica.api.mend()
        if self.has_records and _RECORDS in self.servers.forbidden:
            await self.servers.allow(_RECORDS)
        await self.servers.calm()
        for actor in self.actors:
            await actor.mend()

    def _entries(self) -> list[Entry]:
        return [entry for entry in self.servers.entries() if entry.id != FOREIGN.id]

    def _foreign(self) -> list[bytes]:
        found = [entry for entry in self.servers.entries() if entry.id == FOREIGN.id]
        return [entry.SerializeToString(deterministic=True) for entry in found]

    def _put_foreign(self) -> bytes:
        self.servers.put_entry(FOREIGN)
        (kept,) = self._foreign()
        return kept

    def _is_right(self) -> bool:
        """Whether the SPIRE server holds what the model says, each path once."""
        wanted, found = self.model.expected(), self._entries()
        hints = {entry.spiffe_id.path: entry.hint for entry in found}
        return (
            len(hints) == len(found)
            and hints.keys() == wanted.keys()
            and all(hint in wanted[path] for path, hint in hints.items())
        )

    async def _rest(self) -> None:
        """Wait until everything is as the model says, where nothing is in doubt."""
        if not self.replicas.running or self._is_in_doubt():
            return
        try:
            await until(self._is_right)
        except TimeoutError:
            found = sorted((e.spiffe_id.path, e.hint) for e in self._entries())
            raise AssertionError(f"{self.model.expected()} but {found}") from None
        self.model.note("right")
        self.model.rests()

    async def _watch(self) -> None:
        """Fail at the moment when something is lost."""
        while True:
            before = dict(self.model.must)
            entries = await self.servers.read()
            if entries is not None:
                served = {entry.spiffe_id.path for entry in entries}
                # While a real server answered, an object may have got what it asked for, or gone.
                must = {n: p | before[n] for n, p in self.model.must.items() if n in before}
                lost = {name: paths for name, paths in must.items() if not paths & served}
                assert not lost, f"{lost} went; there are {sorted(served)}"
            await asyncio.sleep(0.003)

    async def _see_no_writes(self) -> None:
        """Where there is nothing to do nothing is written."""
        (replica,) = self.replicas.running
        await self.replicas.until_looked(replica)
        await self._some_looks(replica)
        before, writes = self._all_entries(), await _calls(replica, *_WRITES)
        await self._some_looks(replica)
        assert self._all_entries() == before
        assert await _calls(replica, *_WRITES) == writes
        assert self._is_right()

    async def _some_looks(self, replica: Replica) -> None:
        """Wait until the drift check has looked a few times more."""
        before = await _calls(replica, "list")

        async def has_looked() -> bool:
            return await _calls(replica, "list") >= before + _LOOKS

        await eventually(has_looked)

    def _all_entries(self) -> dict[str, bytes]:
        """All entries with their revisions, which each write raises."""
        return {
            entry.id: entry.SerializeToString(deterministic=True)
            for entry in self.servers.setup.all_entries()
        }


async def _calls(replica: Replica, *methods: str) -> float:
    """How many calls of these sorts a registrar has made to SPIRE, by its metrics."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{replica.process.port}/metrics") as reply,
    ):
        lines = (await reply.text()).splitlines()
    wanted = [f'method="{method}"' for method in methods]
    found = (line for line in lines if line.startswith(_CALLS))
    return sum(
        float(line.rpartition(" ")[2]) for line in found if any(word in line for word in wanted)
    )
