"""What random walks through the modes have in common: a plain model beside the servers.

Beside what should be in the end they hold to one rule at every moment: what worked works on,
until the object that asked for it is known to be gone or its next entry is set. The seed of a
failing walk stands in the test's name; SPIRE_REGISTRAR_SEEDS="7 8" walks others.
"""

import asyncio
import contextlib
import os
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field

from api.proto.types_pb2 import Entry
from tests.support.setup import Setup, some_looks, until

SEEDS = os.environ.get("SPIRE_REGISTRAR_SEEDS", "1 2").split()
ROUNDS, STEPS = 4, 10
Action = Callable[[], Coroutine[None, None, None]]


@dataclass
class Walk(ABC):
    """The model beside the servers; ``objects`` are path and hint by the object's name."""

    setup: Setup
    random: random.Random
    objects: dict[str, tuple[str, str]] = field(default_factory=dict)
    must: dict[str, set[str]] = field(default_factory=dict)
    """Paths of which one must be served at every moment, by who has them."""
    is_running: bool = False

    @abstractmethod
    def actions(self) -> list[Action]:
        """What may happen in the mode."""

    @abstractmethod
    def running(self) -> contextlib.AbstractAsyncContextManager[object]:
        """A registrar, until the block ends."""

    @abstractmethod
    def is_in_doubt(self) -> bool:
        """Whether something is broken or cannot be read."""

    @abstractmethod
    async def mend(self) -> None:
        """Put right whatever is broken."""

    def expected(self) -> dict[str, set[str]]:
        """Hints that are right, by path: any owner's where two disagree."""
        wanted: dict[str, set[str]] = {}
        for path, hint in self.objects.values():
            wanted.setdefault(path, set()).add(hint)
        return wanted

    def owners(self) -> dict[str, str]:
        """Who has which path."""
        return {name: path for name, (path, _) in self.objects.items()}

    def entries(self) -> list[Entry]:
        return self.setup.all_entries()

    def is_right(self) -> bool:
        """Whether the SPIRE server holds what the model says, each path once."""
        wanted, found = self.expected(), self.entries()
        hints = {entry.spiffe_id.path: entry.hint for entry in found}
        return (
            len(hints) == len(found)
            and hints.keys() == wanted.keys()
            and all(hint in wanted[path] for path, hint in hints.items())
        )

    def lost(self) -> dict[str, set[str]]:
        """Whose identity is missing though nobody took it away."""
        served = {entry.spiffe_id.path for entry in self.entries()}
        return {name: paths for name, paths in self.must.items() if not paths & served}

    async def watch(self) -> None:
        """Fail at the moment when something is lost."""
        while True:
            lost = self.lost()
            assert not lost, f"{lost} went; there are {[e.spiffe_id.path for e in self.entries()]}"
            await asyncio.sleep(0.003)

    async def rest(self) -> None:
        """Wait until everything is as the model says, where nothing is in doubt."""
        if not self.is_running or self.is_in_doubt():
            return
        try:
            await until(self.is_right)
        except TimeoutError:
            found = [(e.spiffe_id.path, e.hint) for e in self.entries()]
            raise AssertionError(f"{self.expected()} but {found}") from None
        self.must = {name: {path} for name, path in self.owners().items()}

    def moves(self, name: str, path: str) -> None:
        """An object asks for another path from now on; the old one serves until that is set."""
        if name in self.must:
            self.must[name].add(path)

    async def drift(self) -> None:
        """Somebody deletes an entry on the SPIRE server, while it need not be there."""
        if self.is_in_doubt() or not self.entries():
            return  # of what is in doubt nobody could bring it back
        await self.rest()
        if not self.entries():
            return
        entry = self.random.choice(self.entries())
        self.must = {
            n: paths for n, paths in self.must.items() if entry.spiffe_id.path not in paths
        }
        self.setup.spire.state.delete(entry.id)

    async def refuse_writes(self) -> None:
        method = self.random.choice(["BatchCreateEntry", "BatchUpdateEntry", "BatchDeleteEntry"])
        self.setup.spire.faults.fail(method, times=self.random.randrange(1, 3))

    async def restart_spire(self) -> None:
        await self.setup.spire.stop()
        await self.setup.spire.start()

    def wanted(self, name: str) -> tuple[str, str]:
        """A path and hint for an object."""
        path = f"/{name}-{self.random.randrange(3)}" if self.random.random() < 0.5 else f"/{name}"
        if self.random.random() < 0.2:
            path = "/shared"
        return path, self.random.choice(["", "x"])

    async def go(self) -> None:
        """Walk through several lives of a registrar, then see whether all came right."""
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self.watch())
            for _ in range(ROUNDS):
                async with self._life():
                    for _ in range(STEPS):
                        await self.random.choice(self.actions())()
                        if self.random.random() < 0.3:
                            await self.mend()
                        if self.random.random() < 0.5:
                            await self.rest()
                for _ in range(self.random.randrange(4)):
                    await self.random.choice(self.actions())()  # while nobody looks
            self.setup.spire.faults.clear()
            await self.mend()
            async with self._life():
                await self.rest()
                await some_looks(self.setup)
                writes = self.setup.spire.writes.total()
                await some_looks(self.setup)
                assert self.setup.spire.writes.total() == writes
                assert self.is_right()
            watching.cancel()

    @contextlib.asynccontextmanager
    async def _life(self) -> AsyncIterator[None]:
        async with self.running():
            self.is_running = True
            try:
                yield
            finally:
                self.is_running = False
